"""Questions about a scene with their one right answer.

Job: every question that things and a background answer without doubt: a thing is only spoken of by properties that
single it out, and what the eye could judge either way is not asked.
Ignorance: how the scene came about, pixels. Nothing that a training scene is asked names a held-out pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data.pictures import backgrounds
from models.data.pictures.picture import Asked
from models.data.pictures.scene_words import (
    RELATIONS,
    Clue,
    clear_place,
    clues,
    holds,
    larger,
    related,
    singling_out,
)
from models.data.pictures.things import (
    COLOURS,
    CORNERS,
    NUMBERS,
    SHAPES,
    Thing,
    article,
    held_out,
    novel,
    plural,
)
from models.data.text.wording import sentence, yes

_MOST_OF_A_KIND = 3  # questions of one kind about one picture


def questions(things: Sequence[Thing], background: str, rng: np.random.Generator) -> list[Asked]:
    """Of each kind some, in random order and phrasing."""
    asker = _Asker(tuple(things), background, rng)
    asked = []
    for ask in (
        _Asker.count_all, _Asker.count_some, _Asker.properties, _Asker.position, _Asker.relation,
        _Asker.size, _Asker.exists, _Asker.compare, _Asker.behind,
    ):  # fmt: skip
        found = ask(asker)
        asked += [found[i] for i in rng.permutation(len(found))[:_MOST_OF_A_KIND]]
    return [asked[i] for i in rng.permutation(len(asked))]


@dataclass(frozen=True)
class _Asker:
    """One scene being asked about; each method gives the questions of a family."""

    things: tuple[Thing, ...]
    background: str
    rng: np.random.Generator

    def say(self, *ways: str) -> str:
        return ways[int(self.rng.integers(len(ways)))]

    def any(self, words: Sequence[str]) -> str:
        return words[int(self.rng.integers(len(words)))]

    def number(self, clue: Clue) -> int:
        return sum(map(clue.fits, self.things))

    def called(self, thing: Thing) -> str:
        """A phrase that means this thing only, or "" where there is none."""
        found = singling_out(self.things, thing)
        return f"the {found[int(self.rng.integers(len(found)))].words()}" if found else ""

    def named(self) -> list[tuple[Thing, str]]:
        """The things that can be spoken of, each with a phrase."""
        return [(t, name) for t in self.things if (name := self.called(t))]

    def count_all(self) -> list[Asked]:
        if len(self.things) == 1 and self.rng.random() < 0.5:
            return []
        question = self.say(
            "How many shapes are there?", "How many shapes do you see?", "Count the shapes.", "How many things are in the picture?"
        )  # fmt: skip
        return [Asked("count", question, _number(len(self.things)))]

    def count_some(self) -> list[Asked]:
        """Of a colour, a shape or both; sometimes of what is not there."""
        if len(self.things) == 1 and self.rng.random() < 0.7:
            return []
        thing = self.things[int(self.rng.integers(len(self.things)))]
        asked = [c for c in clues(thing) if self.number(c) > 1 or self.rng.random() < 0.3]
        if self.rng.random() < 0.15:
            asked = [Clue(shape=self.any(SHAPES)), Clue(colour=self.any(tuple(COLOURS)))]
        return [self._count(c) for c in asked[:2]]

    def _count(self, clue: Clue) -> Asked:
        name = clue.words(2)
        question = self.say(
            f"How many {name} are there?", f"How many {name} do you see?", f"Count the {name}."
        )
        return Asked("count", question, _number(self.number(clue)))

    def properties(self) -> list[Asked]:
        """Colour, shape and texture: of all things where they agree, else of one that another property singles out."""
        first, many = self.things[0], len(self.things) > 1
        asked = []
        for kind in ("colour", "shape", "texture"):
            if len({_property(t, kind) for t in self.things}) == 1:
                who = (
                    self.say("they", "the shapes")
                    if many
                    else self.say("it", f"the {first.shape}", "the shape")
                )
                asked.append(self._property(kind, "they" if kind == "shape" and many else who, first, many))
            asked += [
                self._property(kind, f"the {clue.words(n)}", t, n > 1) for t, clue, n in self._pointed(kind)
            ]
        plain = self.rng.random() < (0.1 if all(t.texture == "solid" for t in self.things) else 0.4)
        return [
            a for a in asked if plain or a.answer != "Solid."
        ]  # else "Solid." would nearly always be right

    def _pointed(self, kind: str) -> list[tuple[Thing, Clue, int]]:
        """(thing, clue, how many it fits): clues that leave `kind` open although all they fit agree in it."""
        found: dict[Clue, tuple[Thing, Clue, int]] = {}
        for thing in self.things if len(self.things) > 1 else ():
            for clue in clues(thing):
                fit = [t for t in self.things if clue.fits(t)]
                if not getattr(clue, kind) and len({_property(t, kind) for t in fit}) == 1:
                    found[clue] = thing, clue, len(fit)
        return list(found.values())

    def _property(self, kind: str, who: str, thing: Thing, many: bool) -> Asked:
        verb = "are" if many else "is"
        if kind == "colour":
            return Asked(kind, self.say(f"What color {verb} {who}?", f"What colour {verb} {who}?", f"Which color {verb} {who}?"),
                         sentence(thing.colour))  # fmt: skip
        if kind == "shape":
            who = "it" if not many and len(self.things) == 1 else who
            ways = [f"What shape {verb} {who}?", f"Which shape {verb} {who}?"]
            alone = ["Name the shape.", "Which shape do you see?"] if len(self.things) == 1 else []
            return Asked(kind, self.say(*ways, *alone), sentence(thing.shape))
        return Asked(kind, self.say(f"What texture {verb} {who}?", f"What pattern {verb} {who}?"), sentence(thing.texture))  # fmt: skip

    def position(self) -> list[Asked]:
        """Where a thing is; and what is at a place, where one thing is."""
        named = [(t, self.say("it", n) if len(self.things) == 1 else n) for t, n in self.named()]
        asked = [Asked("position", self.say(f"Where is {name}?", f"Where do you see {name}?"), sentence(clear_place(t)))
                 for t, name in named if clear_place(t)]  # fmt: skip
        if len(self.things) > 1 and all(map(clear_place, self.things)):
            alone = [t for t in self.things if sum(_at(o, t.place) for o in self.things) == 1]
            asked += [Asked("position", f"What is {t.place}?", sentence(article(t.name))) for t in alone]
        return asked

    def relation(self) -> list[Asked]:
        """What stands where beside another thing, and whether it does."""
        asked = []
        for thing, name in self.named():
            for way in RELATIONS:
                found = list(related(self.things, way, thing))
                if all(sure is not None for _, sure in found) and sum(bool(sure) for _, sure in found) == 1:
                    which = next(t for t, sure in found if sure)
                    asked.append(Asked("relation", self.say(f"What is {way} {name}?", f"Which shape is {way} {name}?"),
                                       sentence(article(which.name))))  # fmt: skip
        return asked + self._whether()

    def _whether(self) -> list[Asked]:
        named = self.named()
        if len(named) < 2:
            return []
        (a, name_a), (b, name_b) = (named[i] for i in self.rng.permutation(len(named))[:2])
        sure = {way: holds(way, a, b) for way in RELATIONS}
        true = [way for way in RELATIONS if sure[way]]
        false = [way for way in RELATIONS[:4] if sure[way] is False]
        ways = true if true and (not false or self.rng.random() < 0.5) else false
        if not ways:
            return []
        way = self.any(ways)
        return [Asked("relation", f"Is {name_a} {way} {name_b}?", yes(bool(sure[way])))]

    def size(self) -> list[Asked]:
        if len(self.things) > 1:
            return []
        thing = self.things[0]
        who = self.say("it", f"the {thing.shape}")
        return [Asked("size", self.say(f"What size is {who}?", f"How big is {who}?", f"How large is {who}?"), sentence(thing.size))]  # fmt: skip

    def exists(self) -> list[Asked]:
        """Half yes, half no; most of the noes share a colour or a shape with what is there."""
        clue = self._present() if self.rng.random() < 0.5 else self._absent()
        name = clue.words()
        name = f"anything {clue.colour}" if not clue.shape and not clue.texture else article(name)
        question = self.say(f"Is there {name}?", f"Do you see {name}?", f"Does the picture show {name}?")
        return [Asked("exists", question, yes(self.number(clue) > 0))]

    def _present(self) -> Clue:
        thing = self.things[int(self.rng.integers(len(self.things)))]
        full = Clue(thing.colour, thing.shape)
        return (
            full if self.rng.random() < 0.6 else self.rng.permuted(np.array([full, *clues(thing)], object))[0]
        )

    def _absent(self) -> Clue:
        """Nothing fits it. Held-out pairs are named only where the scene is held out itself."""
        while True:
            thing = self.things[int(self.rng.integers(len(self.things)))]
            other = self.things[int(self.rng.integers(len(self.things)))]
            colour, shape = self.any(tuple(COLOURS)), self.any(SHAPES)
            near = (Clue(thing.colour, other.shape), Clue(thing.colour, shape), Clue(colour, thing.shape))
            far = (Clue(shape=shape), Clue(colour=colour), Clue(colour, shape))
            clue = (*near, *far)[int(self.rng.choice(6, p=[0.25, 0.25, 0.25, 0.1, 0.1, 0.05]))]
            leaks = bool(clue.colour and clue.shape) and held_out(clue.colour, clue.shape)
            if not self.number(clue) and (novel(self.things) or not leaks):
                return clue

    def compare(self) -> list[Asked]:
        return [*self._larger(), *self._largest(), *self._more()]

    def _larger(self) -> list[Asked]:
        named = self.named()
        if len(named) < 2:
            return []
        (a, name_a), (b, name_b) = (named[i] for i in self.rng.permutation(len(named))[:2])
        first = larger(a, b)
        if first is None or (first is False and larger(b, a) is not True):
            return []
        word = self.any(("larger", "bigger", "smaller"))
        right = name_a if first != (word == "smaller") else name_b
        return [Asked("comparison", f"Which is {word}, {name_a} or {name_b}?", sentence(right))]

    def _largest(self) -> list[Asked]:
        asked = []
        for thing in self.things if len(self.things) > 1 else ():
            others = [t for t in self.things if t is not thing]
            for sure, words in ((all(larger(thing, t) for t in others), ("largest", "biggest")),
                                (all(larger(t, thing) for t in others), ("smallest",))):  # fmt: skip
                if sure:
                    asked.append(Asked("comparison", f"Which shape is the {self.any(words)}?", sentence(article(thing.name))))  # fmt: skip
        return asked

    def _more(self) -> list[Asked]:
        """More of one colour, or of one shape, or the same number."""
        colours, shapes = (sorted({_property(t, kind) for t in self.things}) for kind in ("colour", "shape"))
        asked = []
        for values, kind in ((colours, "colour"), (shapes, "shape")):
            if len(values) < 2 or len(self.things) < 3:
                continue
            a, b = (values[i] for i in self.rng.permutation(len(values))[:2])
            first, second = (self.number(Clue(**{kind: v})) for v in (a, b))
            if first == second and self.rng.random() < 0.7:
                continue
            a, b = (f"{a} shapes", f"{b} shapes") if kind == "colour" else (plural(a), plural(b))
            answer = "the same" if first == second else a if first > second else b
            asked.append(Asked("comparison", f"Are there more {a} or more {b}?", sentence(answer)))
        return asked

    def behind(self) -> list[Asked]:
        plain = self.background in backgrounds.PLAIN
        if plain and self.rng.random() < 0.9:
            if self.background == "white" and self.rng.random() < 0.5:
                return []
            question = self.say("What color is the background?", "What colour is the background?", "Which color is behind the shapes?")  # fmt: skip
            return [Asked("background", question, sentence(self.background))]
        question = self.say(
            "What is the background?", "What is in the background?", "Describe the background."
        )
        return [Asked("background", question, sentence(backgrounds.words(self.background).alone))]


def _property(thing: Thing, kind: str) -> str:
    return {"colour": thing.colour, "shape": thing.shape, "texture": thing.texture}[kind]


def _at(thing: Thing, place: str) -> bool:
    """Whether a thing answers to a place; the edges are also called what lies in their corners."""
    return thing.place == place or (place.split()[-1] in thing.place and place not in CORNERS)


def _number(number: int) -> str:
    return sentence(NUMBERS[number])
