"""Pieces of JSON text: scalars as automata, objects and arrays as nodes.

Job: say how JSON is written, so that every text of a node is JSON. Ignorance: schemas, tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from edge.generation.shapes.automaton import (
    ANY,
    Automaton,
    Cat,
    Chars,
    Expression,
    Many,
    Or,
    both,
    compiled,
    integers,
    json_bytes,
    raw,
)
from edge.generation.shapes.pushdown import Alt, Node, Seq, Terminal

_LONGEST_KEY = 64  # characters of a key of a map
LARGEST = 10**15 - 1  # doubles hold every whole number up to here

_DIGIT = Chars(((0x30, 0x39),))
_FRACTION = Cat((raw("."), Many(_DIGIT, 1, 15)))
_HEX = Chars(((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)))
NUMBER = Cat((
    integers(-LARGEST, LARGEST),
    Many(_FRACTION, 0, 1),
    Many(Cat((Chars(((0x45, 0x45), (0x65, 0x65))), Many(Chars(((0x2B, 0x2B), (0x2D, 0x2D))), 0, 1),
              Many(_DIGIT, 1, 2))), 0, 1),
))  # fmt: skip
_CHARACTER = Or((
    Chars(((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C))).but(),
    Cat((raw("\\"), Chars(tuple((ord(c), ord(c)) for c in '"\\/bfnrt')))),
    Cat((raw("\\u"), Or((  # a surrogate is no character
        Cat((Chars(((0x30, 0x39), (0x41, 0x43), (0x45, 0x46), (0x61, 0x63), (0x65, 0x66))),
             Many(_HEX, 3, 3))),
        Cat((Chars(((0x44, 0x44), (0x64, 0x64))), Chars(((0x30, 0x37),)), Many(_HEX, 2, 2))),
    )))),
))  # fmt: skip


@cache
def _string() -> Automaton:
    return compiled(Cat((raw('"'), Many(_CHARACTER, 0, None), raw('"'))))


def string(least: int = 0, most: int | None = None) -> Terminal:
    """Any string of so many characters."""
    return Terminal(_string(), counted=True, least=least, most=most)


@lru_cache(maxsize=1024)
def terminal(expression: Expression) -> Terminal:
    """The node of an expression; the same for the same one, so that its masks are shared."""
    return Terminal(compiled(expression))


def constant(value: Any) -> Expression:
    """The JSON of one value, as the model is used to write it."""
    return raw(json.dumps(value, ensure_ascii=False, separators=(", ", ": "), allow_nan=False))


COMMA, COLON = Cat((raw(","), Many(raw(" "), 0, 1))), Cat((raw(":"), Many(raw(" "), 0, 1)))


def between(low: int, high: int) -> Expression:
    """Decimal numbers from low to high, both whole, without an exponent."""
    forms: list[Expression] = []
    if low < 0:
        forms.append(Cat((raw("-"), between(max(0, -high), -low))))
    if high >= 0:
        forms.append(Cat((integers(high, high), Many(raw(".0"), 0, 1))))
        if high > max(low, 0):
            forms.append(Cat((integers(max(low, 0), high - 1), Many(_FRACTION, 0, 1))))
    return Or(tuple(forms))


def member(key: Node, value: Node) -> Node:
    """A key and its value."""
    return Seq(key, terminal(COLON), value)


def mapping(value: Node) -> Node:
    """An object of any keys."""
    one = member(string(most=_LONGEST_KEY), value)
    return sequence("{", "}", lambda k: one, 0, None)


def fields(members: Sequence[tuple[Expression, Node, bool]], extra: Node | None) -> Node:
    """An object's members in order, commas between those that come."""
    close, comma = terminal(raw("}")), terminal(COMMA)
    first: Node = close  # what follows where no member came yet, and where one did
    later: Alt | Node = close
    if extra is not None:
        more = Alt(close)
        more.options.append(Seq(comma, extra, more))
        first, later = Alt(close, Seq(extra, more)), more
    for key, value, required in reversed(members):
        begun = Seq(terminal(Cat((key, COLON))), value, later)
        further = Seq(terminal(Cat((COMMA, key, COLON))), value, later)
        first = begun if required else Alt(begun, first)
        later = further if required else Alt(further, later)
    return Seq(terminal(raw("{")), first)


def sequence(
    opener: str, closer: str, item: Callable[[int], Node], least: int, most: int | None, distinct: int = 0
) -> Node:
    """Items with commas between, `least` to `most` of them; the first `distinct` differ from the rest."""
    close, comma = terminal(raw(closer)), terminal(COMMA)
    count = most if most is not None else max(least, distinct, 1)
    tail: Node = close
    if most is None:
        loop = Alt(close)
        loop.options.append(Seq(comma, item(count), loop))
        tail = loop
    for k in range(count - 1, -1, -1):
        one = Seq(item(k), tail) if k == 0 else Seq(comma, item(k), tail)
        tail = one if k < least else Alt(close, one)
    return Seq(terminal(raw(opener)), tail)


def quoted(limits: Sequence[Expression]) -> Automaton:
    """A JSON string whose characters satisfy all limits, each written in one way."""
    found = [compiled(Cat((raw('"'), limit, raw('"'))), json_bytes) for limit in limits]
    made = found[0]
    for other in found[1:]:
        made = both(made, other)
    return made


def keys(names: Iterable[str]) -> Node:
    """Any key but these."""
    known = tuple(raw(_inner(name)) for name in names)
    every = quoted([Many(ANY, 0, None)])
    return Terminal(both(every, compiled(Cat((raw('"'), Or(known), raw('"')))), but=True))


def _inner(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)[1:-1]
