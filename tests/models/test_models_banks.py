"""Banks: every kind of item can be made, encoded, stored and read again, in both splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models import tiny_corpus

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
torch = pytest.importorskip("torch")
PICTURES = {"scenes": 1, "emoji": 1, "lettering": 1, "charts": 1, "edits": 2, "comparisons": 2, "sounding": 1}
SOUNDS = ("speech", "own_voice", "recordings", "moods", "sounds", "asked")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_corpus.write(tmp_path_factory.mktemp("banks") / "corpus")


@pytest.fixture(scope="module")
def codecs():  # type: ignore[no-untyped-def]
    from models.audio_codec import AudioCodec
    from models.image_codec import ImageCodec

    torch.manual_seed(0)
    return ImageCodec(16, 2).eval(), AudioCodec(16).eval()


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("bank", [*PICTURES, "clips"])
def test_an_item_of_pictures_is_the_same_every_time(bank: str, split: str, corpus: Path) -> None:
    from models.build_banks import drawn

    first, again = (drawn(bank, 7, corpus, split) for _ in range(2))
    assert len(first) == PICTURES.get(bank, len(first))
    assert all(p.shape == (64, 64, 3) and p.dtype == np.uint8 for p in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("bank", SOUNDS)
def test_an_item_of_sound_has_a_phoneme_or_none_for_every_frame(bank: str, split: str, corpus: Path) -> None:
    from models.build_banks import heard
    from models.data.sounds.voices import NO_LABEL

    for number in range(6):
        made = heard(bank, number, corpus, split)
        assert made.text
        assert made.mel.shape == (80, len(made.phonemes))
        assert np.isfinite(made.mel).all()
        known = (made.phonemes != NO_LABEL).all()
        assert known == (bank not in ("recordings", "sounds"))


@pytest.mark.parametrize(("bank", "first"), [("edits", 0), ("clips", 30)])
def test_pictures_are_read_as_they_were_stored(
    bank: str, first: int, corpus: Path, codecs, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    from models import build_banks
    from models.data.banks import Banks
    from models.fresh_banks import FreshBanks

    (tmp_path / "banks").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_banks, "load_image_codec", lambda _: codecs[0])
        patch.setattr(build_banks, "PHOTOGRAPHED", 0.0)
        build_banks.build_pictures(tmp_path, bank, first, 5, corpus, 0)
    stored, fresh = Banks(tmp_path / "banks")[bank], FreshBanks("train", corpus, *codecs)[bank]
    assert len(stored) == 5
    assert first <= stored.any(np.random.default_rng(0)) < first + 5
    for number in range(first, first + 5):
        assert np.array_equal(stored.codes(number), fresh.codes(number))


def test_sounds_are_read_as_they_were_stored(corpus: Path, codecs, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from models import build_banks
    from models.data.banks import Banks
    from models.fresh_banks import FreshBanks

    (tmp_path / "banks").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_banks, "load_audio_codec", lambda _: codecs[1])
        build_banks.build_sounds(tmp_path, "own_voice", 40, 5, corpus, 0)
    stored, fresh = Banks(tmp_path / "banks")["own_voice"], FreshBanks("train", corpus, *codecs)["own_voice"]
    for number in range(40, 45):
        a, b = stored.sound(number), fresh.sound(number)
        assert a.text == b.text
        assert np.array_equal(a.codes, b.codes)
        assert np.array_equal(a.phonemes, b.phonemes)


def test_the_decoder_trains_on_what_the_banks_hold(corpus: Path, codecs) -> None:  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer

    from models.data.documents import Writer
    from models.data.tasks.desk import Desk
    from models.decoder import Decoder
    from models.family import Member
    from models.fresh_banks import FreshBanks
    from models.train_decoder import Naming, _padded

    write = Writer(
        Tokenizer.from_file("models/weights/pico/tokenizer.json"),
        Desk(FreshBanks("train", corpus, *codecs), corpus),
    )
    rows = [write.row(np.random.default_rng(i), 0.5) for i in range(6)]
    ids, weights, labels, ahead = _padded(rows)
    torch.manual_seed(0)
    model = Decoder(Member("tiny", 256, 1, 4, 2, 256, 16640, 1024))
    naming = Naming(256)
    opt = torch.optim.AdamW([*model.parameters(), *naming.parameters()], 2e-3)
    losses = []
    for _ in range(6):
        loss, _, hidden = model.loss(ids, weights)
        named = naming(hidden, labels[:, :-1], ahead[:, :-1])
        opt.zero_grad()
        (loss + named).backward()
        opt.step()
        losses.append((loss.item(), named.item()))
    assert losses[-1][0] < losses[0][0] - 0.5
    assert losses[-1][1] < losses[0][1] - 0.5
