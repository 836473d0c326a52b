"""The same turns for programs with an event loop: `async for event in chat.asend(…)`, `await chat.aask(…)`.

Job: run one stream of events, or one question, in a thread of its own, so that the loop never waits. Who
leaves, or is cancelled, cancels the reply; what was made until then is kept, as `send` does.
Ignorance: how a reply is made, and in which process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Protocol

from edge.events import Event, Reply
from edge.messages import Part

_AGAIN = 0.05  # seconds until a question that did not hear its cancel is told again


class Turns(Protocol):
    """What `asend` and `aask` need of a chat."""

    _awaited: object

    @property
    def send(self) -> Callable[..., Iterator[Event]]:
        """Say something and stream the answer."""

    @property
    def ask(self) -> Callable[..., Reply]:
        """The same as `send`, gathered."""

    def cancel(self) -> None:
        """Stop the running reply; safe from any thread."""


class AsyncTurns:
    """What a chat inherits that can `send`, `ask` and `cancel`."""

    _awaited: object = None  # the turn that a cancel would reach: the loop may close a left generator late

    async def asend(self: Turns, *parts: str | Part, **wishes: Any) -> AsyncGenerator[Event]:
        """The same as `send`, with the same arguments, errors and events, for an event loop.

        To leave early, cancel the task, or close the generator (`contextlib.aclosing`).
        """
        import asyncio  # here: who has no loop need not wait for it
        from concurrent.futures import ThreadPoolExecutor

        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="edge.asend")
        stream, over = None, False
        mine = self._awaited = object()
        try:
            stream = await loop.run_in_executor(thread, lambda: self.send(*parts, **wishes))
            while (event := await loop.run_in_executor(thread, next, stream, None)) is not None:
                yield event
            over = True
        finally:
            if stream is not None and not over:
                if self._awaited is mine:
                    self.cancel()
                await asyncio.shield(loop.run_in_executor(thread, _left, stream))
            thread.shutdown(wait=False)

    async def aask(self: Turns, *parts: str | Part, **wishes: Any) -> Reply:
        """The same as `ask`, with the same arguments, errors and reply, for an event loop; tools run in a
        thread of their own. To stop it, `cancel` the chat: the reply ends; or the task: there is none.
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        thread = ThreadPoolExecutor(1, thread_name_prefix="edge.aask")
        self._awaited = object()
        asked = asyncio.get_running_loop().run_in_executor(thread, lambda: self.ask(*parts, **wishes))
        try:
            return await asyncio.shield(asked)
        finally:
            while not asked.done():
                self.cancel()
                await asyncio.wait([asked], timeout=_AGAIN)
            if not asked.cancelled():
                asked.exception()  # what it came to after a cancel interests nobody
            thread.shutdown(wait=False)


def _left(stream: Iterator[Event]) -> None:
    """The listener left: the generator keeps what was made."""
    close = getattr(stream, "close", None)
    if close is not None:
        close()
