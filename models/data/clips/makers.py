"""How the things of a clip move, grow, change, come and go: one maker per kind of clip.

Job: tracks from a generator, or None where a draw has no room. Ignorance: backgrounds, words, pixels; whether what was
made is sound and of the split (`clips.sample` asks).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from models.data.clips import words as clip_words
from models.data.clips.words import Track, seen, unit
from models.data.pictures.scene_words import clear_place, relation
from models.data.pictures.scenes import Scene, pick_kind
from models.data.pictures.things import COLOURS, SHAPES, SIZES, TEXTURES, Split, Thing, distance, wears

LENGTHS = (4, 5, 6, 7, 8)
_LENGTH_SHARES = (0.4, 0.25, 0.2, 0.05, 0.1)  # every frame costs 65 tokens
_STEPS = {"slowly": (0.05, 0.065), "": (0.08, 0.11), "fast": (0.13, 0.18)}  # share of the side per frame
_TOUCH = 0.03  # between the boxes of two things that meet
_EDGE = 0.02
_THIRDS = (0.2, 0.5, 0.8)


# ---- things ----


def _length(rng: np.random.Generator) -> int:
    return int(rng.choice(LENGTHS, p=_LENGTH_SHARES))


def _kinds(rng: np.random.Generator, split: Split, number: int) -> list[tuple[str, str, str]]:
    """Kinds that differ in colour and in shape, the first of the split, the others trained."""
    found: list[tuple[str, str, str]] = []
    while len(found) < number:
        kind = pick_kind(rng, "train" if found else split)
        if all(distance(COLOURS[kind[1]], COLOURS[k[1]]) > 90 and kind[2] != k[2] for k in found):
            found.append(kind)
    return found


def _thing(kind: tuple[str, str, str], x: float, y: float, radius: float) -> Thing:
    texture, colour, shape = kind
    return Thing(shape, colour, round(float(x), 4), round(float(y), 4), round(float(radius), 4), texture)


def _textured(thing: Thing, rng: np.random.Generator) -> Thing:
    """A few things that are large enough wear a texture."""
    texture = TEXTURES[1 + int(rng.integers(4))] if rng.random() < 0.15 else "solid"
    return replace(thing, texture=texture) if thing.radius >= 0.125 and wears(thing.shape, texture) else thing


def _placed(rng: np.random.Generator, kind: tuple[str, str, str], radius: float) -> Thing:
    """In the middle, or in another of the nine places."""
    row, column = (1, 1) if rng.random() < 0.4 else rng.integers(3, size=2)
    room = radius * 1.15 + 0.02
    x, y = (np.clip(_THIRDS[i] + rng.uniform(-0.02, 0.02), room, 1 - room) for i in (column, row))
    return _thing(kind, x, y, radius)


def _at(thing: Thing, x: float, y: float) -> Thing:
    return replace(thing, x=round(float(x), 4), y=round(float(y), 4))


def _beside(rng: np.random.Generator, track: Track, kind: tuple[str, str, str]) -> tuple[Track, Track] | None:
    """With something else that stays where nothing comes by."""
    for _ in range(12):
        x, y = rng.uniform(0.15, 0.85, 2)
        other = _thing(kind, x, y, rng.uniform(0.1, 0.13))
        if all(Scene((t, other)).sound for t in seen(track)):
            return track, (other,) * len(track)
    return None


def _perhaps_beside(
    rng: np.random.Generator, track: Track, kinds: Sequence[tuple[str, str, str]]
) -> tuple[Track, ...]:
    """Sometimes with a bystander, if there is room."""
    found = _beside(rng, track, kinds[1]) if rng.random() < 0.4 else None
    return found or (track,)


# ---- what happens ----


def _motion(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """Steadily in one of eight ways; fast ones need short clips."""
    way = clip_words.HEADINGS[int(rng.integers(8))]
    pace = ("slowly", "", "fast")[int(rng.choice(3, p=[0.3, 0.45, 0.25]))]
    length = _length(rng)
    kinds, (dx, dy) = _kinds(rng, split, 2), unit(way)
    step = rng.uniform(*_STEPS[pace]) / np.hypot(dx, dy)
    radius = rng.uniform(0.1, 0.15)
    low, high = radius * 1.15 + _EDGE, 1 - radius * 1.15 - _EDGE
    spare = high - low - step * (length - 1)
    if spare < 0:
        return None
    start = [
        (low if d >= 0 else high) + (d or 1) * rng.uniform(0, spare if d else high - low) for d in (dx, dy)
    ]
    first = _textured(_thing(kinds[0], start[0], start[1], radius), rng)
    track = tuple(_at(first, first.x + dx * step * i, first.y + dy * step * i) for i in range(length))
    return _perhaps_beside(rng, track, kinds)


def _bounce(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """To a side of the picture and back."""
    length = max(5, _length(rng))
    turn = int(rng.integers(2, length - 2)) if length > 5 else 2
    dx, dy = ((1, 0), (-1, 0), (0, 1), (0, -1))[int(rng.integers(4))]
    radius, step = rng.uniform(0.1, 0.14), rng.uniform(0.09, 0.16)
    first = _thing(_kinds(rng, split, 1)[0], 0.5, 0.5, radius)
    left, top, right, bottom = first.box
    reach = {(1, 0): 1 - right, (-1, 0): left, (0, 1): 1 - bottom, (0, -1): top}[dx, dy] - _EDGE
    aside = rng.uniform(-0.28, 0.28)

    def at(i: int) -> Thing:
        along = reach - step * abs(turn - i)
        return _at(first, 0.5 + dx * along + abs(dy) * aside, 0.5 + dy * along + abs(dx) * aside)

    return (tuple(at(i) for i in range(length)),)


def _pass(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """One above the other, in opposite directions; the first goes to the right."""
    length = _length(rng)
    a, b = _kinds(rng, split, 2)
    low, high = rng.permutation([rng.uniform(0.22, 0.3), rng.uniform(0.7, 0.78)])
    radius, reach = rng.uniform(0.1, 0.13), rng.uniform(0.2, 0.32)
    xs = np.linspace(0.5 - reach, 0.5 + reach, length)
    first, second = _thing(a, 0.5, low, radius), _thing(b, 0.5, high, radius)
    return tuple(_at(first, x, low) for x in xs), tuple(_at(second, x, high) for x in xs[::-1])


def _collide(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """Towards each other until they touch, and back; the first comes from the left or from above."""
    length = max(5, _length(rng))
    turn = int(rng.integers(2, length - 1)) if length > 5 else 2
    upright, radius = rng.random() < 0.4, rng.uniform(0.1, 0.125)
    a, b = (_thing(k, 0.5, 0.5, radius) for k in _kinds(rng, split, 2))
    near, far = (a.box[3] - 0.5, 0.5 - b.box[1]) if upright else (a.box[2] - 0.5, 0.5 - b.box[0])
    step, aside, meet = rng.uniform(0.06, 0.1), rng.uniform(0.25, 0.75), rng.uniform(0.47, 0.53)
    tracks: list[list[Thing]] = [[], []]
    for i in range(length):
        for track, thing, reach, way in ((tracks[0], a, near, -1), (tracks[1], b, far, 1)):
            along = meet + way * (reach + _TOUCH / 2 + step * abs(turn - i))
            track.append(_at(thing, *((aside, along) if upright else (along, aside))))
    return tuple(tracks[0]), tuple(tracks[1])


def _push(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """To something that lies still, and on together with it."""
    length = max(5, _length(rng))
    met = int(rng.integers(1, length - 2))
    dx, dy = ((1, 0), (-1, 0), (0, 1), (0, -1))[int(rng.integers(4))]
    radius, step, aside = rng.uniform(0.09, 0.11), rng.uniform(0.06, 0.11), rng.uniform(0.2, 0.8)
    a, b = (_thing(k, 0.5, 0.5, radius) for k in _kinds(rng, split, 2))
    edges = {(1, 0): (a.box[2], b.box[0]), (-1, 0): (a.box[0], b.box[2]), (0, 1): (a.box[3], b.box[1]), (0, -1): (a.box[1], b.box[3])}  # fmt: skip
    gap = abs(edges[dx, dy][0] - edges[dx, dy][1]) + _TOUCH
    if 1 - gap - 2.3 * radius - 2 * _EDGE < step * (length - 1):
        return None
    start = radius * 1.15 + _EDGE if dx + dy > 0 else 1 - radius * 1.15 - _EDGE

    def at(thing: Thing, steps: int, ahead: float) -> Thing:
        along = start + (dx + dy) * (steps * step + ahead)
        return _at(thing, along if dx else aside, along if dy else aside)

    pusher = tuple(at(a, i, 0) for i in range(length))
    pushed = tuple(at(b, max(i, met), gap) for i in range(length))
    return pusher, pushed


def _come_or_go(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """One thing appears or disappears, alone or beside another."""
    length, kinds = min(6, _length(rng)), _kinds(rng, split, 2)
    when = int(rng.integers(1, length))
    radius = rng.uniform(0.115, 0.15)
    thing = _textured(_placed(rng, kinds[0], radius), rng)
    track: Track = tuple(thing if (i >= when) == (kind == "appear") else None for i in range(length))
    if rng.random() < 0.5:
        return (track,) if clear_place(thing) else None
    both = _beside(rng, track, kinds[1])
    if not both or (kind == "appear" and relation(thing, seen(both[1])[0]) in ("", "inside", "larger than", "smaller than")):  # fmt: skip
        return None
    return both


def _resize(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """Steadily from small to large, or back."""
    length, kinds = _length(rng), _kinds(rng, split, 2)
    sizes = np.linspace(rng.uniform(0.075, 0.1), rng.uniform(0.18, 0.23), length)
    thing = _placed(rng, kinds[0], float(sizes[-1]))
    track = tuple(replace(thing, radius=round(float(r), 4)) for r in sizes[:: 1 if kind == "grow" else -1])
    return _perhaps_beside(rng, track, kinds) if clear_place(thing) else None


def _turn(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """Another colour, or another shape, from one frame on."""
    length, kinds = min(6, _length(rng)), _kinds(rng, split, 2)
    when = int(rng.integers(1, length))
    before = _placed(rng, kinds[0], rng.uniform(0.12, 0.16))
    if kind == "reshape":
        after = replace(before, shape=SHAPES[int(rng.integers(len(SHAPES)))])
    else:
        after = replace(_textured(before, rng), colour=tuple(COLOURS)[int(rng.integers(len(COLOURS)))])
        before = replace(before, texture=after.texture)
    far = (
        distance(COLOURS[before.colour], COLOURS[after.colour]) > 90
        if kind == "recolour"
        else before != after
    )
    if not far or not clear_place(before):
        return None
    track = tuple(after if i >= when else before for i in range(length))
    beside = kind == "recolour" and distance(COLOURS[after.colour], COLOURS[kinds[1][1]]) > 90
    return _perhaps_beside(rng, track, kinds) if beside else (track,)


def _one_by_one(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    """From none to three, four or five, or back to none; equal things or different ones."""
    number = 3 + int(rng.choice(3, p=[0.4, 0.35, 0.25])) if kind == "count" else 3
    kinds = _kinds(rng, split, 1 if kind == "count" else 3) * (number if kind == "count" else 1)
    if number < 5 and rng.random() < 0.6:
        spots = [((i + 0.5) / number, 0.0) for i in range(number)]
        level, radius = rng.uniform(0.25, 0.75), 0.13 if number == 3 else 0.1
        upright = rng.random() < 0.4
        spots = [(level, along) if upright else (along, level) for along, _ in spots]
    else:
        radius = 0.125 if number == 3 else 0.11
        spots = [(_THIRDS[c % 3], _THIRDS[c // 3]) for c in rng.permutation(9)[:number]]
    things = [_thing(k, x, y, radius) for k, (x, y) in zip(kinds, spots, strict=True)]
    if kind == "count" and rng.random() < 0.35:
        return tuple(
            tuple(t if j < number - i else None for j in range(number + 1)) for i, t in enumerate(things)
        )
    return tuple(tuple(t if j > i else None for j in range(number + 1)) for i, t in enumerate(things))


def _still(rng: np.random.Generator, split: Split, kind: str) -> tuple[Track, ...] | None:
    kinds = _kinds(rng, split, 2)
    thing = _textured(_placed(rng, kinds[0], rng.uniform(0.12, SIZES["medium"])), rng)
    return _perhaps_beside(rng, (thing,) * min(5, _length(rng)), kinds) if clear_place(thing) else None


Maker = Callable[[np.random.Generator, Split, str], tuple[Track, ...] | None]
MAKERS: dict[str, Maker] = {
    "motion": _motion, "bounce": _bounce, "pass": _pass, "collide": _collide, "push": _push, "appear": _come_or_go, "disappear": _come_or_go,
    "grow": _resize, "shrink": _resize, "recolour": _turn, "reshape": _turn, "count": _one_by_one, "order": _one_by_one, "still": _still,
}  # fmt: skip
SHARES = (0.3, 0.08, 0.05, 0.06, 0.05, 0.06, 0.05, 0.06, 0.05, 0.08, 0.03, 0.07, 0.04, 0.02)
