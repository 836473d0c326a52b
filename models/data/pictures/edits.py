"""Changes of a scene that a sentence asks for: colour, shape, texture, size, place, number, what is there, background.

Job: (before, instruction, after), where whatever the instruction does not name stays as it is, coordinates included.
Ignorance: how scenes are drawn, turns of a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.data.pictures.backgrounds import BACKGROUNDS, PLAIN, words
from models.data.pictures.scene_words import clues, larger, singling_out
from models.data.pictures.scenes import Scene, pick_kind, sample
from models.data.pictures.things import (
    COLOURS,
    NUMBERS,
    PLACES,
    SHAPES,
    SIZES,
    Split,
    Thing,
    article,
    inside,
    plural,
    wears,
)
from models.data.text.turns import capital
from models.data.text.wording import say

_THIRDS = (0.24, 0.5, 0.76)
_WEAR = {
    "striped": ("Give {x} stripes.", "Make {x} striped.", "Put stripes on {x}."),
    "dotted": ("Give {x} dots.", "Make {x} dotted.", "Put dots on {x}."),
    "checkered": ("Make {x} checkered.", "Give {x} a checkered pattern."),
    "outlined": ("Make {x} outlined.", "Draw only the outline of {x}."),
    "solid": ("Make {x} solid.", "Remove the pattern from {x}."),
}
_TO_PLACE = {"on the left": "to the left", "on the right": "to the right", "in the middle": "to the middle", "at the top": "to the top",
             "at the bottom": "to the bottom"}  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """A scene, what is asked for, the scene that follows, and one sentence that tells the difference."""

    kind: str
    before: Scene
    instruction: str
    after: Scene
    change: str


def sample_edit(rng: np.random.Generator, split: Split = "train") -> Edit:
    """A random edit. In training neither scene is novel; in the held-out split the scene to be made is."""
    while True:
        before = sample(rng, split if rng.random() < 0.5 else "train")
        made = _EDITS[int(rng.choice(len(_EDITS), p=_TAUGHT if split == "train" else _SHARES))](before, rng)
        if made and made.after != before and made.after.sound and made.after.novel == (split == "heldout"):
            return made


def _edit(kind: str, before: Scene, instruction: str, change: str, *things: Thing) -> Edit:
    return Edit(kind, before, instruction, replace(before, things=things), change)


@dataclass(frozen=True)
class _Meant:
    """Things of a scene that an instruction speaks of: their indices, and what it and the telling call them."""

    indices: tuple[int, ...]
    called: str
    told: str

    def changed(self, scene: Scene, change: Callable[[Thing], Thing]) -> tuple[Thing, ...]:
        return tuple(change(t) if i in self.indices else t for i, t in enumerate(scene.things))

    def tell(self, what: str) -> str:
        return f"{capital(self.told)} {'are' if len(self.indices) > 1 else 'is'} {what}."


def _meant(scene: Scene, rng: np.random.Generator, most: int = 5) -> _Meant | None:
    """Equal things, all that a clue fits: at most so many; None where this draw cannot be singled out."""
    things = scene.things
    thing = things[int(rng.integers(len(things)))]
    if len({t.kind for t in things}) == 1:
        told = f"the {thing.shape if len(things) == 1 else plural(thing.shape)}"
        called = say(rng, "it", "it", told) if len(things) == 1 else say(rng, "them", "them", told)
        return _Meant(tuple(range(len(things))), called, told) if len(things) <= most else None
    clue = say(rng, *clues(thing))
    fit = tuple(i for i, t in enumerate(things) if clue.fits(t))
    if len(fit) > most or len({things[i].kind for i in fit}) > 1:
        return None
    return _Meant(fit, *(2 * (f"the {clue.words(len(fit))}",)))


def _recolour(scene: Scene, rng: np.random.Generator) -> Edit | None:
    colour = say(rng, *COLOURS)
    meant = _meant(scene, rng)
    if not meant:
        return None
    things = meant.changed(scene, lambda t: replace(t, colour=colour))
    make = ["Make {x} {c}."] * 3
    ask = say(rng, *make, "Color {x} {c}.", "Paint {x} {c}.", "Change {x} to {c}.", "Turn {x} {c}.")
    return _edit("colour", scene, _fill(ask, meant.called, c=colour), meant.tell(f"now {colour}"), *things)


def _reshape(scene: Scene, rng: np.random.Generator) -> Edit | None:
    shape = say(rng, *SHAPES)
    meant = _meant(scene, rng)
    if not meant or not all(wears(shape, scene.things[i].texture) for i in meant.indices):
        return None
    things = meant.changed(scene, lambda t: replace(t, shape=shape))
    new = plural(shape) if len(meant.indices) > 1 else article(shape)
    ask = say(rng, "Turn {x} into {c}.", "Change {x} into {c}.", "Make {x} {c}.")
    return _edit("shape", scene, _fill(ask, meant.called, c=new), meant.tell(f"now {new}"), *things)


def _retexture(scene: Scene, rng: np.random.Generator) -> Edit | None:
    texture = say(rng, *_WEAR)
    if texture == "solid":  # ask for it only where there is something to take away
        texture = "solid" if any(t.texture != "solid" for t in scene.things) else "striped"
    meant = _meant(scene, rng)
    if not meant or not all(wears(scene.things[i].shape, texture) for i in meant.indices):
        return None
    things = meant.changed(scene, lambda t: replace(t, texture=texture))
    return _edit("texture", scene, _fill(say(rng, *_WEAR[texture]), meant.called), meant.tell(f"now {texture}"), *things)  # fmt: skip


def _resize(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """One step of the three sizes."""
    up = rng.random() < 0.5
    meant = _meant(scene, rng)
    if not meant:
        return None
    things = meant.changed(scene, lambda t: replace(t, radius=_next_radius(t, up)))
    pairs = [(things[i], scene.things[i])[:: 1 if up else -1] for i in meant.indices]
    if not all(larger(after, before) for after, before in pairs):  # of one size already, or nearly the next
        return None
    word = say(rng, "bigger", "larger") if up else "smaller"
    return _edit("size", scene, f"Make {meant.called} {word}.", meant.tell(f"now {word}"), *things)


def _next_radius(thing: Thing, up: bool) -> float:
    steps = sorted(SIZES.values())
    at = sorted(SIZES, key=SIZES.__getitem__).index(thing.size) + (1 if up else -1)
    return steps[at] if 0 <= at < len(steps) else thing.radius


def _move(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """To a side, which keeps the other coordinate, or to a corner."""
    meant = _meant(scene, rng, most=1)
    if not meant:
        return None
    row, column = (int(v) for v in rng.integers(3, size=2))
    place, thing = PLACES[row][column], scene.things[meant.indices[0]]
    x, y = _THIRDS[column] if column != 1 else thing.x, _THIRDS[row] if row != 1 else thing.y
    moved = replace(thing, x=x, y=y) if (row, column) != (1, 1) else replace(thing, x=0.5, y=0.5)
    if moved.place == thing.place:
        return None
    where = _TO_PLACE.get(place, place.replace("at", "to", 1))
    ask = say(rng, "Move {x} {c}.", "Move {x} {c}.", "Put {x} {p}.")
    ask = _fill(ask, meant.called, c=where, p=place)
    return _edit("move", scene, ask, meant.tell(f"now {moved.place}"), *meant.changed(scene, lambda _: moved))


def _swap(scene: Scene, rng: np.random.Generator) -> Edit | None:
    if len(scene.things) != 2 or len({t.kind for t in scene.things}) == 1:
        return None
    a, b = scene.things
    if inside(a, b) or inside(b, a):
        return None
    names = [f"the {say(rng, *singling_out(scene.things, t)).words()}" for t in (a, b)]
    ask = say(
        rng, "Swap them.", "Swap the two.", f"Swap {names[0]} and {names[1]}.", "Let them change places."
    )
    moved = replace(a, x=b.x, y=b.y), replace(b, x=a.x, y=a.y)
    return _edit("swap", scene, ask, "They changed places.", *moved)


def _add(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Something new at a named place, or anywhere; or one more of what there is."""
    radius = min(0.125, *(t.radius for t in scene.things)) if len(scene.things) > 1 else 0.125
    row, column = (int(v) for v in rng.integers(3, size=2))
    x, y = _THIRDS[column], _THIRDS[row]
    if len({t.kind for t in scene.things}) == 1 and rng.random() < 0.4:
        first = scene.things[0]
        new = replace(first, x=x, y=y)
        ask = say(rng, "Add one more.", "Add another one.", f"Add another {first.shape}.", "Draw one more.")
        return _edit("add", scene, ask, f"{capital(article(new.name))} was added.", *scene.things, new)
    _, colour, shape = pick_kind(rng, "train" if rng.random() < 0.5 else "heldout")
    new = Thing(shape, colour, x, y, radius)
    where = f" {new.place}" if rng.random() < 0.7 else ""
    ask = say(rng, "Add {c}{w}.", "Put {c}{w}." if where else "Add {c}.", "Draw {c}{w} too.")
    return _edit("add", scene, ask.replace("{c}", article(new.name)).replace("{w}", where),
                 f"{capital(article(new.name))} was added.", *scene.things, new)  # fmt: skip


def _remove(scene: Scene, rng: np.random.Generator) -> Edit | None:
    if len(scene.things) < 2:
        return None
    if len({t.kind for t in scene.things}) == 1:
        told = f"{capital(article(scene.things[0].name))} was removed."
        return _edit("remove", scene, say(rng, "Remove one.", "Take one away.", "Delete one of them."), told, *scene.things[:-1])  # fmt: skip
    meant = _meant(scene, rng)
    if not meant:
        return None
    left = [t for i, t in enumerate(scene.things) if i not in meant.indices]
    ask = say(rng, "Remove {x}.", "Take {x} away.", "Delete {x}.", "Erase {x}.")
    return _edit("remove", scene, _fill(ask, meant.called), meant.tell("gone"), *left)


def _number(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Another number of equal things: the first ones stay, new ones take free places."""
    things = list(scene.things)
    number = int(rng.integers(1, 6))
    if len({t.kind for t in things}) > 1 or number == len(things):
        return None
    for spot in rng.permutation(9):
        new = replace(things[0], x=_THIRDS[spot % 3], y=_THIRDS[spot // 3])
        if len(things) < number and replace(scene, things=(*things, new)).sound:
            things.append(new)
    if len(things) < number:
        return None
    called = "it" if len(scene.things) == 1 else "them"
    ask = say(rng, f"Make {called} {NUMBERS[number]}.", f"I want {NUMBERS[number]} of these.")
    ask = say(rng, "Leave only one.", "Keep only one.") if number == 1 else ask
    verb = "is" if number == 1 else "are"
    return _edit("count", scene, ask, f"There {verb} now {NUMBERS[number]}.", *things[:number])


def _ground(scene: Scene, rng: np.random.Generator) -> Edit | None:
    to = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    new = words(to).change
    ways = ("Change the background to {c}.", *(("Make the background {c}.",) if to in PLAIN else ()))
    ask = say(rng, *ways)
    after = replace(scene, background=to)
    return Edit("background", scene, ask.replace("{c}", new), after, f"The background is now {new}.")


def _fill(ask: str, called: str, **more: str) -> str:
    for name, value in {"x": called, **more}.items():
        ask = ask.replace("{" + name + "}", value)
    return ask


_EDITS: tuple[Callable[[Scene, np.random.Generator], Edit | None], ...] = (
    _recolour, _reshape, _retexture, _resize, _move, _swap, _add, _remove, _number, _ground,
)  # fmt: skip
_SHARES = (0.1, 0.07, 0.1, 0.11, 0.13, 0.09, 0.19, 0.08, 0.08, 0.05)
# in training: "make it green" is what people ask first
_TAUGHT = (0.24, 0.06, 0.08, 0.1, 0.11, 0.07, 0.17, 0.07, 0.06, 0.04)
