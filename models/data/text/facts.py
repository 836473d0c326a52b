"""What pico knows of the world and of words: capitals, colours, animals, opposites, kinds of things, word forms, the calendar.

Job: questions about the tables of `world` in many wordings, split by wording x item; follow-ups that refer back.
Ignorance: the tables' upkeep (world), what lies outside them (honesty), tokens, media.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.data.text import world
from models.data.text.turns import Kind, Split, Turn, a, as_typed, capital, choose, one, pick, some

_CAPITAL = (
    "What is the capital of {x}?", "Which city is the capital of {x}?", "Name the capital of {x}.", "Tell me the capital of {x}.", "What's the capital of {x}?", "The capital of {x}?",
    "Do you know the capital of {x}?", "What is the capital city of {x}?", "Which is the capital of {x}?", "What city is the capital of {x}?",
)  # fmt: skip
_COUNTRY = (
    "{x} is the capital of which country?", "Which country has the capital {x}?", "In which country is {x}?", "Where is {x}?", "What country is {x} in?", "{x} is a city in which country?",
    "Tell me the country of {x}.", "Do you know where {x} is?",
)  # fmt: skip
_CONTINENT = (
    "On which continent is {x}?", "Which continent is {x} on?", "Where in the world is {x}?", "What continent does {x} belong to?", "In which part of the world is {x}?", "Name the continent of {x}.",
    "{x} is on which continent?", "What continent is {x} in?",
)  # fmt: skip
_COLOUR = (
    "What color is {x}?", "What colour is {x}?", "Which color has {x}?", "Tell me the color of {x}.", "What is the color of {x}?", "Which color is {x}?", "Name the color of {x}.",
    "What is the colour of {x}?", "Do you know what color {x} is?", "{x}: which color?",
)  # fmt: skip
_SAYS = (
    "What does {a} say?", "What sound does {a} make?", "Which sound does the {x} make?", "What noise does {a} make?", "Which sound comes from {a}?", "What does the {x} say?", "How does the {x} go?",
    "Which noise does {a} make?", "What sound do you hear from {a}?",
)  # fmt: skip
_WHO_SAYS = (
    "Which animal says {x}?", "Who says {x}?", "What animal says {x}?", "Which animal goes {x}?", "What says {x}?", "Name the animal that says {x}.", "What animal makes the sound {x}?", "{x}! Which animal is that?",
)  # fmt: skip
_YOUNG = (
    "What is a young {x} called?", "What do you call a baby {x}?", "What is a baby {x} called?", "How do you call a young {x}?", "What is the young of {a}?", "Name the young of {a}.",
    "A baby {x} is called what?", "What is the name of a young {x}?",
)  # fmt: skip
_LEGS = (
    "How many legs does {a} have?", "How many legs has {a}?", "Count the legs of {a}.", "Tell me how many legs {a} has.", "How many legs does the {x} have?", "{a}: how many legs?",
    "On how many legs does {a} stand?", "What is the number of legs of {a}?",
)  # fmt: skip
_LIVES = (
    "Where does {a} live?", "Where do you find {a}?", "Where would I see {a}?", "Where is the home of {a}?", "What is the home of {a}?", "Tell me where {a} lives.", "In which place does {a} live?", "Where does the {x} live?",
)  # fmt: skip
_OPPOSITE = (
    "What is the opposite of {x}?", "Name the opposite of {x}.", "The opposite of {x}?", "What's the opposite of {x}?", "Tell me the opposite of {x}.", "Which word is the opposite of {x}?",
    "What is the contrary of {x}?", "Give me the opposite of {x}.", "{x} is the opposite of what?",
)  # fmt: skip
_KIND = (
    "What is {x}?", "What kind of thing is {x}?", "What sort of thing is {x}?", "Tell me what {x} is.", "Do you know what {x} is?", "Is {x} {k} or {o}?", "Which is it: is {x} {k} or {o}?", "What do we call {x}: {o} or {k}?",
)  # fmt: skip
_IS = (
    "Is {x} {k}?", "Would you say {x} is {k}?", "Is it true that {x} is {k}?", "Can you tell me if {x} is {k}?", "Do you think {x} is {k}?", "{x} is {k}, right?", "Tell me: is {x} {k}?", "Do we call {x} {k}?",
)  # fmt: skip
_PLURAL = (
    "What is the plural of {x}?", "One {x}, two ...?", "Name the plural of {x}.", "How do you say more than one {x}?", "The plural of {x}?", "Give me the plural of {x}.", "I have one {x}. You have two what?", "Write {x} in the plural.",
)  # fmt: skip
_PAST = (
    "What is the past of {x}?", "What is the past tense of {x}?", "Today I {x}, yesterday I ...?", "Name the past of {x}.", "Put {x} in the past tense.", "The past tense of {x}?", "How do you say {x} in the past?",
    "Give me the past form of {x}.",
)  # fmt: skip
_SPELL = (
    "Spell {x}.", "How do you spell {x}?", "Spell the word {x}.", "Please spell {x}.", "Can you spell {x}?", "How is {x} spelled?", "Spell {x} for me.", "Tell me the letters of {x}.", "Which letters are in {x}?",
)  # fmt: skip
_RHYME = (
    "What rhymes with {x}?", "Name a word that rhymes with {x}.", "Which word rhymes with {x}?", "Give me a rhyme for {x}.", "Tell me a word that rhymes with {x}.", "Find a rhyme for {x}.", "A word like {x}, please: it must rhyme.", "Can you rhyme with {x}?",
)  # fmt: skip
_NEXT = (
    "What comes after {x}?", "What is after {x}?", "Which {k} comes after {x}?", "What {k} follows {x}?", "Which {k} is next after {x}?", "After {x} comes which {k}?", "What {k} comes right after {x}?", "Name the {k} after {x}.",
)  # fmt: skip
_LAST = tuple(
    way.replace("follows", "comes before").replace("next after", "just before").replace("After", "Before").replace("after", "before") for way in _NEXT
)  # fmt: skip
_UNIT = (
    "How many {u} are in {w}?", "How many {u} does {w} have?", "How many {u} has {w}?", "How many {u} are there in {w}?", "{w} has how many {u}?", "Tell me how many {u} {w} has.", "Do you know how many {u} are in {w}?", "What is the number of {u} in {w}?",
)  # fmt: skip
_SIDES = (
    "How many sides does {a} have?", "How many sides has {a}?", "Count the sides of {a}.", "Tell me how many sides {a} has.", "How many corners does {a} have?", "How many corners has {a}?", "{a} has how many sides?", "What is the number of sides of {a}?",
)  # fmt: skip
_USE = (
    "What do you need to {x}?", "What do you use to {x}?", "What is used to {x}?", "With what do you {x}?", "I want to {x}. What do I need?", "Which thing helps you to {x}?", "What should I take to {x}?", "Name the thing you need to {x}.",
)  # fmt: skip
_JOB = (
    "Who {x}?", "Which person {x}?", "What do you call someone who {x}?", "Name the person who {x}.", "Who is it that {x}?", "What is the job of a person who {x}?", "Tell me who {x}.", "Someone {x}. Who is it?",
)  # fmt: skip
_PLAIN = ("{q}", "Tell me: {q}", "Do you know? {q}", "Question: {q}", "Please answer. {q}", "Here is a question. {q}", "Can you tell me? {q}", "{q} Do you know?")  # fmt: skip
_KIND_OF = {thing: kind for kind, things in world.CATEGORIES.items() for thing in things}


def thing(word: str) -> str:
    """With an article, unless it takes none: "a pear", "milk"."""
    return word if word in world.MASS else a(word)


def about(
    rng: np.random.Generator, split: Split, ways: Sequence[str], table: Mapping[str, str], answer: str
) -> list[Turn]:
    """A row of a table asked for; the answer's slots are {x}, its article form {a}, {y}; the first letter becomes capital."""
    way, item = choose(rng, split, ways, tuple(table))
    filled = {"x": item, "a": a(item), "y": table[item]}
    return [(as_typed(rng, capital(way.format(**filled))), capital(answer.format(**filled)))]


def capitals(rng: np.random.Generator, split: Split) -> list[Turn]:
    return about(rng, split, _CAPITAL, world.CAPITALS, "The capital of {x} is {y}.")


def countries(rng: np.random.Generator, split: Split) -> list[Turn]:
    return about(rng, split, _COUNTRY, {v: k for k, v in world.CAPITALS.items()}, "{x} is in {y}.")


def continents(rng: np.random.Generator, split: Split) -> list[Turn]:
    table = {country: where for where, all_of in world.CONTINENTS.items() for country in all_of}
    return about(rng, split, _CONTINENT, table, "{x} is in {y}.")


def colours(rng: np.random.Generator, split: Split) -> list[Turn]:
    return about(rng, split, _COLOUR, world.COLOURS, "{x} is {y}.")


def animals(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Sounds, young ones, legs, homes."""
    says = {v: k for k, v in world.SAYS.items()}
    return (
        lambda: about(rng, split, _SAYS, world.SAYS, "{a} says {y}."),
        lambda: about(rng, split, _WHO_SAYS, says, "The {y} says {x}."),
        lambda: about(rng, split, _YOUNG, world.YOUNG, "A young {x} is called a {y}."),
        lambda: about(rng, split, _LEGS, world.LEGS, "{a} has {y} legs."),
        lambda: about(rng, split, _LIVES, world.LIVES, "{a} lives {y}."),
    )[int(rng.integers(5))]()  # fmt: skip


def abilities(rng: np.random.Generator, split: Split) -> list[Turn]:
    """ "Can a bee fly?" """
    ways = ("Can {a} {v}?", "Does {a} {v}?", "Is {a} able to {v}?", "Do you think {a} can {v}?", "Tell me if {a} can {v}.", "Is it true that {a} can {v}?", "{a} can {v}, right?", "Can the {x} {v}?")  # fmt: skip
    verb = one(rng, tuple(world.CAN))
    can = bool(rng.random() < 0.5)
    way, item = choose(rng, split, ways, (world.CAN if can else world.CANNOT)[verb])
    asked = as_typed(rng, capital(way.format(a=a(item), x=item, v=verb)))
    return [(asked, f"Yes, {a(item)} can {verb}." if can else f"No, {a(item)} cannot {verb}.")]


def opposites(rng: np.random.Generator, split: Split) -> list[Turn]:
    both = world.OPPOSITES | {v: k for k, v in world.OPPOSITES.items() if v not in world.OPPOSITES}
    return about(rng, split, _OPPOSITE, both, "The opposite of {x} is {y}.")


def categories(rng: np.random.Generator, split: Split) -> list[Turn]:
    """ "Is a banana a fruit?" and "What is a banana?" """
    yes_no = bool(rng.random() < 0.6)
    way, item = choose(rng, split, _IS if yes_no else _KIND, tuple(_KIND_OF))
    right = _KIND_OF[item]
    near = {"bird": "animal", "fish": "animal", "animal": "bird"}.get(right)
    wrong = one(rng, [k for k in world.CATEGORIES if k not in (right, near)])
    said = right if not yes_no or rng.random() < 0.5 else wrong
    question = capital(way.format(x=thing(item), k=a(said), o=a(wrong)))
    answer = f"{thing(item)} is {a(right)}."
    if yes_no:
        answer = ("Yes, " if said == right else "No, ") + answer
    return [(as_typed(rng, question), capital(answer))]


def odd_one_out(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Three of a kind and a stranger; held out by wording x stranger."""
    ways = ("Which does not fit: {x}?", "Which word does not belong: {x}?", "Find the odd one out: {x}.", "Odd one out: {x}.", "Which one is different: {x}?", "One of these is different: {x}. Which?", "What does not go with the others: {x}?", "Which is the odd one: {x}?")  # fmt: skip
    way, item = choose(rng, split, ways, tuple(_KIND_OF))
    right = _KIND_OF[item]
    near = {"bird": "animal", "fish": "animal", "animal": "bird fish", "flower": "colour", "colour": "flower fruit", "fruit": "colour vegetable", "vegetable": "fruit"}.get(right, "")  # fmt: skip
    other = one(rng, [k for k in world.CATEGORIES if k != right and k not in near.split()])
    shown = some(rng, [*some(rng, world.CATEGORIES[other], 3), item], 4)
    return [(as_typed(rng, way.format(x=", ".join(shown))), f"{capital(item)}.")]


def name_one(rng: np.random.Generator, split: Split) -> list[Turn]:
    """ "Name a fruit." Several answers are right: an item of the table."""
    ways = ("Name {k}.", "Tell me {k}.", "Give me an example of {k}.", "Can you name {k}?", "Do you know {k}?", "Say the name of {k}.", "What is {k} you know?", "Please name {k}.")  # fmt: skip
    way, kind = choose(rng, split, ways, tuple(world.CATEGORIES))
    return [(as_typed(rng, way.format(k=a(kind))), capital(thing(one(rng, world.CATEGORIES[kind]))) + ".")]


def word_forms(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Plurals, past tenses, degrees."""
    roll = rng.random()
    if roll < 0.4:
        return about(rng, split, _PLURAL, world.PLURALS, "One {x}, two {y}.")
    if roll < 0.8:
        return about(rng, split, _PAST, world.PASTS, "The past of {x} is {y}.")
    ways = ("Compare {x}.", "{x}: what comes next?", "Give me the forms of {x}.", "What are the forms of {x}?", "What comes after {x}, as in good, better, best?", "Say {x}, then more, then most.", "How do you compare with {x}?", "Tell me the degrees of {x}.")  # fmt: skip
    table = {word: ", ".join((word, *more)) for word, more in world.DEGREES.items()}
    return about(rng, split, ways, table, "{y}.")


def spelling(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _SPELL, world.SPELLED)
    return [(as_typed(rng, way.format(x=item)), "-".join(item) + ".")]


def letters(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Number of letters, the first, the last, the letter after another; held out by wording x word."""
    ways = (
        "How many letters are in {x}?", "What is the first letter of {x}?", "What is the last letter of {x}?", "Count the letters of {x}.", "With which letter does {x} start?", "With which letter does {x} end?",
        "How many letters has the word {x}?", "Which letter comes first in {x}?",
    )  # fmt: skip
    way, item = choose(rng, split, ways, world.SPELLED)
    count = f"{len(item)}."
    answers = (count, item[0], item[-1], count, item[0], item[-1], count, item[0])
    found = answers[ways.index(way)]
    return [(as_typed(rng, way.format(x=item)), found if found == count else f"{found.upper()}.")]


def rhymes(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Several answers are right: any other word of the group."""
    way, item = choose(rng, split, _RHYME, [word for group in world.RHYMES for word in group])
    group = next(g for g in world.RHYMES if item in g)
    other = one(rng, [word for word in group if word != item])
    return [(as_typed(rng, way.format(x=item)), f"{capital(item)} rhymes with {other}.")]


def calendar(rng: np.random.Generator, split: Split) -> list[Turn]:
    """Days, months, seasons and letters, forwards and backwards."""
    sort = int(rng.choice(4, p=(0.4, 0.35, 0.1, 0.15)))
    row = (world.WEEK, world.MONTHS, world.SEASONS, world.LETTERS)[sort]
    kind = ("day", "month", "season", "letter")[sort]
    step = 1 if rng.random() < 0.6 else -1
    way, item = choose(rng, split, _NEXT if step == 1 else _LAST, row[:-1] if sort == 3 and step == 1 else row[1:] if sort == 3 else row)  # fmt: skip
    other = row[(row.index(item) + step) % len(row)]
    return [(as_typed(rng, way.format(x=item, k=kind)), f"{capital(other)}.")]


def units(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _UNIT, [f"{u}/{w}" for u, w in world.UNITS])
    u, w = item.split("/")
    return [(as_typed(rng, capital(way.format(u=u, w=w))), capital(f"{w} has {world.UNITS[u, w]} {u}."))]


def sides(rng: np.random.Generator, split: Split) -> list[Turn]:
    turns = about(rng, split, _SIDES, world.SIDES, "{a} has {y} sides.")
    question, answer = turns[0]
    return [(question, answer.replace("sides", "corners") if "corners" in question else answer)]


def uses(rng: np.random.Generator, split: Split) -> list[Turn]:
    if rng.random() < 0.5:
        return about(rng, split, _USE, world.USES, "{y}.")
    return about(rng, split, _JOB, world.JOBS, "{y} {x}.")


def plain(rng: np.random.Generator, split: Split) -> list[Turn]:
    way, item = choose(rng, split, _PLAIN, tuple(world.PLAIN_FACTS))
    return [(as_typed(rng, way.format(q=item)), world.PLAIN_FACTS[item])]


def follow_up(rng: np.random.Generator, split: Split) -> list[Turn]:
    """The same question of another item, or the last word taken up: "And of Italy?" "Spell it." """
    sort = int(rng.integers(4))
    if sort == 3:
        return _word_chain(rng, split)
    table = (world.CAPITALS, world.COLOURS, world.OPPOSITES)[sort]
    make = (capitals, colours, opposites)[sort]
    ways = (("And of {x}?", "And the capital of {x}?", "What about {x}?"), ("And {x}?", "What about {x}?"), ("And of {x}?", "What about {x}?", "And the opposite of {x}?"))[sort]  # fmt: skip
    answer = ("The capital of {x} is {y}.", "{x} is {y}.", "The opposite of {x} is {y}.")[sort]
    turns = make(rng, split)
    for item in some(rng, tuple(table), int(rng.integers(1, 4))):
        asked = as_typed(rng, one(rng, ways).format(x=item))
        turns.append((asked, capital(answer.format(x=item, y=table[item]))))
    return turns


def _word_chain(rng: np.random.Generator, split: Split) -> list[Turn]:
    turns = (opposites, opposites, spelling)[int(rng.integers(3))](rng, split)
    said = turns[0][1]
    if "-" in said and "opposite" not in said:
        word = said.replace("-", "").strip(".")
        turns.append((one(rng, ("Which word is that?", "What word is that?")), f"{capital(word)}."))
    else:
        word = said.strip(".").split(" is ")[-1]
        if rng.random() < 0.5:
            before = said.split(" of ")[1].split(" is ")[0]
            turns.append((one(rng, ("And the opposite of that?", "And the opposite of it?")), f"The opposite of {word} is {before}."))  # fmt: skip
            word = before
    if rng.random() < 0.7:
        turns.append((as_typed(rng, one(rng, ("Spell it.", "How do you spell that?", "Spell that word.", "Please spell it."))), "-".join(word) + "."))  # fmt: skip
    if rng.random() < 0.4:
        turns.append((as_typed(rng, one(rng, ("How many letters is that?", "How many letters does it have?"))), f"{len(word)}."))  # fmt: skip
    return turns


def is_one(turn: Turn, said: str) -> bool:
    """Of the category of the expected answer, which the question names."""
    word, expected = (
        text.strip(".").removeprefix("An ").removeprefix("A ") for text in (said.strip(), turn[1])
    )
    kinds = {name.lower(): kind for name, kind in _KIND_OF.items()}
    return kinds.get(word.lower(), "") == kinds[expected.lower()]


def does_rhyme(turn: Turn, said: str) -> bool:
    """Another word of the same rhyme."""
    asked, _, other = said.strip().rstrip(".").lower().partition(" rhymes with ")
    expected = turn[1].split()[0].lower()
    return asked == expected != other and any({asked, other} <= set(group) for group in world.RHYMES)


KINDS: dict[str, Kind] = {
    "capitals": Kind(capitals, 0.09),
    "countries": Kind(countries, 0.05),
    "continents": Kind(continents, 0.03),
    "colours": Kind(colours, 0.07),
    "animals": Kind(animals, 0.11),
    "abilities": Kind(abilities, 0.04),
    "opposites": Kind(opposites, 0.07),
    "categories": Kind(categories, 0.11),
    "odd_one_out": Kind(odd_one_out, 0.04),
    "name_one": Kind(name_one, 0.03, is_one),
    "word_forms": Kind(word_forms, 0.07),
    "spelling": Kind(spelling, 0.06),
    "letters": Kind(letters, 0.04),
    "rhymes": Kind(rhymes, 0.04, does_rhyme),
    "calendar": Kind(calendar, 0.06),
    "units": Kind(units, 0.04),
    "sides": Kind(sides, 0.02),
    "uses": Kind(uses, 0.05),
    "plain": Kind(plain, 0.05),
    "follow_up": Kind(follow_up, 0.07),
}


def sample(rng: np.random.Generator, split: Split = "train") -> list[Turn]:
    """One conversation about the world or about words."""
    return pick(KINDS, rng, split)
