"""Edits change only what they say, comparisons are right about both pictures, and both keep the split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from models.data.pictures.comparisons import sample_comparison
from models.data.pictures.edits import Edit, sample_edit
from models.data.pictures.scenes import Scene, sample
from tests.models.plain_reading import meant


def drawn(scene: Scene, seed: int) -> np.ndarray:
    return scene.draw(np.random.default_rng(seed))


def test_edits_and_comparisons_keep_the_split() -> None:
    rng = np.random.default_rng(2)
    for _ in range(150):
        train, unseen = sample_edit(rng, "train"), sample_edit(rng, "heldout")
        assert not train.before.novel
        assert not train.after.novel
        assert unseen.after.novel
        both, other = sample_comparison(rng, "train"), sample_comparison(rng, "heldout")
        assert not any(scene.novel for scene in (both.first, both.second))
        assert other.first.novel or other.second.novel


def altered(edit: Edit) -> set[str]:
    """The names of what differs between the scenes."""
    before, after = edit.before, edit.after
    found = {"background"} if before.background != after.background else set()
    if len(before.things) != len(after.things):
        kept = min((before.things, after.things), key=len)
        assert set(kept) <= set(before.things) & set(after.things)
        return found | {"number"}
    for a, b in zip(before.things, after.things, strict=True):
        found |= {
            n for n in ("colour", "shape", "texture", "radius", "x", "y") if getattr(a, n) != getattr(b, n)
        }
    return found


ALLOWED = {
    **{name: {name} for name in ("colour", "shape", "texture", "background")},
    **{name: {"x", "y"} for name in ("move", "swap")},
    **{name: {"number"} for name in ("add", "remove", "count")},
    "size": {"radius"},
}
ADDED = r"an? (.+?)(?: too)?( (?:at|in|on) .+?)?(?: too)?\."


def test_an_edit_changes_only_what_it_says() -> None:
    rng = np.random.default_rng(10)
    kinds: Counter[str] = Counter()
    for _ in range(500):
        edit = sample_edit(rng)
        kinds[edit.kind] += 1
        assert edit.after.sound
        assert altered(edit), edit
        assert altered(edit) <= ALLOWED[edit.kind], edit
        assert edit.instruction[0].isupper()
        assert "{" not in edit.instruction + edit.change
        assert edit.change.endswith(".")
    assert set(kinds) == set(ALLOWED)


def test_an_edit_does_what_it_says() -> None:
    rng = np.random.default_rng(11)
    for _ in range(500):
        edit = sample_edit(rng)
        if edit.kind == "remove" and (found := re.search(r"the (.+?)(?: away)?\.", edit.instruction)):
            assert not meant(edit.after, found[1])
        elif edit.kind == "add" and (found := re.search(ADDED, edit.instruction)):
            assert edit.after.things[-1] in meant(edit.after, found[1])
            assert (found[2] or edit.after.things[-1].place).strip() == edit.after.things[-1].place
        elif edit.kind in ("colour", "texture", "shape"):
            (new,) = {
                getattr(b, edit.kind)
                for a, b in zip(edit.before.things, edit.after.things, strict=True)
                if getattr(a, edit.kind) != getattr(b, edit.kind)
            }
            assert new in edit.change
        elif edit.kind == "move":
            moved = next(b for a, b in zip(edit.before.things, edit.after.things, strict=True) if a != b)
            assert edit.change.endswith(f" {moved.place}.")
            assert edit.instruction.split()[-1].rstrip(".") in moved.place


def test_a_scene_and_its_edit_are_drawn_alike_where_nothing_changed() -> None:
    rng = np.random.default_rng(12)
    for i in range(80):
        edit = sample_edit(rng)
        if edit.kind != "background":
            differ = (drawn(edit.before, i) != drawn(edit.after, i)).any(2)
            touched = set(edit.before.things) ^ set(edit.after.things)
            ys, xs = np.nonzero(differ)
            for x, y in zip((xs + 0.5) / 64, (ys + 0.5) / 64, strict=True):
                boxes = (t.box for t in touched)
                assert any(l - 0.04 <= x <= r + 0.04 and t - 0.04 <= y <= b + 0.04 for l, t, r, b in boxes)  # noqa: E741


def test_comparisons_are_answered_by_both_scenes() -> None:
    rng = np.random.default_rng(13)
    kinds: Counter[str] = Counter()
    for _ in range(300):
        made = sample_comparison(rng)
        kinds[made.kind] += 1
        found = re.search(r"more (.+)\?|(?:shows|see|picture is) (?!more)(.+)\?", made.question)
        name = (found[1] or found[2]) if found else ""
        name = "shapes" if name == "it" else name
        if made.kind in ("more", "shows"):
            a, b = (len(meant(scene, name)) for scene in (made.first, made.second))
            assert made.answer == ("The first." if a > b else "The second." if b > a else "The same number.")
            assert made.kind == "more" or min(a, b) == 0
        elif made.kind == "larger":
            a, b = made.first.things[0].radius, made.second.things[0].radius
            assert made.answer == ("The first." if (a > b) != ("smaller" in made.question) else "The second.")
        elif made.kind == "same":
            assert made.answer == ("Yes." if made.first == made.second else "No.")
        else:
            assert made.first != made.second
    assert set(kinds) == {"more", "shows", "larger", "changed", "same"}


@pytest.mark.parametrize("make", [sample, sample_edit, sample_comparison])
def test_the_same_seed_makes_the_same_item(make: Callable[..., object]) -> None:
    assert make(np.random.default_rng(5)) == make(np.random.default_rng(5))
    assert make(np.random.default_rng(5)) != make(np.random.default_rng(6))
