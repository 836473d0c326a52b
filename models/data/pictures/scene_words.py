"""How a scene is put into words: its canonical caption, its relations, and phrases that single things out.

Job: pure functions of things and a background; what a picture shows decides the words, however it came about.
Ignorance: sampling, pixels, questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from models.data.pictures import backgrounds
from models.data.pictures.things import NUMBERS, Thing, article, inside, plural

RELATIONS = ("to the left of", "to the right of", "above", "below", "inside")
_ASIDE, _ALIGNED, _DOUBTFUL = 0.22, 0.12, 0.06  # shares of the side between two centres
_CENTRED = 0.035  # a place is clear when the centre is at least this far from the lines between places


@dataclass(frozen=True)
class Clue:
    """Some properties of a thing, enough or not enough to tell which one is meant."""

    colour: str = ""
    shape: str = ""
    texture: str = ""

    def fits(self, thing: Thing) -> bool:
        return (
            self.colour in ("", thing.colour)
            and self.shape in ("", thing.shape)
            and self.texture in ("", thing.texture)
        )

    def words(self, number: int = 1) -> str:
        """The noun phrase without an article: "red star", "striped one", "blue shapes"."""
        noun = self.shape or ("one" if number == 1 else "shape")
        noun = noun if number == 1 else plural(noun)
        return " ".join(w for w in (self.texture, self.colour, noun) if w)


def clues(thing: Thing) -> list[Clue]:
    """All ways to speak of a thing by its properties, short ones first."""
    made = [Clue(shape=thing.shape), Clue(colour=thing.colour)]
    if thing.texture != "solid":
        made += [Clue(texture=thing.texture), Clue(shape=thing.shape, texture=thing.texture)]
    return [*made, Clue(thing.colour, thing.shape)]


def singling_out(things: Sequence[Thing], thing: Thing) -> list[Clue]:
    """The clues that fit this thing only."""
    return [c for c in clues(thing) if sum(map(c.fits, things)) == 1]


def holds(relation: str, a: Thing, b: Thing) -> bool | None:
    """Whether `a` is `relation` `b`; None where people could differ."""
    if relation == "inside":
        return inside(a, b)
    way = {"to the left of": b.x - a.x, "to the right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}
    return True if way[relation] >= _ASIDE else None if way[relation] > _DOUBTFUL else False


def larger(a: Thing, b: Thing) -> bool | None:
    """Whether `a` is larger than `b`; None where the eye could err."""
    ratio = a.radius / b.radius
    return True if ratio >= 1.25 else False if ratio <= 1.1 else None


def relation(a: Thing, b: Thing) -> str:
    """The one relation that describes a pair, or "" where none does: diagonal neighbours have none of place."""
    if inside(a, b):
        return "inside"
    across, down = abs(a.x - b.x), abs(a.y - b.y)
    if across >= _ASIDE and down <= _ALIGNED:
        return "to the left of" if a.x < b.x else "to the right of"
    if down >= _ASIDE and across <= _ALIGNED:
        return "above" if a.y < b.y else "below"
    return "larger than" if larger(a, b) else "smaller than" if larger(b, a) else ""


def clear_place(thing: Thing) -> str:
    """The place in words, or "" where the centre is too near to a line between two places."""
    near = min(abs(v - line) for v in (thing.x, thing.y) for line in (1 / 3, 2 / 3))
    return thing.place if near >= _CENTRED else ""


def arrangement(things: Sequence[Thing]) -> str:
    """ "in a row" or "in a column" for three and more things that lie so, else ""."""
    xs, ys = sorted(t.x for t in things), sorted(t.y for t in things)
    for words, along, across in (("in a row", xs, ys), ("in a column", ys, xs)):
        steps = [b - a for a, b in pairwise(along)]
        if len(things) >= 3 and across[-1] - across[0] <= 0.07 and max(steps) < 1.6 * min(steps):
            return words
    return ""


def in_order(things: Sequence[Thing]) -> list[Thing]:
    """As a caption lists them: along the row or column, else as they came."""
    way = arrangement(things)
    if not way:
        return list(things)
    return sorted(things, key=lambda t: t.x if way == "in a row" else t.y)


def caption(things: Sequence[Thing], background: str) -> str:
    """The canonical description. What it leaves out is the default: medium size, the middle, solid, on white."""
    return _core(things) + backgrounds.words(background).after


def _core(things: Sequence[Thing]) -> str:
    groups = Counter(t.name for t in in_order(things))
    if len(things) == 1:
        return _one(things[0])
    if len(things) == 2 and len(groups) == 2:
        return _pair(things[0], things[1])
    counted = len(groups) < len(things)
    listed = [
        f"{NUMBERS[n]} {name if n == 1 else plural(name)}" if counted else article(name)
        for name, n in groups.items()
    ]
    lies = arrangement(things) if len(groups) == 1 or not counted else ""
    return " ".join(filter(None, (enumerate_words(listed), lies)))


def _one(thing: Thing) -> str:
    sized = thing.name if thing.size == "medium" else f"{thing.size} {thing.name}"
    where = "" if thing.place == "in the middle" else f" {thing.place}"
    return article(sized) + where


def _pair(a: Thing, b: Thing) -> str:
    found = relation(a, b)
    if not found:
        return f"{article(a.name)} and {article(b.name)}"
    told = found not in ("inside", "larger than", "smaller than") and (larger(a, b) or larger(b, a))
    first, second = (f"{t.size} {t.name}" if told and t.size != "medium" else t.name for t in (a, b))
    return f"{article(first)} {found} {article(second)}"


def enumerate_words(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def related(things: Sequence[Thing], way: str, to: Thing) -> Iterator[tuple[Thing, bool | None]]:
    """Every other thing, and whether it is `way` of this one."""
    return ((t, holds(way, t, to)) for t in things if t != to)
