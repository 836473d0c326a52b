"""Whether the frames of a video show what a clip asks for, by program.

Job: follow the things from frame to frame with `scene_checker` and judge colours, shapes, numbers, places and what
happens: way, speed, bounce, growth, change, order. The video may have another number of frames than the clip.
Ignorance: who made the frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from models.data.clips import words as clip_words
from models.data.clips.clips import Clip
from models.data.clips.words import Track, across, heading, moved, seen, unit
from models.data.pictures.scene_checker import at
from models.data.pictures.scene_reader import read
from models.data.pictures.things import Thing

_STILL = 0.06  # share of the side that a resting thing may seem to move
_BACK = 0.02  # that a step may go against the way
_EDGE, _TOUCH = 0.09, 0.1  # from the side that is hit, between two that meet
_PLACED = ("appear", "disappear", "grow", "shrink", "recolour", "reshape", "still")  # told with their place

Frames = Sequence[Sequence[Thing]]  # what was found in each


def judge(clip: Clip, frames: Sequence[NDArray[np.uint8]]) -> dict[str, bool]:
    """Whether each attribute of a clip is in the frames (64 or 128 pixels), and "all" of them."""
    if len(frames) < 2:
        return dict.fromkeys(("colour", "shape", "count", "background", "place", "change", "all"), False)
    pictures = [read(frame) for frame in frames]
    found = [picture.things for picture in pictures]
    told = {
        "colour": _same(clip, found, "colour"),
        "shape": _same(clip, found, "shape"),
        "count": _numbers(found) == _numbers([scene.things for scene in clip.frames()]),
        "background": all(picture.background == clip.background for picture in pictures),
        "place": False,
        "change": False,
    }
    paths = [path(found, track) for track in clip.tracks] if clip.kind != "count" else []
    if all(paths):
        told["place"] = _placed(clip, paths)
        told["change"] = _happens(clip, found, paths)
    return {**told, "all": all(told.values())}


def path(found: Frames, track: Track) -> list[Thing]:
    """Where a thing of this track is in each frame that shows it; colour and shape as it has them, now or later."""
    kinds = {(t.colour, t.shape) for t in seen(track)}
    made: list[Thing] = []
    for frame in found:
        fit = [t for t in frame if (t.colour, t.shape) in kinds]
        if fit:
            made.append(min(fit, key=lambda t: moved(made[-1], t) if made else 0.0))
    return made


def _same(clip: Clip, found: Frames, name: str) -> bool:
    """The colours or shapes of the first and the last frame; between them no strange ones in more than one frame."""
    scenes = clip.frames()
    known = {getattr(t, name) for scene in scenes for t in scene.things}
    ends = [
        ({getattr(t, name) for t in scenes[i].things}, {getattr(t, name) for t in found[i]}) for i in (0, -1)
    ]
    strange = sum(not {getattr(t, name) for t in frame} <= known for frame in found)
    return all(wanted == got for wanted, got in ends) and strange <= 1


def _numbers(frames: Frames) -> list[int]:
    """How many there are, one after another, pauses left out."""
    return [number for number, _ in groupby(len(frame) for frame in frames)]


def _placed(clip: Clip, paths: Sequence[Sequence[Thing]]) -> bool:
    """As far as the caption tells a place."""
    there = seen(clip.tracks[0])
    first, last = there[0], there[-1]
    if clip.kind in _PLACED and len(clip.tracks) == 1:
        return at(first.place, paths[0][0])
    if clip.kind == "motion" and across(first, last):
        step = unit(heading(first, last))
        return _crosses(step, paths[0])
    return True


def _crosses(step: tuple[int, int], way: Sequence[Thing]) -> bool:
    ends = zip(step, ((way[0].x, way[-1].x), (way[0].y, way[-1].y)), strict=True)
    return all(not go or (min(pair) < 0.4 and max(pair) > 0.6) for go, pair in ends)


def _happens(clip: Clip, found: Frames, paths: Sequence[Sequence[Thing]]) -> bool:
    there = seen(clip.tracks[0])
    first, rest = (paths[0], paths[1:]) if paths else ((), ())
    match clip.kind:
        case "motion":
            return (
                _goes(first, heading(there[0], there[-1])) and _paced(clip, first) and all(map(_rests, rest))
            )
        case "bounce":
            return _bounces(first, heading(there[0], clip_words.turning(there)))
        case "pass":
            return _goes(first, "to the right") and _goes(rest[0], "to the left") and not any(_touch(a, b) for a, b in zip(first, rest[0], strict=False))  # fmt: skip
        case "collide":
            return _collide(first, rest[0])
        case "push":
            way = heading(there[0], there[-1])
            return _goes(first, way) and _goes(rest[0], way) and moved(first[0], first[-1]) > moved(rest[0][0], rest[0][-1]) + 0.03  # fmt: skip
        case "grow" | "shrink":
            return _resizes(first, clip.kind == "grow") and all(map(_rests, rest))
        case "order":
            return _order(found) == [(seen(t)[0].colour, seen(t)[0].shape) for t in clip.tracks]
        case "count":
            return True  # the numbers say it
        case "recolour" | "reshape":
            return (first[0].colour, first[0].shape) != (first[-1].colour, first[-1].shape) and all(map(_rests, paths))  # fmt: skip
        case _:
            return all(map(_rests, paths))


def _along(way: Sequence[Thing], heading_: str) -> list[float]:
    """How far each step goes along a heading."""
    dx, dy = unit(heading_)
    length = float(np.hypot(dx, dy))
    return [((b.x - a.x) * dx + (b.y - a.y) * dy) / length for a, b in pairwise(way)]


def _goes(way: Sequence[Thing], heading_: str) -> bool:
    """One way, never noticeably back."""
    steps = _along(way, heading_)
    return bool(steps) and min(steps) > -_BACK and sum(steps) > 0.07 and heading(way[0], way[-1]) == heading_


def _paced(clip: Clip, way: Sequence[Thing]) -> bool:
    pace, step = clip_words.speed(clip.tracks[0]), moved(way[0], way[-1]) / (len(way) - 1)
    return step <= 0.085 if pace == "slowly" else step >= 0.105 if pace == "fast" else 0.06 <= step <= 0.145


def _rests(way: Sequence[Thing]) -> bool:
    return all(moved(way[0], t) <= _STILL for t in way) and max(t.radius for t in way) < 1.3 * min(t.radius for t in way)  # fmt: skip


def _bounces(way: Sequence[Thing], heading_: str) -> bool:
    """To the side and back again."""
    dx, dy = unit(heading_)
    far = [t.x * dx + t.y * dy for t in way]
    turn = int(np.argmax(far))
    left, top, right, bottom = way[turn].box
    gap = {"to the right": 1 - right, "to the left": left, "up": top, "down": 1 - bottom}[heading_]
    return 0 < turn < len(way) - 1 and far[turn] - max(far[0], far[-1]) > 0.05 and gap <= _EDGE


def _gap(a: Thing, b: Thing) -> float:
    (l1, t1, r1, b1), (l2, t2, r2, b2) = a.box, b.box
    return max(l1 - r2, l2 - r1, t1 - b2, t2 - b1)


def _touch(a: Thing, b: Thing) -> bool:
    return _gap(a, b) < 0.03


def _collide(a: Sequence[Thing], b: Sequence[Thing]) -> bool:
    """Towards each other, near enough, and away."""
    gaps = [_gap(s, t) for s, t in zip(a, b, strict=False)]
    nearest = int(np.argmin(gaps))
    return 0 < nearest < len(gaps) - 1 and min(gaps) <= _TOUCH and min(gaps[0], gaps[-1]) > min(gaps) + 0.05


def _resizes(way: Sequence[Thing], up: bool) -> bool:
    sizes = [t.radius for t in way][:: 1 if up else -1]
    return all(b > 0.95 * a for a, b in pairwise(sizes)) and sizes[-1] > 1.35 * sizes[0]


def _order(found: Frames) -> list[tuple[str, str]]:
    """Colours and shapes in the order in which they are first seen."""
    return list(dict.fromkeys((t.colour, t.shape) for frame in found for t in frame))
