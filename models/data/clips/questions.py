"""Questions about a clip with their one right answer.

Job: what moves, which way, how fast; how many and which colour at the beginning and at the end; what comes, goes,
grows, changes, in which order. Ignorance: how the clip came about, pixels.
Names only what is to be seen, so that no training clip names a held-out pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data.clips.words import SIDES, Track, heading, moves, seen, speed, turning
from models.data.pictures.picture import Asked
from models.data.pictures.scene_words import clear_place, enumerate_words
from models.data.pictures.things import NUMBERS, Thing, article, plural
from models.data.text.wording import sentence, yes

_MOST_OF_A_KIND = 3
_BEGINNING, _END = ("at the beginning", "at the start", "in the first frame"), ("at the end", "in the last frame")  # fmt: skip
_RANKS = ("first", "second", "third")


def questions(kind: str, tracks: Sequence[Track], rng: np.random.Generator) -> list[Asked]:
    """Of each kind some, in random order and phrasing."""
    asker = _Asker(kind, tuple(tracks), rng)
    asked = []
    for ask in (
        _Asker.who, _Asker.way, _Asker.pace, _Asker.place, _Asker.number, _Asker.colour, _Asker.shape, _Asker.size,
        _Asker.order, _Asker.meeting, _Asker.whether,
    ):  # fmt: skip
        found = ask(asker)
        asked += [found[i] for i in rng.permutation(len(found))[:_MOST_OF_A_KIND]]
    return [asked[i] for i in rng.permutation(len(asked))]


def recoloured(track: Track) -> bool:
    return len({t.colour for t in seen(track)}) > 1


def reshaped(track: Track) -> bool:
    return len({t.shape for t in seen(track)}) > 1


def resized(track: Track) -> str:
    """ "grow", "shrink" or ""."""
    ratio = seen(track)[-1].radius / seen(track)[0].radius
    return "grow" if ratio > 1.2 else "shrink" if ratio < 1 / 1.2 else ""


def comes(track: Track) -> bool:
    return track[0] is None


def goes(track: Track) -> bool:
    return track[-1] is None


def changes(track: Track) -> bool:
    return None in track or len(set(track)) > 1


@dataclass(frozen=True)
class _Asker:
    """One clip being asked about; each method gives the questions of a family."""

    kind: str
    tracks: tuple[Track, ...]
    rng: np.random.Generator

    def say(self, *ways: str) -> str:
        return ways[int(self.rng.integers(len(ways)))]

    def called(self, track: Track) -> str:
        """A phrase for one thing that stays right throughout: all tracks but equal ones differ in shape."""
        thing = seen(track)[0]
        if reshaped(track):
            return self.say("it", f"the {thing.colour} thing")
        full = "" if recoloured(track) else f"the {thing.colour} {thing.shape}"
        alone = "it" if len(self.tracks) == 1 else ""
        return self.say(*filter(None, (alone, full, f"the {thing.shape}")))

    def only(self, fit: Sequence[Track]) -> Track | None:
        """The one track that fits, or None where there are none or several."""
        return fit[0] if len(fit) == 1 else None

    def who(self) -> list[Asked]:
        """What moves, comes, goes, grows, changes, stays: where it is one thing only."""
        asked = []
        verbs = (
            ("moves", moves), ("grows", lambda t: resized(t) == "grow"), ("shrinks", lambda t: resized(t) == "shrink"),
            ("appears", comes), ("disappears", goes), ("changes its color", recoloured), ("stays still", lambda t: not changes(t)),
        )  # fmt: skip
        for verb, does in verbs:
            found = self.only([t for t in self.tracks if does(t)])
            if found:
                question = self.say(f"What {verb}?", f"Which shape {verb}?", f"Which thing {verb}?")
                thing = seen(found)[0]
                asked.append(Asked("who", question, sentence(f"the {thing.shape}" if recoloured(found) else article(thing.name))))  # fmt: skip
        return asked

    def way(self) -> list[Asked]:
        """Which way a thing goes that goes one way; where it goes before it turns back."""
        asked = []
        for track in self.tracks:
            there = seen(track)
            back = self.kind in ("bounce", "collide")
            way = heading(there[0], turning(there) if back else there[-1])
            if not way:
                continue
            who = self.called(track)
            if back:
                question = self.say(f"Which way does {who} move first?", f"Where does {who} move at first?")
            else:
                question = self.say(f"Which way does {who} move?", f"In which direction does {who} move?", f"Where does {who} move?", f"In what direction does {who} go?")  # fmt: skip
            asked.append(Asked("direction", question, sentence(way)))
        return asked

    def pace(self) -> list[Asked]:
        found = speed(self.tracks[0]) if self.kind == "motion" else ""
        if not found:
            return []
        who = self.called(self.tracks[0])
        question = self.say(
            f"Does {who} move fast or slowly?", f"Is {who} fast or slow?", f"How fast does {who} move?"
        )
        slow = "Slow." if "fast or slow?" in question else "Slowly."
        return [Asked("speed", question, "Fast." if found == "fast" else slow)]

    def place(self) -> list[Asked]:
        """Where a thing is at the beginning, at the end, or where it comes and goes."""
        asked = []
        for track in self.tracks if self.kind not in ("count", "order") else ():
            who, there = self.called(track), seen(track)
            if comes(track):
                asked += self._where(
                    self.say(f"Where does {who} appear?", f"Where is {who} at the end?"), there[-1]
                )
            elif goes(track):
                asked += self._where(
                    self.say(f"Where is {who} at the beginning?", f"Where was {who}?"), there[0]
                )
            else:
                asked += self._where(f"Where is {who} {self.say(*_BEGINNING)}?", there[0])
                asked += self._where(self.say(f"Where is {who} {self.say(*_END)}?", f"Where does {who} end?" if moves(track) else f"Where is {who} at the end?"), there[-1])  # fmt: skip
        return asked

    def _where(self, question: str, thing: Thing) -> list[Asked]:
        place = clear_place(thing)
        return [Asked("position", question, sentence(place))] if place else []

    def number(self) -> list[Asked]:
        if (
            len(self.tracks) == 1
            and not (comes(self.tracks[0]) or goes(self.tracks[0]))
            and self.rng.random() < 0.7
        ):
            return []
        shapes = sorted({t.shape for track in self.tracks for t in seen(track)})
        noun = (
            plural(shapes[0])
            if len(shapes) == 1 and self.rng.random() < 0.6
            else self.say("shapes", "things")
        )
        asked = []
        for when, at in ((self.say(*_BEGINNING), 0), (self.say(*_END), -1)):
            found = sum(track[at] is not None for track in self.tracks)
            asked.append(Asked("count", f"How many {noun} are there {when}?", _number(found)))
        for verb, does in (("move", moves), ("appear", comes), ("disappear", goes)):
            found = sum(map(does, self.tracks))
            if found or self.rng.random() < 0.05:
                asked.append(Asked("count", f"How many {noun} {verb}?", _number(found)))
        return asked

    def colour(self) -> list[Asked]:
        """At the beginning, at the end, of what moves."""
        asked = []
        for track in self.tracks if self.kind != "count" else self.tracks[:1]:
            there = seen(track)
            if recoloured(track):
                who = (
                    self.say("it", f"the {there[0].shape}")
                    if len(self.tracks) == 1
                    else f"the {there[0].shape}"
                )
                for when, thing in ((_BEGINNING, there[0]), (_END, there[-1])):
                    question = self.say(f"What color is {who} {self.say(*when)}?", f"Which color does {who} have {self.say(*when)}?")  # fmt: skip
                    asked.append(Asked("colour", question, sentence(thing.colour)))
                asked.append(Asked("colour", self.say(f"What color does {who} turn?", f"Which color does {who} become?"), sentence(there[-1].colour)))  # fmt: skip
            elif not reshaped(track):
                who = f"the {plural(there[0].shape)}" if self.kind == "count" else f"the {there[0].shape}"
                verb = "are" if self.kind == "count" else "is"
                asked.append(Asked("colour", self.say(f"What color {verb} {who}?", f"Which color {verb} {who}?"), sentence(there[0].colour)))  # fmt: skip
        return asked

    def shape(self) -> list[Asked]:
        """Of the one thing that moves or changes; what it turns into."""
        doing = self.only([t for t in self.tracks if changes(t)])
        if not doing:
            return []
        first, last = seen(doing)[0], seen(doing)[-1]
        if reshaped(doing):
            return [Asked("shape", self.say("What does it turn into?", "What does it become?"), sentence(article(last.shape))),
                    Asked("shape", "What shape is it at the beginning?", sentence(first.shape)),
                    Asked("shape", "What shape is it at the end?", sentence(last.shape))]  # fmt: skip
        verb = "moves" if moves(doing) else "changes"
        return [Asked("shape", self.say(f"What shape is the thing that {verb}?", f"Name the shape that {verb}."), sentence(first.shape))]  # fmt: skip

    def size(self) -> list[Asked]:
        """Growing or shrinking, sometimes neither."""
        asked = []
        for track in self.tracks if self.kind not in ("count", "order") and len(self.tracks) < 3 else ():
            found, who = resized(track), self.called(track)
            if None not in track and (found or self.rng.random() < 0.1):
                question = self.say(f"Does {who} grow or shrink?", f"Does {who} get bigger or smaller?")
                answers = ("It grows.", "It shrinks.") if "grow" in question else ("Bigger.", "Smaller.")
                asked.append(Asked("growth", question, dict(zip(("grow", "shrink"), answers, strict=True)).get(found, "Neither.")))  # fmt: skip
        return asked

    def order(self) -> list[Asked]:
        if self.kind != "order":
            return []
        names = [article(seen(track)[0].name) for track in self.tracks]
        asked = [Asked("order", f"What appears {rank}?", sentence(name)) for rank, name in zip(_RANKS, names, strict=True)]  # fmt: skip
        asked.append(Asked("order", "What appears last?", sentence(names[-1])))
        asked.append(Asked("order", self.say("In which order do they appear?", "In what order do the shapes appear?"), sentence(enumerate_words(names))))  # fmt: skip
        i, j = (int(v) for v in self.rng.permutation(3)[:2])
        a, b = (f"the {seen(self.tracks[k])[0].shape}" for k in (i, j))
        return [*asked, Asked("order", f"Which appears first, {a} or {b}?", sentence(a if i < j else b))]

    def meeting(self) -> list[Asked]:
        """What two things do to each other; which side something hits."""
        if self.kind == "bounce":
            there = seen(self.tracks[0])
            side = SIDES[heading(there[0], turning(there))]
            who = self.called(self.tracks[0])
            return [Asked("meeting", self.say(f"Which side does {who} hit?", f"Where does {who} bounce off?", f"What does {who} bounce off?"), sentence(side))]  # fmt: skip
        if self.kind not in ("pass", "collide", "push"):
            return []
        a, b = (seen(t)[0] for t in self.tracks)
        asked = [
            Asked("meeting", self.say("Do they touch?", "Do the two shapes touch?"), yes(self.kind != "pass"))
        ]
        if self.kind == "push":
            asked.append(Asked("meeting", self.say("What is pushed?", f"What does the {a.shape} push?"), sentence(article(b.name))))  # fmt: skip
            asked.append(Asked("meeting", self.say("What pushes?", f"What pushes the {b.shape}?"), sentence(article(a.name))))  # fmt: skip
        if self.kind == "collide":
            asked.append(Asked("meeting", f"What does the {a.shape} bump into?", sentence(article(b.name))))
            asked.append(Asked("meeting", f"What does the {b.shape} bump into?", sentence(article(a.name))))
        return asked

    def whether(self) -> list[Asked]:
        """Half yes, half no, of what can happen in any clip."""
        facts = (
            (("Does anything move?", "Is anything moving?"), moves), (("Does anything grow?", "Is anything growing?"), lambda t: resized(t) == "grow"),
            (("Does anything shrink?", "Does anything get smaller?"), lambda t: resized(t) == "shrink"), (("Does a color change?", "Does anything change its color?"), recoloured),
            (("Does anything appear?", "Does something new appear?"), comes), (("Does anything disappear?", "Does something vanish?"), goes),
            (("Does anything change?", "Does anything happen?"), changes),
        )  # fmt: skip
        told = [(ways, any(map(does, self.tracks))) for ways, does in facts]
        asked = []
        for wanted in (True, False):
            fit = [ways for ways, true in told if true is wanted]
            if fit:
                asked.append(Asked("whether", self.say(*fit[int(self.rng.integers(len(fit)))]), yes(wanted)))
        track = self.tracks[int(self.rng.integers(len(self.tracks)))]
        if self.kind not in ("count", "order"):
            asked.append(Asked("whether", f"Does {self.called(track)} move?", yes(moves(track))))
        return asked


def _number(number: int) -> str:
    return sentence(NUMBERS[number])
