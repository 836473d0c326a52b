"""Kept sequences: cached = uncached, whatever happens to them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.cache_store import CacheStore
from edge.engines.base import Logits
from edge.errors import EngineError
from edge.generation.prefix_cache import GAINED, GREW, PrefixCache, Saved, common_prefix
from edge.segments import EmbeddingSegment, TokenSegment
from tests.fakes import FakeEngine

MB = 1 << 20
ROOM = 600


class Hashing(FakeEngine):
    """Its logits depend on all that is held, and on nothing else; it counts what it must compute."""

    def __init__(self, weights: int = 0) -> None:
        super().__init__(context_length=ROOM)
        self.weights, self.computed, self.restored = weights, 0, 0

    def restore(self, saved: bytes | memoryview, *, sequence: int = 0) -> None:
        self.restored += 1
        super().restore(saved, sequence=sequence)

    def _append(self, sequence: int, items: Sequence[object]) -> None:
        self.computed += len(items)
        super()._append(sequence, items)

    def _logits(self, sequence: int) -> Logits:
        seed = zlib.crc32(repr((self.weights, self.held[sequence])).encode())
        return np.random.default_rng(seed).normal(size=64).astype(np.float32)


class Talk:
    """One engine's sequence and what it is said to hold, as a decoder keeps it."""

    def __init__(self, cache: PrefixCache, weights: int = 0) -> None:
        self.cache, self.engine, self.held = cache, Hashing(weights), []

    def answer(self, keys: Sequence[int], count: int = 3) -> list[int]:
        """The greedy ids after a prompt."""
        have = self.cache.prepare(self.engine, self.held, keys)
        assert have < len(keys)
        assert self.engine.held[0] == list(keys[:have])
        logits, ids = self.engine.feed([TokenSegment(tuple(keys[have:]))]), []
        self.held = list(keys)
        for _ in range(count):
            ids.append(int(logits.argmax()))
            logits = self.engine.step([ids[-1]])[0]
            self.held.append(ids[-1])
        self.cache.finished(self.engine, self.held)
        return ids


def plain(keys: Sequence[int], count: int = 3) -> list[int]:
    return Talk(PrefixCache()).answer(keys, count)


def prompt(*runs: tuple[int, int]) -> list[int]:
    """Runs of ids, each by its seed and its length."""
    ids: list[int] = []
    for seed, count in runs:
        dice = random.Random(seed)
        ids += [dice.randrange(64) for _ in range(count)]
    return ids


def test_what_one_conversation_pushed_out_comes_back_for_its_next_turn() -> None:
    talk = Talk(PrefixCache(limit=MB))
    first, other = prompt((1, 200)), prompt((2, 200))
    said = talk.answer(first)
    talk.answer(other)
    talk.engine.computed = 0
    following = [*first, *said, 7, 8, 9]
    assert talk.answer(following) == plain(following)
    assert talk.engine.computed < 20


def test_a_beginning_that_is_shared_comes_back_where_the_rest_differs() -> None:
    talk = Talk(PrefixCache(limit=MB))
    talk.answer(prompt((1, 100), (2, 50)))
    talk.answer(prompt((3, 100)))
    talk.engine.computed = 0
    wanted = prompt((1, 100), (4, 20))
    assert talk.answer(wanted) == plain(wanted)
    assert talk.engine.computed < 40


def test_a_later_process_goes_on_from_the_file(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    first = prompt((1, 300))
    said = Talk(PrefixCache("m", store=store)).answer(first)
    store.close()
    later = Talk(PrefixCache("m", store=CacheStore(tmp_path)))
    following = [*first, *said, 7, 8, 9]
    assert later.answer(following) == plain(following)
    assert later.engine.computed < 20


def test_a_file_is_written_where_enough_is_new_and_takes_the_place_of_its_beginning(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    talk, keys = Talk(PrefixCache("m", store=store)), prompt((1, GREW))
    keys += talk.answer(keys)
    keys += talk.answer([*keys, 5])
    talk.answer([*keys, *prompt((2, GREW))])
    store.close()
    (name,) = store.names("prefix-")
    assert len(talk.cache._files[name]) == 2 * GREW + 9


def test_other_weights_find_nothing(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    Talk(PrefixCache("m", store=store)).answer(prompt((1, 300)))
    store.close()
    other = Talk(PrefixCache("n", store=CacheStore(tmp_path)))
    other.answer(prompt((1, 300)))
    assert other.engine.restored == 0


def test_other_weights_under_the_same_name_are_noticed_by_the_last_tokens_score(tmp_path: Path) -> None:
    store = CacheStore(tmp_path)
    Talk(PrefixCache("m", store=store)).answer(prompt((1, 300)))
    store.close()
    cache = PrefixCache("m", store=CacheStore(tmp_path))
    other, keys = Talk(cache, weights=1), prompt((1, 300), (2, 9))
    assert other.answer(keys) == Talk(PrefixCache(), weights=1).answer(keys)
    assert (other.engine.restored, other.engine.computed > 300) == (1, True)


@pytest.mark.parametrize("fault", ["raises", "holds less", "holds another"])
def test_a_state_that_does_not_come_back_is_computed_again_and_forgotten(fault: str) -> None:
    talk = Talk(PrefixCache(limit=MB))
    first = prompt((1, 200))
    talk.answer(first)
    talk.answer(prompt((2, 200)))

    def restore(saved: bytes, *, sequence: int = 0) -> None:
        talk.engine.restored += 1
        talk.engine.held[sequence] = list(
            {"raises": [], "holds less": first[:9], "holds another": [0] * 203}[fault]
        )
        if fault == "raises":
            raise EngineError("damaged")

    talk.engine.restore = restore  # type: ignore[method-assign]
    assert talk.answer(first) == plain(first)
    talk.answer(prompt((4, 10)))
    assert talk.engine.restored == 1
    assert talk.answer(first[:100]) == plain(first[:100])


def test_memory_is_bounded() -> None:
    talk = Talk(PrefixCache(limit=30_000))
    for seed in range(20):
        talk.answer(prompt((seed, 100)))
    kept = list(talk.cache._recent.items())
    assert 1 <= len(kept) < 20
    assert sum(saved.bytes for _, saved in kept) <= 30_000
    assert sum(len(saved.state) for _, saved in kept) <= 2500


def test_a_longer_one_takes_the_place_of_its_beginning_in_memory() -> None:
    cache = PrefixCache(limit=MB)
    talk, keys = Talk(cache), prompt((1, 100))
    for _ in range(3):
        keys += talk.answer(keys)
        keys += prompt((2, 40))
        talk.answer(prompt((9, 60)))
    mine = [saved for _, saved in cache._recent.items() if saved.keys[:100] == tuple(keys[:100])]
    assert len(mine) == 1


def test_little_is_not_worth_keeping() -> None:
    talk = Talk(PrefixCache(limit=MB))
    talk.answer(prompt((1, 9)))
    talk.answer(prompt((2, 9)))
    assert list(talk.cache._recent.items()) == []
    talk.answer(prompt((1, GAINED - 4)))
    talk.answer(prompt((2, 9)))
    talk.answer(prompt((1, GAINED - 4)))
    assert talk.engine.restored == 0


def test_a_model_that_cannot_go_back_is_left_alone() -> None:
    talk = Talk(PrefixCache(limit=MB))

    def truncate(length: int, *, sequence: int = 0) -> None:
        if 0 < length < len(talk.engine.held[sequence]):
            talk.engine.held[sequence].clear()
            raise EngineError("this model cannot go back")
        FakeEngine.truncate(talk.engine, length, sequence=sequence)

    talk.engine.truncate = truncate  # type: ignore[method-assign]
    talk.answer(prompt((1, 100)))
    assert talk.answer(prompt((2, 100))) == plain(prompt((2, 100)))
    assert talk.answer(prompt((2, 80), (3, 20))) == plain(prompt((2, 80), (3, 20)))  # shares a beginning
    assert list(talk.cache._recent.items()) == []


def test_embeddings_are_known_by_their_names(tmp_path: Path) -> None:
    rows = np.ones((50, 4), np.float32)
    store, engine = CacheStore(tmp_path), Hashing()
    keys: list[Any] = [*range(100), *(("picture", i) for i in range(50)), 5]
    engine.feed([TokenSegment(tuple(range(100))), EmbeddingSegment(rows, "picture"), TokenSegment((5,))])
    engine.held[0] = list(keys)
    PrefixCache("m", store=store).finished(engine, keys)
    store.close()
    for name, shared in (("picture", 151), ("another", 100)):
        cache, wanted = (
            PrefixCache("m", store=CacheStore(tmp_path)),
            [*keys[:100], *((name, i) for i in range(50)), 5, 6],
        )
        assert cache.prepare(Hashing(), [], wanted) == shared


def test_a_sequence_that_ends_in_embeddings_is_not_kept() -> None:
    engine, cache = Hashing(), PrefixCache(limit=MB)
    keys: list[Any] = [("picture", i) for i in range(50)]
    engine.held[0] = list(keys)
    cache.prepare(engine, keys, [1, 2, 3])
    assert list(cache._recent.items()) == []


def test_the_common_prefix_is_the_plain_one() -> None:
    dice = random.Random(0)
    for _ in range(300):
        a, b = ([dice.randrange(2) for _ in range(dice.randrange(12))] for _ in "ab")
        plainly = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        assert common_prefix(a, b) == plainly


def damage(folder: Path, dice: random.Random) -> None:
    """What may happen to files: changed, cut, swapped, lost, another key."""
    files = sorted(folder.glob("*.kept"))
    if not files:
        return
    path = dice.choice(files)
    data = path.read_bytes()
    kind = dice.randrange(5)
    if kind == 0:
        at = dice.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    elif kind == 1:
        path.write_bytes(data[: dice.randrange(len(data))])
    elif kind == 2:
        path.write_bytes(dice.choice(files).read_bytes())
    elif kind == 3:
        path.unlink()
    else:
        (folder / "key").write_bytes(b"k" * 32)


@pytest.mark.parametrize("seed", range(12))
def test_cached_ids_are_those_of_an_empty_cache_always(tmp_path: Path, seed: int) -> None:
    """Random conversations that take turns, edits of what was said, restarts, small limits, damaged files."""
    dice, saved = random.Random(seed), 0
    chats: list[list[int]] = [prompt((i, 60 + 40 * i)) for i in range(4)]
    store, limit = CacheStore(tmp_path, 200_000), dice.choice([0, 3000, MB])
    talk = Talk(PrefixCache("m", limit=limit, store=store))
    for _ in range(60):
        chat = dice.choice(chats)
        event = dice.random()
        if event < 0.15:
            del chat[dice.randrange(1, len(chat)) :]
        elif event < 0.25:
            chat[dice.randrange(len(chat))] = 63
        elif event < 0.35:
            store.close()
            if dice.random() < 0.7:
                damage(tmp_path, dice)
            store = CacheStore(tmp_path, 200_000)
            talk = Talk(PrefixCache("m", limit=limit, store=store))
        if len(chat) > ROOM - 60:
            del chat[50:]
        chat += [dice.randrange(64) for _ in range(dice.randrange(1, 40))]
        expected, before = plain(chat, 4), talk.engine.restored
        assert talk.answer(chat, 4) == expected
        saved += talk.engine.restored - before
        chat += expected
    store.close()
    assert saved > 0


def test_equal_keys_have_one_name() -> None:
    assert (
        Saved((1, ("a", 0)), memoryview(b""), ()).name
        == Saved((1, ("a", 0)), memoryview(b"x"), ((1, 2.0),)).name
    )
