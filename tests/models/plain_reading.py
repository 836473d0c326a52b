"""A plain reading of scenes, to judge questions by: words are parsed anew, answers counted out.

Job: `meant` (what a phrase fits) and `read` (a question's answer). Ignorance: how questions are chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from models.data.pictures import backgrounds, things
from models.data.pictures.scenes import Scene
from models.data.pictures.things import CORNERS, NUMBERS, Thing

ARRANGED = ("to the left of", "to the right of", "above", "below", "inside")
ADJECTIVES = (*things.TEXTURES, *things.COLOURS)
NOUNS = {n: s for s in things.SHAPES for n in (s, things.plural(s))}


def meant(scene: Scene, phrase: str) -> list[Thing]:
    """All things that a noun phrase fits: "the striped red star", "yellow one", "crosses", "shapes"."""
    phrase = re.sub(r"^(the|an?|anything|something) ", "", phrase)
    noun = next(
        (n for n in sorted(NOUNS, key=len, reverse=True) if phrase == n or phrase.endswith(f" {n}")), ""
    )
    words = (phrase[: len(phrase) - len(noun)] if noun else phrase).split()
    assert all(w in ADJECTIVES or w in ("one", "shape", "shapes", "things") for w in words), phrase
    named = [t for t in scene.things if not noun or t.shape == NOUNS[noun]]
    return [t for t in named if all(w in (t.colour, t.texture) for w in words if w in ADJECTIVES)]


def only(scene: Scene, phrase: str) -> Thing:
    fit = scene.things if phrase in ("it", "the shape") else meant(scene, phrase)
    assert len(fit) == 1, phrase
    return fit[0]


def lies(way: str, a: Thing, b: Thing) -> bool:
    """By the centres alone, loosely: what a question calls so must be so."""
    if way == "inside":
        return b.radius > a.radius + np.hypot(a.x - b.x, a.y - b.y)
    shift = {
        "to the left of": b.x - a.x,
        "to the right of": a.x - b.x,
        "above": b.y - a.y,
        "below": a.y - b.y,
    }
    return bool(shift[way] > 0.1)


def at(scene: Scene, place: str) -> list[Thing]:
    side = place.split()[-1]
    return [t for t in scene.things if t.place == place or (place not in CORNERS and side in t.place)]


def noun(things_: list[Thing]) -> str:
    (name,) = {t.name for t in things_}
    return things.article(name)


def agreed(scene: Scene, who: str, kind: str) -> str:
    fit = scene.things if who in ("it", "they", "the shape", "the shapes") else meant(scene, who)
    (value,) = {getattr(t, kind) for t in fit}
    return str(value)


def related(scene: Scene, way: str, name: str) -> str:
    to = only(scene, name)
    return noun([t for t in scene.things if t != to and lies(way, t, to)])


def yes(sure: bool) -> str:
    return "yes" if sure else "no"


def extreme(scene: Scene, word: str) -> str:
    ranked = sorted(scene.things, key=lambda t: t.radius, reverse=word != "smallest")
    assert not 0.9 < ranked[0].radius / ranked[1].radius < 1.1
    return noun(ranked[:1])


def contest(scene: Scene, word: str, first: str, second: str) -> str:
    a, b = only(scene, first).radius, only(scene, second).radius
    assert not 0.9 < a / b < 1.1
    return first if (a < b) == (word == "smaller") else second


def more(scene: Scene, first: str, second: str) -> str:
    a, b = len(meant(scene, first)), len(meant(scene, second))
    return "the same" if a == b else first if a > b else second


def behind(scene: Scene) -> str:
    return backgrounds.words(scene.background).alone


_WAYS = "|".join(ARRANGED)
_COLOUR = "(?:What|Which) colou?r"
READINGS: dict[str, Callable[..., str]] = {
    r"How many (?:shapes are there|shapes do you see)\?": lambda s: NUMBERS[len(s.things)],
    r"Count the shapes\.|How many things are in the picture\?": lambda s: NUMBERS[len(s.things)],
    r"How many (.+?) (?:are there|do you see)\?": lambda s, who: NUMBERS[len(meant(s, who))],
    r"Count the (.+)\.": lambda s, who: NUMBERS[len(meant(s, who))],
    rf"{_COLOUR} is (?:the background|behind the shapes)\?": lambda s: s.background,
    rf"{_COLOUR} (?:is|are) (.+)\?": lambda s, who: agreed(s, who, "colour"),
    r"Which shape is the (largest|biggest|smallest)\?": extreme,
    rf"(?:What|Which shape) is ({_WAYS}) (.+)\?": related,
    r"(?:What|Which) shape (?:is|are) (.+)\?": lambda s, who: agreed(s, who, "shape"),
    r"Name the shape\.|Which shape do you see\?": lambda s: agreed(s, "it", "shape"),
    r"What (?:texture|pattern) (?:is|are) (.+)\?": lambda s, who: agreed(s, who, "texture"),
    r"Where (?:is|do you see) (.+)\?": lambda s, who: only(s, who).place,
    r"What is ((?:at|on|in) the (?:top|bottom|left|right|middle).*)\?": lambda s, place: noun(at(s, place)),
    rf"Is (the .+) ({_WAYS}) (the .+)\?": lambda s, a, way, b: yes(lies(way, only(s, a), only(s, b))),
    r"(?:What size is|How big is|How large is) (.+)\?": lambda s, who: only(s, who).size,
    r"(?:Is there|Do you see|Does the picture show) (.+)\?": lambda s, name: yes(bool(meant(s, name))),
    r"Which is (larger|bigger|smaller), (.+) or (.+)\?": contest,
    r"Are there more (.+) or more (.+)\?": more,
    r"What is (?:in )?the background\?|Describe the background\.": behind,
}


def read(scene: Scene, question: str) -> str:
    for pattern, answer in READINGS.items():
        if found := re.fullmatch(pattern, question):
            return answer(scene, *found.groups())
    raise AssertionError(f"nobody can read: {question}")
