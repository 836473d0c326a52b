"""Training rows: every task writes whole conversations, whose labels stand where the decoder can use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.vocabulary import AUDIO_BASE, CODES, IMAGE_BASE, NATIVE, SPECIAL
from tests.models import tiny_corpus

pytestmark = pytest.mark.train  # fonts and espeak-ng
TOKENIZER = Path("models/weights/pico/tokenizer.json")


class RandomBank:
    """Codes nobody encoded, as many as the item has."""

    def __init__(self, name: str, corpus: Path) -> None:
        self.name, self.corpus, self.rng = name, corpus, np.random.default_rng(0)

    def any(self, rng: np.random.Generator) -> int:
        return int(rng.integers(2000))

    def codes(self, number: int) -> NDArray[np.uint16]:
        from models.data import items

        count = {"edits": 2, "comparisons": 2}.get(self.name, 1)
        if self.name == "clips":
            count = len(items.clip(number)[0].frames())
        codes = self.rng.integers(0, CODES, (count, 64)).astype(np.uint16)
        return codes

    def sound(self, number: int):  # type: ignore[no-untyped-def]
        from models.data.banks import Sound

        codes = self.rng.integers(0, CODES, 40).astype(np.uint16)
        return Sound(number, "one two", codes, self.rng.integers(0, 9, 40).astype(np.uint8))


class RandomBanks(dict):  # type: ignore[type-arg]
    def __init__(self, corpus: Path) -> None:
        super().__init__()
        self.corpus = corpus

    def __missing__(self, name: str) -> RandomBank:
        return self.setdefault(name, RandomBank(name, self.corpus))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    from models.data.tasks.desk import Desk

    corpus = tiny_corpus.write(tmp_path_factory.mktemp("corpus") / "corpus")
    return Desk(RandomBanks(corpus), corpus)  # type: ignore[arg-type]


def rows(desk, name: str, count: int):  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer

    from models.data.documents import TASKS
    from models.data.rows import Row

    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    for seed in range(count):
        row = Row(lambda text: tokenizer.encode(text, add_special_tokens=False).ids)
        TASKS[name].task(desk, row, np.random.default_rng(seed))
        yield row


def names() -> list[str]:
    from models.data.documents import TASKS

    return list(TASKS)


@pytest.mark.parametrize("name", names())
def test_every_task_writes_whole_spans_and_teaches_only_what_the_model_says(desk, name: str) -> None:  # type: ignore[no-untyped-def]
    image = NATIVE.block("image")
    for row in rows(desk, name, 8):
        ids = np.array(row.ids)
        assert len(ids) == len(row.weights) == len(row.labels) == len(row.ahead)
        assert max(row.weights) > 0
        for start in np.flatnonzero(ids == SPECIAL["img"]):
            assert ids[start + 65] == SPECIAL["/img"]
        for start in np.flatnonzero((ids == SPECIAL["img"]) | (ids == SPECIAL["frame"])):
            assert all(image.holds(int(i)) for i in ids[start + 1 : start + 65])
        speaker = 0
        for i, weight in zip(row.ids, row.weights, strict=True):
            speaker = i if i in (SPECIAL["user"], SPECIAL["assistant"]) else speaker
            assert weight == 0 or speaker == SPECIAL["assistant"] or name == "prose"


@pytest.mark.parametrize("name", names())
def test_labels_stand_at_codes_or_one_before_what_is_to_be_made(desk, name: str) -> None:  # type: ignore[no-untyped-def]
    for row in rows(desk, name, 8):
        for at, ((thing, colour), ahead) in enumerate(zip(row.labels, row.ahead, strict=True)):
            if thing >= 0:
                code = row.ids[at + ahead]
                assert (IMAGE_BASE <= code < AUDIO_BASE) == (colour >= 0)
                assert code >= IMAGE_BASE


def test_the_mixture_is_seeded_bounded_and_grows_longer(desk) -> None:  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer

    from models.data.documents import LONGEST, Writer

    writer = Writer(Tokenizer.from_file(str(TOKENIZER)), desk)
    early = [len(writer.row(np.random.default_rng(i), 0.0).ids) for i in range(60)]
    late = [len(writer.row(np.random.default_rng(i), 1.0).ids) for i in range(60)]
    assert max(early + late) <= LONGEST
    assert np.mean(late) > np.mean(early)
    again = writer.row(np.random.default_rng(3), 0.5)
    assert again.weights == writer.row(np.random.default_rng(3), 0.5).weights


def test_shares_of_a_run_stand_for_the_tables(desk) -> None:  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer

    from models.data.documents import TASKS, Writer

    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    writer = Writer(tokenizer, desk, dict.fromkeys(TASKS, 0.0) | {"read emoji": 1.0})
    for seed in range(20):
        ids = writer.row(np.random.default_rng(seed), 0.9).ids
        assert SPECIAL["img"] in ids
        assert SPECIAL["aud"] not in ids
    with pytest.raises(KeyError):
        Writer(tokenizer, desk, {"juggle": 1.0})
