"""A small open text of our own, for models that come without data: generated, the same on every machine.

Job: short passages of the kinds that a chat model meets: prose, dialogue, lists, numbers, code, data, tables,
five languages. Ignorance: models, ids. It is no sample of real use: a user's own text (`--calibration`) is
better, and the report says which was taken. Licence: as this package.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

PASSAGES = 96  # about 100 tokens each
NOTE = "built-in generated text (not your own data; --calibration FILE.jsonl fits better)"

_WORDS: dict[str, tuple[str, ...]] = {
    "who": ("the nurse", "a young farmer", "our neighbour", "the judge", "an old sailor", "the engineer",
            "my sister", "the committee", "a small company", "the museum", "Dr. Okafor", "the night train"),
    "did": ("measured", "repaired", "forgot", "explained", "sold", "photographed", "compared", "lost",
            "translated", "carried home", "tested", "refused"),
    "what": ("the long bridge", "two letters", "a broken clock", "the harvest", "an early map",
             "the new rule", "a box of lenses", "the river's level", "three contracts", "the missing page",
             "a solar panel"),
    "when": ("before sunrise", "in the winter of 1987", "last Thursday", "after the storm",
             "every second year", "at 14:30", "during the meeting", "as soon as the rain stopped",
             "in March"),
    "why": ("because the price had fallen", "although nobody had asked", "so that the others could rest",
            "while the door stood open", "since the first answer was wrong", "which surprised everyone"),
    "thing": ("copper wire", "bread flour", "blue paint", "rope", "paper", "seed", "salt", "glass"),
    "topic": ("tides", "vaccines", "glaciers", "contracts", "bees", "batteries", "elections", "bridges"),
    "name": ("mean", "parse", "merge", "resize", "lookup", "retry", "encode", "rank"),
}  # fmt: skip
_FOREIGN = (
    "Der Zug nach {n} fährt heute später, weil auf der Strecke gebaut wird; bitte achten Sie auf die "
    "Durchsagen. Wer umsteigen muss, hat {m} Minuten Zeit.",
    "La bibliothèque ouvre à {n} heures. On peut emprunter {m} livres à la fois, mais les journaux restent "
    "sur place, et les enfants ont une salle à eux.",
    "El agua del pozo bajó {n} centímetros en {m} días; los vecinos decidieron regar sólo por la noche y "
    "guardar la lluvia que cae de los tejados.",
    "今天的气温是{n}度，风不大，适合在河边散步。请在{m}点以前回来，因为晚上可能下雨。",
    "आज बाज़ार में {n} दुकानें खुली हैं और {m} बजे तक भीड़ रहेगी। बच्चों को साथ रखिए और पानी लेकर चलिए।",
)

Draw = Callable[[str], str]
Count = Callable[[int, int], int]


def passages(count: int = PASSAGES, seed: int = 0) -> list[str]:
    """`count` passages; the kinds follow one another in turn."""
    random = np.random.default_rng(seed)

    def word(kind: str) -> str:
        return str(random.choice(_WORDS[kind]))

    def number(low: int, high: int) -> int:
        return int(random.integers(low, high + 1))

    return [_KINDS[i % len(_KINDS)](word, number) for i in range(count)]


def _sentence(word: Draw) -> str:
    text = f"{word('who')} {word('did')} {word('what')} {word('when')}, {word('why')}."
    return text[0].upper() + text[1:]


def _prose(word: Draw, number: Count) -> str:
    return " ".join(_sentence(word) for _ in range(number(4, 6)))


def _dialogue(word: Draw, number: Count) -> str:
    topic, count = word("topic"), number(2, 4)
    points = " ".join(f"{i}. {_sentence(word)}" for i in range(1, count + 1))
    return (
        f"User: Could you tell me something about {topic}? Please keep it to {count} points.\n"
        f"Assistant: Of course. {points}\nUser: Thank you. What did you leave out?\n"
        f"Assistant: How {topic} are paid for; that depends on where you live."
    )


def _sums(word: Draw, number: Count) -> str:
    lines = []
    for _ in range(5):
        a, b, thing = number(2, 99), number(2, 40), word("thing")
        lines.append(
            f"{a} kg of {thing} at ${b}.{number(10, 99)} make {a} × {b} = {a * b} dollars and some cents."
        )
    return "\n".join(
        [*lines, f"Therefore x² + {number(2, 9)}x − {number(2, 99)} = 0 has two real solutions."]
    )


def _code(word: Draw, number: Count) -> str:
    name, limit = word("name"), number(2, 64)
    return (
        f"def {name}(values: list[float], limit: int = {limit}) -> float:\n"
        f'    """The {name} of at most `limit` values."""\n'
        '    if not values:\n        raise ValueError("no values")\n'
        f"    total = 0.0\n    for index, value in enumerate(values[:limit]):\n"
        f"        total += value / (index + {number(1, 5)})\n    return total\n\n"
        f"assert {name}([{number(1, 9)}, {number(1, 9)}.5]) > 0  # see issue #{number(100, 999)}"
    )


def _data(word: Draw, number: Count) -> str:
    records = [{"id": number(1000, 9999), "item": word("thing"), "sold": bool(number(0, 1)),
                "price": number(100, 9999) / 100} for _ in range(4)]  # fmt: skip
    return json.dumps({"page": number(1, 20), "records": records}, indent=1)


def _table(word: Draw, number: Count) -> str:
    rows = [f"| {word('thing')} | {number(1, 500)} | {number(1, 99)} % |" for _ in range(5)]
    return "\n".join(
        [f"## Stock, week {number(1, 52)}", "", "| item | count | change |", "|---|---|---|", *rows]
    )


def _steps(word: Draw, number: Count) -> str:
    steps = [f"- [{'x' if number(0, 1) else ' '}] {_sentence(word)}" for _ in range(4)]
    return "\n".join([f"To do until {number(1, 28)} {word('topic')} day:", *steps])


def _foreign(word: Draw, number: Count) -> str:
    first = number(0, len(_FOREIGN) - 1)
    picked = (_FOREIGN[first], _FOREIGN[(first + 1) % len(_FOREIGN)])
    return " ".join(text.format(n=number(6, 30), m=number(2, 12)) for text in picked)


_KINDS = (_prose, _dialogue, _prose, _sums, _code, _foreign, _prose, _data, _table, _dialogue, _steps,
          _foreign, _code)  # fmt: skip
