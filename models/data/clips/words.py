"""How a clip is put into words: what happens, in one canonical sentence or as a thing to ask for.

Job: pure functions of tracks: what they show decides heading, speed and the sentence.
Ignorance: sampling, pixels, questions. The kind only says which of the changes is the story.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from models.data.pictures import backgrounds
from models.data.pictures.scene_words import arrangement, enumerate_words, relation
from models.data.pictures.things import NUMBERS, Thing, article, novel, plural

Track = tuple[Thing | None, ...]  # one thing over time; None while it is not there

SLOW, FAST = (
    0.068,
    0.125,
)  # most and least share of the side that a slow and a fast thing moves from frame to frame
_UNMOVED = 0.03
_HEADINGS = {(1, 0): "to the right", (-1, 0): "to the left", (0, -1): "up", (0, 1): "down",
             (1, -1): "to the top right", (1, 1): "to the bottom right",
             (-1, -1): "to the top left", (-1, 1): "to the bottom left"}  # fmt: skip
HEADINGS = tuple(_HEADINGS.values())
ACROSS = {
    "to the right": "from left to right", "to the left": "from right to left", "up": "from bottom to top", "down": "from top to bottom",
    "to the top right": "from the bottom left to the top right", "to the bottom right": "from the top left to the bottom right",
    "to the top left": "from the bottom right to the top left", "to the bottom left": "from the top right to the bottom left",
}  # fmt: skip
SIDES = {
    "to the right": "the right side",
    "to the left": "the left side",
    "up": "the top",
    "down": "the bottom",
}
_FORMS = {"move": ("moves", "moving"), "bounce": ("bounces", "bouncing"), "pass": ("passes", "passing"), "bump": ("bumps", "bumping"),
          "push": ("pushes", "pushing"), "appear": ("appears", "appearing"), "disappear": ("disappears", "disappearing"),
          "grow": ("grows", "growing"), "shrink": ("shrinks", "shrinking"), "turn": ("turns", "turning"), "stay": ("stays", "staying")}  # fmt: skip


class Told(NamedTuple):
    """What happens: who does what how, and what else is to be seen."""

    subject: str
    verb: str
    how: str = ""
    many: bool = False
    tail: str = ""


def seen(track: Track) -> list[Thing]:
    """The thing at the times when it is there."""
    return [t for t in track if t]


def unit(heading: str) -> tuple[int, int]:
    """A heading as steps of x and y, y down."""
    return next(step for step, words in _HEADINGS.items() if words == heading)


def moved(before: Thing, after: Thing) -> float:
    return math.hypot(after.x - before.x, after.y - before.y)


def moves(track: Track) -> bool:
    there = seen(track)
    return any(moved(there[0], t) > _UNMOVED for t in there)


def heading(before: Thing, after: Thing) -> str:
    """One of eight ways, or "" where it hardly moved."""
    if moved(before, after) <= _UNMOVED:
        return ""
    eighth = round(math.atan2(after.y - before.y, after.x - before.x) / (math.pi / 4)) % 8
    ways = ("to the right", "to the bottom right", "down", "to the bottom left", "to the left", "to the top left", "up", "to the top right")  # fmt: skip
    return ways[eighth]


def speed(track: Track) -> str:
    """ "slowly", "fast", or "" between the two."""
    there = seen(track)
    step = moved(there[0], there[1])
    return "slowly" if step <= SLOW else "fast" if step >= FAST else ""


def across(before: Thing, after: Thing) -> bool:
    """Whether a movement leads from one outer third to the other."""
    step = unit(heading(before, after))
    ends = zip(step, ((before.x, after.x), (before.y, after.y)), strict=True)
    return all(way == 0 or (min(pair) < 1 / 3 and max(pair) > 2 / 3) for way, pair in ends)


def caption(kind: str, tracks: Sequence[Track], background: str) -> str:
    """The canonical sentence, without capital and full stop: "a red circle moves from left to right"."""
    told = tell(kind, tracks)
    return _joined(told, told.verb if told.many else _FORMS[told.verb][0]) + backgrounds.words(background).after  # fmt: skip


def wish(kind: str, tracks: Sequence[Track], background: str) -> str:
    """The same as a noun phrase, which follows "a video of": "a red circle moving from left to right"."""
    told = tell(kind, tracks)
    return _joined(told, _FORMS[told.verb][1]) + backgrounds.words(background).after


def _joined(told: Told, verb: str) -> str:
    return " ".join(filter(None, (told.subject, verb, told.how, told.tail)))


def tell(kind: str, tracks: Sequence[Track]) -> Told:
    there = [seen(track) for track in tracks]
    first, last = there[0][0], there[0][-1]
    if kind == "motion":
        way = heading(first, last)
        how = ACROSS[way] if across(first, last) else way
        return Told(article(first.name), "move", f"{speed(tracks[0])} {how}".strip(), tail=_bystander(there))
    if kind == "bounce":
        return Told(article(first.name), "bounce", f"off {SIDES[heading(first, turning(there[0]))]}")
    if kind in ("pass", "collide"):
        subject = f"{article(first.name)} and {article(there[1][0].name)}"
        return Told(subject, "pass" if kind == "pass" else "bump", "each other" if kind == "pass" else "into each other", many=True)  # fmt: skip
    if kind == "push":
        return Told(article(first.name), "push", f"{article(there[1][0].name)} {heading(first, last)}")
    if kind in ("count", "order"):
        return _one_by_one(kind, tracks, [track[0] for track in there])
    if kind == "appear" and len(there) == 1:
        return Told(article(first.name), "appear", _place(first))
    if kind == "appear":
        return Told(
            article(first.name), "appear", f"{relation(first, there[1][0])} {article(there[1][0].name)}"
        )
    who = f"{article(first.name)} {_place(first)}".strip() if len(there) == 1 else article(first.name)
    change = {"recolour": ("turn", last.colour), "reshape": ("turn", f"into {article(last.shape)}"), "still": ("stay", "still")}  # fmt: skip
    verb, how = change.get(kind, (kind, ""))
    if kind == "still" and len(there) == 2:
        return Told(f"{who} and {article(there[1][0].name)}", verb, how, many=True)
    return Told(who, verb, how, tail=_bystander(there))


def _one_by_one(kind: str, tracks: Sequence[Track], things: list[Thing]) -> Told:
    verb = "appear" if tracks[-1][0] is None else "disappear"
    how = " ".join(
        filter(None, ("one by one" if kind == "count" else "one after another", arrangement(things)))
    )
    number = f"{NUMBERS[len(things)]} {plural(things[0].name)}"
    subject = number if kind == "count" else enumerate_words([article(t.name) for t in things])
    return Told(subject, verb, how, many=True)


def _bystander(there: Sequence[Sequence[Thing]]) -> str:
    return f"while {article(there[1][0].name)} stays still" if len(there) == 2 else ""


def _place(thing: Thing) -> str:
    return "" if thing.place == "in the middle" else thing.place


def turning(there: Sequence[Thing]) -> Thing:
    """Where a thing that comes back turns round."""
    return max(there, key=lambda t: moved(there[0], t))


def deed(kind: str, tracks: Sequence[Track]) -> str:
    """What the first thing does, whoever does it: speed, background and others do not count."""
    told, there = tell(kind, tracks), seen(tracks[0])
    if kind in ("motion", "push"):
        return f"{told.verb} {heading(there[0], there[-1])}"
    if kind == "count":
        return f"{told.verb} {len(tracks)}"
    return f"{told.verb} {told.how}" if kind in ("bounce", "pass", "collide", "recolour") else told.verb


def held_out_doing(shape: str, doing: str) -> bool:
    """True for the twelfth of shape x deed pairs that no training clip shows."""
    return zlib.crc32(f"{shape} {doing}".encode()) % 12 == 0


def unseen(kind: str, tracks: Sequence[Track]) -> bool:
    """Whether a clip is a held-out composition: by colour x shape, by two shapes that meet, or by shape x deed."""
    times = zip(*tracks, strict=True)
    if any(novel([t for t in time if t]) for time in times):
        return True
    shapes = {t.shape: t for t in seen(tracks[0])}
    return any(held_out_doing(shape, deed(kind, tracks)) for shape in shapes)
