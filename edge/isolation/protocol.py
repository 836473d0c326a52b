"""What the two processes say to each other.

Job: one small tuple per kind of frame. Every frame belongs to a call, which has a number.
Ignorance: how a frame travels, who says it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edge.events import Event, ToolCall
from edge.formats.manifest import Manifest
from edge.messages import Message, Part
from edge.options import EngineOptions, SamplingOptions


class Turn(NamedTuple):
    """One message of a history."""

    message: Message | None  # None: the one that this call said, as its caller has it
    ids: tuple[int, ...] | None = None  # the very ids that a reply was made of


History = tuple[tuple[int, Turn | None], ...]  # numbers; a turn with those that the other end has not seen


# --- to the worker --------------------------------------------------------------------------------


class Load(NamedTuple):
    """Open the model: the first call."""

    call: int
    name: str
    options: EngineOptions
    guarded: bool  # shut the network off, as it is in the parent


class Tools(NamedTuple):
    """What a model must know of functions that run elsewhere."""

    limit: int
    instructions: str
    listed: list[dict[str, Any]]
    schemas: dict[bool, dict[str, Any]]  # with calls, and without


class Talk(NamedTuple):
    """The conversation that a call is about, as its owner has it."""

    number: int
    fresh: bool  # forget what was told of it before
    system: str | None
    sampling: SamplingOptions
    history: History
    forgotten: tuple[int, ...]  # conversations that are gone


class Do(NamedTuple):
    """Call a method of the model, or of one conversation."""

    call: int
    method: str
    talk: Talk | None
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    said: tuple[Part, ...] = ()  # which of the arguments are the message
    tools: Tools | None = None
    guarded: bool = False


class Cancel(NamedTuple):
    """Stop what a conversation does for a call."""

    call: int


class Ran(NamedTuple):
    """What a tool came to; its result as JSON has it."""

    call: int
    tool: ToolCall


# --- from the worker ------------------------------------------------------------------------------


class Loaded(NamedTuple):
    """What there is now."""

    manifest: Manifest
    reads: frozenset[str]
    makes: frozenset[str]
    exact: SamplingOptions  # how tasks that want the likeliest answer decode


class Accepted(NamedTuple):
    """The call was checked; its events follow."""

    call: int


class Said(NamedTuple):
    """One event; the last one with the history that it leaves."""

    call: int
    event: Event
    history: History | None = None


class Wanted(NamedTuple):
    """Run a tool and answer with `Ran`."""

    call: int
    tool: ToolCall


class Warned(NamedTuple):
    """A warning for the caller."""

    call: int
    text: str
    category: str  # of builtins


class Done(NamedTuple):
    """The call is over."""

    call: int
    value: Any
    history: History | None = None


class Failed(NamedTuple):
    """The call is over, and came to nothing."""

    call: int
    error: BaseException
    history: History | None = None
