"""Patterns against Python's own `re` where both mean the same; what cannot be honoured is refused."""

from __future__ import annotations

import random
import re

import pytest

from edge.errors import UsageError
from edge.generation.shapes.automaton import Automaton, both, compiled, integers
from edge.generation.shapes.pattern import parse


def matches(automaton: Automaton, text: str) -> bool:
    state = automaton.start
    for byte in text.encode():
        state = int(automaton.table[state, byte])
    return bool(automaton.accepts[state])


PATTERNS = [
    "a",
    "^a",
    "a$",
    "^a$",
    "ab|c",
    "^(?:ab|c)+$",
    "[a-c]",
    "[^a-c]",
    "^[^b]*$",
    "a{2}",
    "^a{1,3}$",
    "^a{2,}$",
    "^(a|b)*c?$",
    "a.c",
    "^$",
    "",
    "^[\\]\\-a]+$",
    "\\.",
    "^(a{2}b{0,2})+$",
    "é|€",
    "^[à-é]b$",
    "😀",
    "^[a\\n]$",
    "x*",
    "a+?b",
    "^[a-]$",
    "(a|)b",
    "[\\x61c]",
    "\\u0062",
    "^a|b$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_what_re_finds(pattern: str) -> None:
    rng, automaton = random.Random(pattern), compiled(parse(pattern))
    texts = ["".join(rng.choices("aaabbcxé€😀\n.-]à", k=rng.randrange(6))) for _ in range(400)]
    expected = re.compile(pattern.replace("$", "\\Z"))
    assert [t for t in texts if matches(automaton, t) != bool(expected.search(t))] == []


def test_classes_mean_what_json_schema_says() -> None:
    assert matches(compiled(parse("^\\d$")), "5")
    assert not matches(compiled(parse("^\\d$")), "٣")  # ECMA digits are ASCII
    assert matches(compiled(parse("^\\s\\S\\w\\W$")), "\u00a0a_é")
    assert not matches(compiled(parse(".", whole=True)), "\n")


def test_as_a_whole_needs_no_anchors() -> None:
    automaton = compiled(parse("yes|no", whole=True))
    assert [t for t in ("yes", "no", "yesno", "no ", "") if matches(automaton, t)] == ["yes", "no"]


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "a)",
        "[a",
        "a**",
        "*a",
        "a{3,2}",
        "a{9999}",
        "(?=a)",
        "(?<n>a)",
        "\\1",
        "\\b",
        "\\p{L}",
        "a^b",
        "a$b",
        "(^a)",
        "{2}",
        "[b-a]",
        "\\",
        "\\ud800",
        "\\xg1",
        "[\\d-z]",
        "a{x}",
        "(" * 60 + ")" * 60,
    ],
)
def test_what_a_pattern_cannot_say_here_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError):
        compiled(parse(pattern))


def test_a_pattern_that_would_explode_is_refused_soon() -> None:
    with pytest.raises(UsageError, match="simpler"):
        compiled(parse("^(a|b)*a(a|b){20}$"))
    with pytest.raises(UsageError, match="simpler"):
        compiled(parse("((a{1000}){1000}){1000}"))


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (0, 9), (7, 105), (-5, 5), (-123, -45), (99, 1001), (-1000, 0)]
)
def test_integers_are_exactly_the_range(low: int, high: int) -> None:
    automaton = compiled(integers(low, high))
    found = [i for i in range(low - 1200, high + 1200) if matches(automaton, str(i))]
    assert found == list(range(low, high + 1))


def test_the_difference_of_two_languages() -> None:
    rest = both(compiled(parse("[ab]*", whole=True)), compiled(parse("ab|ba", whole=True)), but=True)
    assert [t for t in ("", "a", "ab", "ba", "abb", "c") if matches(rest, t)] == ["", "a", "abb"]
