"""Regular expressions as JSON Schema writes them (ECMA-262), read into an expression.

Job: literals, classes, groups, alternation, repetition, `.`, \\d \\w \\s, and ^ $ at the ends; what a pattern
may say beyond that (look-around, back references, \\b, \\p) is refused by name, never ignored.
Ignorance: bytes, JSON, tokens.
"""

from __future__ import annotations

from edge.errors import UsageError
from edge.generation.shapes.automaton import ANY, Cat, Chars, Expression, Many, Or, Range

_DIGIT: tuple[Range, ...] = ((0x30, 0x39),)
_WORD: tuple[Range, ...] = (*_DIGIT, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: tuple[Range, ...] = (
    (9, 13), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
_CLASSES = {"d": Chars(_DIGIT), "w": Chars(_WORD), "s": Chars(_SPACE)}
_CLASSES |= {name.upper(): chars.but() for name, chars in _CLASSES.items()}
_CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
_NO_LINE_END = Chars(((10, 10), (13, 13), (0x2028, 0x2029))).but()
_ANYTHING = Many(ANY, 0, None)
_REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_MOST = 1000  # of a counted repetition
_DEEPEST = 50  # groups in groups


def parse(pattern: str, *, whole: bool = False) -> Expression:
    """What a pattern matches; without ^ or $ (and not `whole`), any text may stand before or after it.

    Raises:
        UsageError: the pattern is malformed, or says what cannot be honoured.
    """
    reader = _Reader(pattern)
    found = reader.alternatives()
    if reader.at < len(pattern):
        raise reader.refusal("a ) too many")
    if whole:
        return Or(tuple(branch for _, branch, _ in found))
    return Or(tuple(
        Cat((*(() if opened else (_ANYTHING,)), branch, *(() if closed else (_ANYTHING,))))
        for opened, branch, closed in found
    ))  # fmt: skip


class _Reader:
    """A pattern and how far it was read."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.depth = pattern, 0, 0

    def refusal(self, what: str) -> UsageError:
        return UsageError(
            f"the pattern {self.pattern!r} has {what} at {self.at}, which cannot be honoured here; "
            "write it with literals, classes, groups, | and repetition"
        )

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def next(self) -> str:
        if not self.peek():
            raise self.refusal("an end too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self) -> list[tuple[bool, Expression, bool]]:
        """Branches, each with whether ^ opens and $ closes it."""
        found = [self._branch()]
        while self.take("|"):
            found.append(self._branch())
        return found

    def _branch(self) -> tuple[bool, Expression, bool]:
        opened = self.take("^")
        items: list[Expression] = []
        while self.peek() not in ("", "|", ")", "$"):
            items.append(self._repeated(self._atom()))
        closed = self.take("$")
        if closed and self.peek() not in ("", "|", ")"):
            raise self.refusal("a $ before the end")
        return opened, Cat(tuple(items)), closed

    def _group(self) -> Expression:
        if self.take("?") and not self.take(":"):
            raise self.refusal("look-around or a named group")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.refusal(f"groups more than {_DEEPEST} deep")
        found = self.alternatives()
        if any(opened or closed for opened, _, closed in found):
            raise self.refusal("^ or $ inside of a group")
        if not self.take(")"):
            raise self.refusal("a ( that nothing closes")
        self.depth -= 1
        return Or(tuple(branch for _, branch, _ in found))

    def _atom(self) -> Expression:
        char = self.next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return _NO_LINE_END
        if char == "\\":
            return self._escape()
        if char in "^*+?{":
            self.at -= 1
            raise self.refusal(f"a {char} with nothing before it" if char != "^" else "a ^ after the start")
        return Chars(((ord(char), ord(char)),))

    def _repeated(self, item: Expression) -> Expression:
        if self.peek() in _REPEATS:
            least, most = _REPEATS[self.next()]
        elif self.take("{"):
            least, most = self._counts()
        else:
            return item
        self.take("?")  # lazy or not, the same texts match
        if self.peek() and self.peek() in "*+{":
            raise self.refusal("a repetition of a repetition")
        return Many(item, least, most)

    def _counts(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at : end].partition(",") if end > 0 else ("", "", "")
        if not (low.isascii() and low.isdigit()) or (high and not (high.isascii() and high.isdigit())):
            raise self.refusal("a { that is no count")
        self.at = end + 1
        most = int(low) if not comma else int(high) if high else None
        if int(low) > _MOST or (most is not None and not int(low) <= most <= _MOST):
            raise self.refusal(f"a count out of order or above {_MOST}")
        return int(low), most

    def _escape(self) -> Chars:
        char = self.next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS and not (char == "0" and self.peek().isdigit()):
            return Chars(((_CONTROLS[char],) * 2,))
        if char in "xu":
            return Chars(((self._hex(2 if char == "x" else 4),) * 2,))
        if char.isalnum():
            raise self.refusal(f"\\{char}")
        return Chars(((ord(char),) * 2,))

    def _hex(self, digits: int) -> int:
        text = self.pattern[self.at : self.at + digits]
        self.at += digits
        try:
            code = int(text, 16) if len(text) == digits and text.isalnum() else -1
        except ValueError:
            code = -1
        if code < 0 or 0xD800 <= code < 0xE000:
            raise self.refusal("an escape that is no character")
        return code

    def _class(self) -> Chars:
        inverted = self.take("^")
        ranges: list[Range] = []
        while not self.take("]"):
            low = self._member()
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.next()
                high = self._member()
                single = all(len(end) == 1 and end[0][0] == end[0][1] for end in (low, high))
                if not single or low[0][0] > high[0][0]:
                    raise self.refusal("a range that is none")
                low = ((low[0][0], high[0][1]),)
            ranges += low
        chosen = Chars(tuple(ranges))
        return chosen.but() if inverted else chosen

    def _member(self) -> tuple[Range, ...]:
        char = self.next()
        if char != "\\":
            return ((ord(char), ord(char)),)
        if self.take("b"):
            return ((8, 8),)
        if self.take("-"):
            return ((0x2D, 0x2D),)
        return self._escape().ranges
