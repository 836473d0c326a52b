"""GBNF, the notation of grammars that llama.cpp reads: from a text to rules.

Job: names, literals, classes, `.`, groups, alternatives, repetition, comments; what is malformed is refused
with its line and column. Source: llama.cpp, grammars/README.md. Its tokens (`<think>`, `<[1000]>`) are
refused: text is held to characters here. Ignorance: bytes, whether the rules make sense together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import UsageError
from edge.generation.shapes.automaton import ANY, Chars, Range, Raw, raw

MAX_BYTES = 1 << 16  # of a grammar
MAX_REPEATS = 2000  # of a counted repetition, as in llama.cpp
MAX_GROUPS = 100  # groups in groups


@dataclass(frozen=True)
class Name:
    """A rule by its name."""

    text: str
    at: int  # where it stands in the source


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    items: tuple[Body, ...]


@dataclass(frozen=True)
class Choice:
    """Any of them."""

    items: tuple[Body, ...]


@dataclass(frozen=True)
class Repeat:
    """`least` to `most` times; most None = without end."""

    item: Body
    least: int
    most: int | None


Body = Chars | Raw | Name | Sequence | Choice | Repeat


@dataclass(frozen=True)
class Rule:
    """A name and what it stands for."""

    name: str
    body: Body
    at: int


_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_COUNTS = re.compile(r"\{[ \t]*([0-9]{1,9})[ \t]*(,?)[ \t]*([0-9]{0,9})[ \t]*\}")
_REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_ESCAPES = {"n": 10, "r": 13, "t": 9, "\\": 92, '"': 34, "[": 91, "]": 93, "-": 45}
_HEX = {char: re.compile(f"[0-9A-Fa-f]{{{size}}}") for char, size in (("x", 2), ("u", 4), ("U", 8))}
_CURES = {
    "'": 'write a literal in double quotes, as in "yes"',
    "<": "a token cannot be named; write its text as a literal",
    "!": "a token cannot be named; write its text as a literal",
    **dict.fromkeys("*+?{", "put what it repeats before it"),
}


def parse(source: str) -> dict[str, Rule]:
    """The rules of a grammar by their names, in their order.

    Raises:
        UsageError: it is malformed, too large or nested too deeply.
    """
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise refusal(source, error.start, "is no character; remove it") from error
    if size > MAX_BYTES:
        raise UsageError(f"the grammar has {size} bytes, more than {MAX_BYTES}; make it smaller")
    return _Reader(source).rules()


def refusal(source: str, at: int, what: str) -> UsageError:
    """The error of a place in a grammar."""
    before = source[:at].replace("\r\n", "\n").replace("\r", "\n")
    line, column = before.count("\n") + 1, at - max(source.rfind("\n", 0, at), source.rfind("\r", 0, at))
    return UsageError(f"the grammar, line {line}, column {column}: {what}")


def names(body: Body) -> Iterator[Name]:
    """Every mention of a rule."""
    if isinstance(body, Name):
        yield body
    elif isinstance(body, Repeat):
        yield from names(body.item)
    elif isinstance(body, Sequence | Choice):
        for item in body.items:
            yield from names(item)


class _Reader:
    """A grammar and how far it was read."""

    def __init__(self, source: str) -> None:
        self.source, self.at, self.depth = source, 0, 0

    def refusal(self, what: str, at: int | None = None) -> UsageError:
        return refusal(self.source, self.at if at is None else at, what)

    def peek(self, ahead: int = 0) -> str:
        return self.source[self.at + ahead : self.at + ahead + 1]

    def take(self, text: str) -> bool:
        if not self.source.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.source, self.at)
        self.at = found.end() if found else self.at
        return found

    def space(self, lines: bool) -> None:
        self.match(_LINES if lines else _SPACE)

    def rules(self) -> dict[str, Rule]:
        found: dict[str, Rule] = {}
        self.space(lines=True)
        while self.peek():
            rule = self._rule()
            if rule.name in found:
                raise self.refusal(
                    f"the rule {rule.name} comes a second time; keep one, or join them with |", rule.at
                )
            found[rule.name] = rule
            self.space(lines=True)
        return found

    def _rule(self) -> Rule:
        at, name = self.at, self.match(_NAME)
        if not name:
            cure = "end the line before with |" if self.peek() == "|" else "write name ::= …"
            raise self.refusal(f"expected the name of a rule, found {self.peek()!r}; {cure}")
        self.space(lines=False)
        if not self.take("::="):
            raise self.refusal(f"expected ::= after {name[0]}; put symbols that go on over lines in ( )")
        self.space(lines=True)
        body = self._choice(nested=False)
        if self.peek() not in ("", "\r", "\n"):
            raise self.refusal(f"the rule {name[0]} goes on with {self.peek()!r}; end it with a line end")
        return Rule(name[0], body, at)

    def _choice(self, nested: bool) -> Body:
        options = [self._sequence(nested)]
        while self.take("|"):
            self.space(lines=True)
            options.append(self._sequence(nested))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, nested: bool) -> Body:
        items: list[Body] = []
        while self.peek() not in ("", "|", ")", ":", "\r", "\n"):
            item = self._atom()
            self.space(nested)
            items.append(self._repeated(item, nested))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _repeated(self, item: Body, nested: bool) -> Body:
        for _ in range(MAX_GROUPS):
            if not self.peek() or self.peek() not in "*+?{":
                return item
            least, most = self._counts()
            item = Repeat(item, least, most) if most != 0 else Sequence(())
            self.space(nested)
        raise self.refusal(f"more than {MAX_GROUPS} repetitions of one thing; one is enough")

    def _atom(self) -> Body:
        if name := self.match(_NAME):
            return Name(name[0], name.start())
        if self.take("."):
            return ANY
        if self.peek() == '"':
            return self._literal()
        if self.peek() == "[":
            return self._class()
        if self.peek() == "(":
            return self._group()
        cure = _CURES.get(self.peek(), "write a literal in quotes, a [class], a (group), . or a rule's name")
        raise self.refusal(f"{self.peek()!r} cannot stand here; {cure}")

    def _group(self) -> Body:
        at = self.at
        self.at, self.depth = at + 1, self.depth + 1
        if self.depth > MAX_GROUPS:
            raise self.refusal(f"groups are more than {MAX_GROUPS} deep; give some of them rules", at)
        self.space(lines=True)
        found = self._choice(nested=True)
        if not self.take(")"):
            raise self.refusal("nothing closes this (; add a )", at)
        self.depth -= 1
        return found

    def _counts(self) -> tuple[int, int | None]:
        if self.peek() in _REPEATS:
            self.at += 1
            return _REPEATS[self.source[self.at - 1]]
        at, found = self.at, self.match(_COUNTS)
        if not found or (found[3] and not found[2]):
            raise self.refusal("this { is no count; write {2}, {2,} or {2,5}", at)
        low = int(found[1])
        high = int(found[3]) if found[3] else None if found[2] else low
        if low > MAX_REPEATS or (high is not None and not low <= high <= MAX_REPEATS):
            raise self.refusal(f"{found[0]} is out of order or above {MAX_REPEATS}; use smaller counts", at)
        return low, high

    def _literal(self) -> Raw:
        at, codes = self.at, []
        self.at += 1
        while not self.take('"'):
            codes.append(self._char(at))
        return raw("".join(map(chr, codes)))

    def _class(self) -> Chars:
        at, ranges = self.at, list[Range]()
        self.at += 1
        inverted = self.take("^")
        while not self.take("]"):
            place, low = self.at, self._char(at)
            high = low
            if self.peek() == "-" and self.peek(1) != "]":
                self.at += 1
                high = self._char(at)
            if low > high:
                raise self.refusal("this range runs backwards; swap its ends, or write - as \\-", place)
            ranges.append((low, high))
        chosen = Chars(tuple(ranges)).but() if inverted else Chars(tuple(ranges))
        if not ranges or not chosen.ranges:
            raise self.refusal("this class matches nothing; name characters, or write . for any", at)
        return chosen

    def _char(self, opened: int) -> int:
        """One character of a literal or class that begins at `opened`."""
        char = self.peek()
        if char in ("", "\r", "\n"):
            kind = "literal" if self.source[opened] == '"' else "class"
            raise self.refusal(f"this {kind} is open at the line's end; close it, or write \\n", opened)
        self.at += 1
        return self._escape() if char == "\\" else ord(char)

    def _escape(self) -> int:
        at, kind = self.at - 1, self.peek()
        self.at += 1
        if kind in _ESCAPES:
            return _ESCAPES[kind]
        if kind not in _HEX:
            raise self.refusal(
                f'\\{kind} is no escape; there are \\n \\r \\t \\\\ \\" \\[ \\] \\- '
                "\\xHH \\uHHHH \\UHHHHHHHH", at
            )  # fmt: skip
        digits = self.match(_HEX[kind])
        code = int(digits[0], 16) if digits else -1
        if not 0 <= code <= 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self.refusal(
                f"\\{kind} is followed by no character; write \\x and 2, \\u and 4 or \\U and 8 hexadecimal "
                "digits, no surrogate and nothing above 10FFFF", at
            )  # fmt: skip
        return code
