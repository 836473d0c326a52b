"""Messages from a pipe, or from a terminal that can do no more than print.

Job: one message at a time; three double quotes start and end one of several lines.
Ignorance: keys, history, what a message means.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

PROMPT, MORE = ">>> ", "... "
FENCE = '"""'


class PlainLines:
    """Reads stdin. The prompt goes to stderr, and only where somebody types."""

    def read(self, draft: str = "") -> str | None:
        """One message; None at the end of input. A draft cannot be edited here: it is shown."""
        if draft:
            print(draft, file=sys.stderr)
        line = self._line(PROMPT)
        if line is None or not line.startswith(FENCE):
            return line and line.strip()
        text: str = line.removeprefix(FENCE)
        while FENCE not in text:
            following = self._line(MORE)
            if following is None:
                return text.strip() or None
            text += "\n" + following
        return text.partition(FENCE)[0].strip()

    def busy(self) -> AbstractContextManager[None]:
        """Nothing is to be done while a message is answered."""
        return nullcontext()

    def _line(self, prompt: str) -> str | None:
        if sys.stdin.isatty():
            print(prompt, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None


def unfenced(text: str) -> str:
    """A message without the quotes around it."""
    if text.startswith(FENCE):
        return text.removeprefix(FENCE).removesuffix(FENCE).strip()
    return text


def fence_is_open(text: str) -> bool:
    """Whether a message of several lines was begun and not ended."""
    return text.startswith(FENCE) and FENCE not in text[len(FENCE) :]
