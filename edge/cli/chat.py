"""`edge chat`: a conversation in the terminal.

Job: load the model, choose where lines come from, go on until somebody leaves; a failure is a line, not the
end. Ignorance: what lines mean (conversation), how they are typed (line_editor), how replies look (screen).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Protocol

import typer

from edge.cli import attachments, flags, measured, output
from edge.cli.completion import Offer, offers
from edge.cli.conversation import COMMANDS, Conversation, abilities
from edge.cli.plain_lines import PlainLines
from edge.cli.settings import Settings
from edge.errors import EdgeError

HISTORY = "chat_history"  # in $EDGE_HOME


class Lines(Protocol):
    """Where messages come from."""

    def read(self, draft: str = "") -> str | None:
        """One message, begun with `draft`; None at the end.

        Raises:
            KeyboardInterrupt: Ctrl-C on an empty line.
        """

    def busy(self) -> AbstractContextManager[None]:
        """While a message is answered."""


def command(
    model: flags.OptionalModel = None,
    model_flag: flags.ModelFlag = None,
    system: flags.System = None,
    image: flags.Images = None,
    audio: flags.Audios = None,
    video: flags.Videos = None,
    temp: flags.Temperature = None,
    top_k: flags.TopK = None,
    top_p: flags.TopP = None,
    min_p: flags.MinP = None,
    seed: flags.Seed = None,
    max_tokens: flags.MaxTokens = None,
    context: flags.Context = None,
    threads: flags.Threads = None,
    lora: flags.Loras = None,
    no_cache: flags.NoCache = False,
    mmproj: flags.Mmproj = None,
    speculate: flags.Speculate = 0,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Keep nothing of what is typed for the next time.")
    ] = False,
) -> None:
    """Talk with a model: text, pictures and sounds, in and out."""
    waiting = attachments.gather(image or [], audio or [], "", clips=video or [])
    settings = Settings(system, flags.sampling(temp, top_k, top_p, min_p, seed, max_tokens))
    import edge

    name = model_flag or model or "pico"
    measured.warn(name)
    options = flags.engine(context, threads, lora, no_cache, mmproj, speculate)
    with edge.load(name, engine=options, isolated=True) as loaded:
        if sys.stdin.isatty():
            output.note(f"{abilities(loaded)}. /help tells more.")
        converse(Conversation(loaded, settings, waiting=waiting), lines(keep=not no_history))


def lines(*, keep: bool) -> Lines:
    """An editor where a person sits at a terminal that can move its cursor; else stdin as it is."""
    if not (sys.stdin.isatty() and output.watched(sys.stdout)):
        return PlainLines()
    from edge import hardware
    from edge.cli import line_editor

    path: Path | None = hardware.home() / HISTORY if keep else None
    return line_editor.LineEditor(offered, line_editor.history(path))


def offered(before: str) -> Iterator[Offer]:
    """What Tab offers after a text."""
    files = {name: command.files for name, command in COMMANDS.items() if command.files is not None}
    return offers(before, {name: command.does for name, command in COMMANDS.items()}, files)


def converse(talk: Conversation, source: Lines) -> None:
    """Until /bye, the end of input, or a second Ctrl-C.

    Raises:
        KeyboardInterrupt: the second Ctrl-C.
    """
    pressed = False  # Ctrl-C, and nothing was said since
    while True:
        try:
            line = source.read(talk.draft)
        except KeyboardInterrupt:
            if pressed:
                raise
            pressed = True
            output.aside("(Ctrl-C again, Ctrl-D or /bye leaves)")
            continue
        try:
            with source.busy():
                if line is None or not talk.turn(line):
                    return
        except (EdgeError, OSError) as error:
            output.note(f"edge: {error}")
        pressed = talk.stopped
