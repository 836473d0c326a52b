"""The languages that replies of one model were held to, each compiled once.

Job: from a schema, a pattern or a grammar to a matcher over this model's text ids; the last few stay
compiled.
Ignorance: Python types, chat, engines.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any

from edge.errors import UsageError
from edge.generation.shapes import grammar, json_schema, pattern
from edge.generation.shapes.automaton import compiled
from edge.generation.shapes.masks import Language, Matcher, Pieces
from edge.generation.shapes.pushdown import Machine, Terminal
from edge.vocabulary import Vocabulary

_KEPT = 16  # languages


class Languages:
    """Compiles on demand; one per model."""

    def __init__(self, piece: Callable[[int], bytes], vocabulary: Vocabulary) -> None:
        """`piece`: the bytes of one text id (`Tokenizer.piece`)."""
        self._piece, self._vocabulary = piece, vocabulary
        self._kept: OrderedDict[tuple[str, str], Language] = OrderedDict()

    def schema(self, schema: Any) -> Matcher:
        """JSON by a schema.

        Raises:
            UsageError: the schema cannot be honoured.
        """
        return self._matcher(("schema", json_schema.written(schema)), lambda: json_schema.machine(schema))

    def pattern(self, text: str) -> Matcher:
        """Text that matches a pattern as a whole.

        Raises:
            UsageError: the pattern cannot be honoured.
        """
        made = ("pattern", text)
        return self._matcher(made, lambda: Machine(Terminal(compiled(pattern.parse(text, whole=True)))))

    def grammar(self, text: str) -> Matcher:
        """Text that a grammar in GBNF derives from its rule `root`.

        Raises:
            UsageError: the grammar cannot be honoured.
        """
        if not isinstance(text, str):
            raise UsageError(f"the grammar is {type(text).__name__}, expected its text in GBNF")
        return self._matcher(("grammar", text), lambda: grammar.machine(text))

    def _matcher(self, key: tuple[str, str], make: Callable[[], Machine]) -> Matcher:
        if key not in self._kept:
            self._kept[key] = Language(make(), self._pieces)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return Matcher(self._kept[key])

    @cached_property
    def _pieces(self) -> Pieces:
        ends = set(self._vocabulary.end)
        return Pieces(self._piece, (i for i in range(self._vocabulary.text_size) if i not in ends))
