"""The prompt of a terminal: editing, several lines, history, completion, pasting.

Job: one message at a time from the keys of a person. Ignorance: what a message means, models, replies.
Enter sends; Alt-Enter, or a text that three double quotes began, goes on in a new line. Ctrl-C clears what
was typed; on an empty line it is a KeyboardInterrupt.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output

from edge import atomic
from edge.cli import output
from edge.cli.attachments import dropped
from edge.cli.completion import Offer
from edge.cli.plain_lines import MORE, PROMPT, fence_is_open, unfenced
from edge.errors import EdgeError

KEPT_BYTES = 1_000_000  # of the history file; past it, the older half goes
Offering = Callable[[str], Iterable[Offer]]  # from the text before the cursor


class LineEditor:
    """Reads the terminal. `terminal` is where the keys come from and the screen goes to, where not stdin."""

    def __init__(
        self, offering: Offering, history: History, terminal: tuple[Input, Output] | None = None
    ) -> None:
        source, screen = terminal or (None, None)
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,  # Enter is bound below
            prompt_continuation=MORE,
            history=history,
            completer=_Completer(offering),
            complete_while_typing=Condition(lambda: self._session.default_buffer.text.startswith("/")),
            key_bindings=_keys(),
            enable_open_in_editor=True,  # Ctrl-X Ctrl-E
            enable_suspend=True,
            reserve_space_for_menu=6,
            input=source,
            output=screen,
        )

    def read(self, draft: str = "") -> str | None:
        """One message; None where Ctrl-D ended the input.

        Raises:
            KeyboardInterrupt: Ctrl-C on an empty line.
        """
        try:
            return unfenced(self._session.prompt(default=draft).strip())
        except EOFError:
            return None

    def busy(self) -> contextlib.AbstractContextManager[None]:
        """Keys that are pressed while a message is answered wait for the next prompt."""
        return unseen_typing()


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if fence_is_open(buffer.text):
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("c-c")
    @keys.add("<sigint>")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    @keys.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(dropped(text))

    return keys


class _Completer(Completer):
    def __init__(self, offering: Offering) -> None:
        self._offering = offering

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The offers as the menu shows them."""
        for offer in self._offering(document.text_before_cursor):
            shown = (
                offer.text.rstrip() if offer.note or "/" not in offer.text else os.path.basename(offer.text)
            )
            yield Completion(offer.text, -offer.length, display=shown or None, display_meta=offer.note)


class _Kept(FileHistory):
    """A full disk must not end the conversation."""

    def store_string(self, string: str) -> None:
        """Append one message."""
        with contextlib.suppress(OSError):
            super().store_string(string)


def history(path: Path | None) -> History:
    """What was typed before, in a file that only its owner reads; None: in memory alone."""
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "rb") as file:
            os.fchmod(descriptor, 0o600)
            kept = file.read()
        if len(kept) > KEPT_BYTES:
            _shorten(path, kept)
    except (OSError, EdgeError) as error:
        output.note(f"(what you type is not kept for the next time: {error})")
        return InMemoryHistory()
    return _Kept(path)


def _shorten(path: Path, kept: bytes) -> None:
    """Keep the newer half, from the start of a message on."""
    half = kept[-KEPT_BYTES // 2 :]
    atomic.write_bytes(path, half[half.find(b"\n# ") :])


@contextlib.contextmanager
def unseen_typing() -> Iterator[None]:
    """Keys that are pressed while a reply is shown do not appear in it; the next prompt reads them."""
    import termios

    try:
        before = termios.tcgetattr(sys.stdin)
    except (termios.error, ValueError, OSError):  # no terminal
        yield
        return
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
