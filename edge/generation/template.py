"""Chat templates from strangers, rendered inside a fence.

Job: turn a jinja2 chat template and a list of messages into text, within bounds of time and size.
Ignorance: tokens, media; the contents it is given are placeholders (prompt.py): no user text passes here.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from edge.errors import IntegrityError, UsageError

MAX_SOURCE = 1 << 18  # characters of template
MAX_OUTPUT = 1 << 20  # characters of rendered text, and of any string on the way
MAX_SECONDS = 2.0
MAX_RANGE = 10_000
MAX_NUMBER = 1 << 64  # larger ones grow without end, in loops of a few steps
_ITEM = 8  # characters that one value counts for at least
_WIDTH = 4  # digits of a width or precision in a format
_UNBOUNDED = frozenset(("format_map", "translate"))  # string methods whose result nobody can foresee
_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items",
    "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
    "reverse", "round", "safe", "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim",
    "unique", "upper",
)  # fmt: skip
_PROBE = "\x02a text\x03"
_CURE = "ask the maker of the model for a sound chat template, or quantize with your own chat_template.jinja"


class _TooMuch(Exception):
    """A bound was reached."""


class ChatTemplate:
    """One compiled template."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        """`bos` and `eos` are the written special tokens that templates may ask for.

        Raises:
            IntegrityError: too long, or no valid jinja2.
        """
        if len(source) > MAX_SOURCE:
            raise IntegrityError(
                f"the chat template has {len(source)} characters, more than {MAX_SOURCE}; {_CURE}"
            )
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            environment = _environment()
            self._template = environment.from_string(source)
            self.knows_tools = "tools" in _asked(environment.parse(source))
        except Exception as error:  # jinja2 compiles with whatever its parser and Python's raise
            raise IntegrityError(f"the chat template is not valid jinja2: {error}; {_CURE}") from error

    def render(
        self, messages: Sequence[dict[str, str]], *, opened: bool = True, tools: Sequence[Any] = ()
    ) -> str:
        """The conversation as text, and with `opened` the start of the assistant's turn.

        Raises:
            UsageError: the template refuses the conversation (its own `raise_exception`).
            IntegrityError: it fails, or asks for more time or text than the bounds.
        """
        contents = (_parts(m["content"]) if self._wants_parts else m["content"] for m in messages)
        said = [{**message, "content": content} for message, content in zip(messages, contents, strict=True)]
        values = {**self._special, "messages": said, "add_generation_prompt": opened}
        if tools:
            values["tools"] = list(tools)
        try:
            return self._written(values)
        except UsageError:
            raise
        except Exception as error:
            raise IntegrityError(f"the chat template failed: {error}; {_CURE}") from error

    @cached_property
    def _wants_parts(self) -> bool:
        """Whether contents must be lists of parts: such templates lose a plain text and keep a listed one."""
        return not self._keeps(_PROBE) and self._keeps(_parts(_PROBE))

    def _keeps(self, content: Any) -> bool:
        said = [{"role": "user", "content": content}]
        try:
            return _PROBE in self._written({**self._special, "messages": said, "add_generation_prompt": True})
        except _TooMuch:  # no form will help
            return True
        except Exception:
            return False

    def _written(self, values: dict[str, Any]) -> str:
        return _within(MAX_SECONDS, lambda: _bounded(self._template.generate(**values)))


def _parts(text: str) -> list[dict[str, str]]:
    """A content in the form of those who write pictures between texts; placeholders stand in the text."""
    return [{"type": "text", "text": text}]


def _asked(tree: Any) -> set[str]:
    """The names that a template expects from outside."""
    from jinja2.meta import find_undeclared_variables

    return find_undeclared_variables(tree)


def _bounded(pieces: Any) -> str:
    text, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_OUTPUT:
            raise _TooMuch(f"it writes more than {MAX_OUTPUT} characters")
        text.append(piece)
    return "".join(text)


def _within(seconds: float, work: Callable[[], str]) -> str:
    """Run `work`; a trace function stops it once the time is over, as loops in templates make no calls."""
    deadline = time.monotonic() + seconds
    before = sys.gettrace()
    if before is not None or threading.gettrace() is not None:
        return work()  # a debugger holds the trace: a person is watching

    def watch(frame: Any, *_: Any) -> Any:
        if time.monotonic() > deadline:
            raise _TooMuch(f"it takes longer than {seconds:g} seconds")
        return watch if frame.f_code.co_filename == "<template>" else None

    sys.settrace(watch)
    try:
        return work()
    finally:
        sys.settrace(before)


def _environment() -> Any:
    from jinja2.compiler import CodeGenerator
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generator(CodeGenerator):
        def visit_Concat(self, node: Any, frame: Any) -> None:  # `~` has no hook of its own
            self.write("environment.joined((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    class Fenced(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("+", "*", "**", "%"))
        code_generator_class = Generator

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            large = numbers and max(abs(left), abs(right)) >= MAX_NUMBER
            if operator == "+" and not large:
                _check_size(left, right)
            elif not numbers or large or (operator == "**" and abs(right) > 64):
                raise _TooMuch(f"`{operator}` may only be used on small numbers")
            return super().call_binop(context, operator, left, right)

        def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
            _check_growth(function, (*args, *kwargs.values()))
            return super().call(context, function, *args, **kwargs)

        def joined(self, parts: Sequence[Any]) -> str:
            _check_size(*parts)
            return "".join(map(str, parts))

    fenced = Fenced(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], finalize=_sized)
    known = {**fenced.filters, "tojson": _tojson, "join": _join, "replace": _replace}
    fenced.filters = {name: _guarded(known[name]) for name in _FILTERS if name in known}
    fenced.globals = {"range": _range, "namespace": fenced.globals["namespace"], "dict": dict,
                      "raise_exception": _refuse, "strftime_now": time.strftime}  # fmt: skip
    return fenced


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose arguments are measured first; jinja's marks on it stay."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _check_size(*args)
        return function(*args, **kwargs)

    return guarded


def _sized(value: Any) -> Any:
    _check_size(value)
    return value


def _check_size(*values: Any) -> None:
    """Refuse what would be too long once written: nests that share their parts grow with every level."""
    left, waiting = MAX_OUTPUT, list(values)
    while waiting:
        value = waiting.pop()
        left -= _ITEM
        if isinstance(value, str):
            left -= len(value)
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        if left < 0:
            raise _TooMuch("a value on the way is too large")


def _check_growth(function: Any, args: Sequence[Any]) -> None:
    """Refuse a string method whose result could pass the bound (replace, join, ljust, center, format …)."""
    function = getattr(function, "__wrapped__", function)  # the sandbox wraps format and format_map
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if not isinstance(owner, str):
        return
    _check_size(*args)
    if name in _UNBOUNDED or (name == "format" and re.search(rf"[0-9]{{{_WIDTH},}}|\{{[^}}]*\{{", owner)):
        raise _TooMuch(f"the method {name} could make a text of any length")
    sized = (a for a in args if isinstance(a, int | str | list | tuple))
    asked = sum(abs(a) if isinstance(a, int) else len(a) for a in sized)
    if (len(owner) + 1) * (asked + 1) > 16 * MAX_OUTPUT:
        raise _TooMuch("a text on the way would be too long")


def _range(*bounds: int) -> range:
    chosen = range(*bounds)
    if len(chosen) > MAX_RANGE:
        raise _TooMuch(f"it counts further than {MAX_RANGE}")
    return chosen


def _refuse(message: str) -> None:
    raise UsageError(f"the model's chat template refuses this conversation: {message}")


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=None if indent is None else min(indent, 8))


def _join(values: Any, separator: str = "", attribute: str | None = None) -> str:
    def pieces() -> Any:
        for value in values:
            yield str(value[attribute] if attribute else value)
            yield str(separator)

    text = _bounded(pieces())
    return text[: len(text) - len(str(separator))] if separator else text


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    _check_growth(str(text).replace, (old, new))
    return str(text).replace(old, new, count)
