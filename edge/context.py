"""What of a conversation the model reads: messages as segments, and as many of them as fit.

Job: media through their frontends, once each; replies as the very ids that were generated; the prompt,
without the oldest turns where they do not all fit.
Ignorance: how an answer is made and told; files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from edge.abilities import kind_of
from edge.errors import DoesNotFitError
from edge.events import TurnsDropped
from edge.generation.constraints import Kind
from edge.generation.prompt import Piece, Turn
from edge.messages import Audio, Image, Message, Part, Text, Video
from edge.segments import Segment, TokenSegment
from edge.tools import Toolbox
from edge.window import Window
from edge.wiring import Wiring

_ANSWER = 8  # turns are left out before a text has less than this part of the context


class Context:
    """One conversation as its model reads it."""

    def __init__(self, wiring: Wiring) -> None:
        self.said: dict[Message, TokenSegment] = {}  # replies, as the very ids that were generated
        self._wiring = wiring
        self._media: dict[Image | Audio | Video, tuple[Segment, ...]] = {}  # as they were read
        self._window = Window()

    def prompt(
        self, system: str | None, messages: Sequence[Message], toolbox: Toolbox | None = None
    ) -> tuple[Segment, ...]:
        """System message and messages, ready for the assistant's answer; media are encoded."""
        template = self._wiring.layout.template
        listed = toolbox.listed() if toolbox is not None and template.knows_tools else []
        told = toolbox.instructions() if toolbox is not None and not template.knows_tools else ""
        first = "\n\n".join(text for text in (system, told) if text)
        said = ([Message("system", (Text(first),))] if first else []) + list(messages)
        return self._wiring.layout.build([self._turn(message) for message in said], listed)

    def fitted(
        self,
        system: str | None,
        history: Sequence[Message],
        message: Message,
        make: Kind | None,
        toolbox: Toolbox | None = None,
    ) -> tuple[tuple[Segment, ...], TurnsDropped | None]:
        """The prompt up to an answer to this message, and what was newly left out of it.

        Raises:
            DoesNotFitError: not even the message alone fits.
        """
        prompt = cache(lambda begin: self.prompt(system, (*history[begin:], message), toolbox))
        block = None if make is None or make == "text" else self._wiring.vocabulary.block(make)
        least = 1 if block is None else block.shortest
        room = self._wiring.decoder.engine.context_length
        wanted = room // _ANSWER if block is None else block.shortest
        start, dropped = self._window.fit(
            history, lambda begin: _length(prompt(begin)) + wanted, room, running=message.role == "tool"
        )
        length = _length(prompt(start))
        if length + least > room:
            raise DoesNotFitError(
                f"the message is {length} tokens long with its system message, and the answer needs at least "
                f"{least}, but the context holds {room}; send less, or load a longer context"
            )
        return prompt(start), dropped

    def _turn(self, message: Message) -> Turn:
        said = self.said.get(message)
        if said is not None:
            return Turn(message.role, (said,))
        return Turn(message.role, tuple(piece for part in message.parts for piece in self._pieces(part)))

    def _pieces(self, part: Part) -> tuple[Piece, ...]:
        if isinstance(part, Text):
            return (part.text,)
        if part not in self._media:
            read = self._wiring.frontends[kind_of(part)].encode(part)
            self._media[part] = read if isinstance(read, tuple) else (read,)
        return self._media[part]


def _length(prompt: Sequence[Segment]) -> int:
    return sum(len(segment) for segment in prompt)
