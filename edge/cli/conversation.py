"""A conversation in the terminal: what was said, what waits to be said, and the commands that change it.

Job: one message or command at a time; show its reply, keep what it made. Ignorance: where lines come from,
how a reply is made or drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge import atomic
from edge.cli import attachments, output
from edge.cli.screen import Screen, Shown, interruptible
from edge.cli.settings import Settings, changed, full_name
from edge.cli.wording import Kind, worded
from edge.errors import MediaError, ModalityError, NotFoundError, UsageError
from edge.media import endings
from edge.messages import Audio, Image, Message, Part, Text, Video

if TYPE_CHECKING:
    from edge.chat import Chat
    from edge.model import Model

PREVIEWS = 3  # of a picture while it is drawn; each is one run of its decoder
MAKING = {"image": "/draw ", "audio": "/say ", "video": "/animate "}
ENDINGS = {
    "cancelled": "stopped; Ctrl-C again leaves",
    "stop": "a stop string was met",
    "length": "cut: max_tokens or the end of the context",
}
OPENING = """\
Write a line and press Enter; Alt-Enter goes on in a new line, and {fence} starts and ends a longer text.
A path to a medium attaches it; so does a file that is dropped on the terminal. Tab completes."""


@dataclass(frozen=True)
class Turn:
    """One message and its answer, as /regen, /edit and /save need them."""

    parts: list[Part]
    make: Kind | None
    before: int  # messages in the history before it
    told: list[str]  # Markdown


class Conversation:
    """One conversation. `turn` is its only door."""

    def __init__(self, model: Model, settings: Settings, *, waiting: list[Part]) -> None:
        self.model = model
        self.settings = settings
        self.waiting = waiting  # attached, not yet sent
        self.chat: Chat = model.chat(system=settings.system)
        self.turns: list[Turn] = []
        self.draft = ""  # what the next line begins with
        self.stopped = False  # the last reply was cut by Ctrl-C

    def turn(self, line: str) -> bool:
        """One message or command; False ends the conversation.

        Raises:
            EdgeError: it failed; the conversation is as it was before.
        """
        self.draft, self.stopped = "", False
        if not line.startswith("/") or attachments.begins_with_path(line):
            self.say(attachments.split(line), None)
            return True
        name, _, rest = line[1:].partition(" ")
        if name in ("bye", "exit", "quit"):
            return False
        command = COMMANDS.get(name)
        if command is None:
            raise UsageError(f"there is no /{name}; /help lists what there is")
        command.run(self, rest.strip())
        return True

    def say(self, parts: list[Part], make: Kind | None) -> None:
        """Send a message and show the reply."""
        waiting, self.waiting = self.waiting, []
        try:
            if waiting or parts:
                self._send([*waiting, *parts], make)
        except (MediaError, ModalityError, NotFoundError):  # it would fail again with every line
            if waiting:
                output.aside("(what was attached is dropped: attach it again)")
            raise
        except BaseException:
            self.waiting = waiting
            raise

    def _send(self, parts: list[Part], make: Kind | None) -> None:
        message, script = worded(self.model.manifest.prompts, parts, make)
        before = len(self.chat.history)
        previews = PREVIEWS if self.settings.preview and sys.stdout.isatty() else 0
        with interruptible(self.chat.cancel):
            shown = self._screen().show(
                self.chat.send(
                    *message, make=make, sampling=self.settings.sampling, script=script, previews=previews
                )
            )
        said = ["> " + written(part) for part in parts]
        self.turns.append(Turn(parts, make, before, [*said, "", told(shown), ""]))
        self.stopped = shown.finished.reason == "cancelled"
        if shown.finished.reason != "end":
            output.aside(f"({ENDINGS[shown.finished.reason]})")
        if not self.stopped and sys.stdout.isatty():
            self._sound(shown)

    def _sound(self, shown: Shown) -> None:
        """Play what was made, or say what was written, where the settings ask for it."""
        from edge.cli import sound_device, spoken

        if shown.sound is not None:
            if self.settings.play and sound_device.there("output"):
                spoken.play(shown.sound)
        elif self.settings.speak:
            spoken.speak(self.model, shown.text)

    def _screen(self) -> Screen:
        watched = output.watched(sys.stdout)
        return Screen(
            sys.stdout,
            folder=Path.cwd(),
            pictures=sys.stdout.isatty(),
            markdown=watched and self.settings.markdown,
        )

    # --- commands ---------------------------------------------------------------------------------

    def image(self, rest: str) -> None:
        self._attach(rest, attachments.image)

    def audio(self, rest: str) -> None:
        self._attach(rest, attachments.sound)

    def video(self, rest: str) -> None:
        self._attach(rest, attachments.video)

    def _attach(self, rest: str, read: Callable[[Path], Part]) -> None:
        path, text = attachments.first_path(rest)
        self.waiting.append(read(path))
        if text:
            self.say(attachments.split(text), None)
        else:
            output.aside(f"(attached {path}; it goes with your next line)")

    def mic(self, rest: str) -> None:
        from edge.cli import sound_device, spoken

        if "audio" not in self.model.reads:
            raise ModalityError(f"{self.model.name} does not read sound; choose a model that does")
        sound_device.check("input")
        output.aside("(listening: speak, then pause; Ctrl-C gives up)")
        heard = spoken.listen()
        if heard is None:
            output.aside("(nothing was heard, nothing was sent)")
        else:
            output.aside(f"(heard {len(heard.samples) / heard.sample_rate:.1f} s)")
            self.say([Audio(heard.samples, heard.sample_rate), *attachments.split(rest)], None)

    def draw(self, rest: str) -> None:
        self._make(rest, "image")

    def speak(self, rest: str) -> None:
        self._make(rest, "audio")

    def animate(self, rest: str) -> None:
        self._make(rest, "video")

    def _make(self, rest: str, make: Kind) -> None:
        if not rest:
            raise UsageError("say what: /draw a red circle, /say seven green birds, /animate a falling ball")
        self.say(attachments.split(rest), make)

    def set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        settings = changed(self.settings, name, value.strip())
        name = full_name(name)
        if name in ("play", "speak") and getattr(settings, name) and value:
            from edge.cli import sound_device

            sound_device.check("output")
            if name == "speak" and "audio" not in self.model.makes:
                raise ModalityError(f"{self.model.name} does not speak; choose a model that makes sound")
        self.settings = settings
        if name == "system":
            self.clear("")

    def show(self, rest: str) -> None:
        print(f"{abilities(self.model)}\n{self.settings.told()}\nmessages: {len(self.chat.history)}")
        if self.waiting:
            print("attached to the next line: " + ", ".join(map(written, self.waiting)))

    def regen(self, rest: str) -> None:
        with self._taken_back("there is no answer to make again") as last:
            self._send(last.parts, last.make)

    def edit(self, rest: str) -> None:
        with self._taken_back("there is no message to change") as last:
            self.waiting = [part for part in last.parts if not isinstance(part, Text)]
            if rest:
                return self.say(attachments.split(rest), last.make)
            text = "\n".join(part.text for part in last.parts if isinstance(part, Text))
            self.draft = MAKING.get(last.make or "text", "") + text
            with_it = "".join(f", with {written(part)}" for part in self.waiting)
            output.aside(f"(taken back{with_it}; change it and press Enter)")

    @contextmanager
    def _taken_back(self, otherwise: str) -> Iterator[Turn]:
        """The last turn, as if it had not been; it is there again where what follows fails."""
        if not self.turns:
            raise UsageError(f"nothing was said yet: {otherwise}")
        history, waiting, last = list(self.chat.history), self.waiting, self.turns.pop()
        self.chat.history = self.chat.history[: last.before]
        try:
            yield last
        except BaseException:
            self.chat.history, self.waiting = history, waiting
            self.turns.append(last)
            raise

    def clear(self, rest: str) -> None:
        self.chat = self.model.chat(system=self.settings.system)
        self.waiting, self.turns = [], []
        output.aside("(a new conversation)")

    def save(self, rest: str) -> None:
        if not rest:
            raise UsageError("name a file: /save talk.json to go on later, /save talk.md to read it")
        path, _ = attachments.first_path(rest)
        if path.suffix.lower() == ".json":
            from edge import saved_chat

            saved_chat.save(path, self.chat.history, self.settings.system)
        elif path.suffix.lower() == ".md":
            lines = [line for turn in self.turns for line in turn.told]
            atomic.write_bytes(path, "\n".join(lines).encode())
        else:
            raise UsageError(f"end {path} in .json (for /load) or .md (to read)")
        output.aside(f"(saved to {path})")

    def load(self, rest: str) -> None:
        if not rest:
            raise UsageError("name a file that /save wrote: /load talk.json")
        from edge import saved_chat

        path, _ = attachments.first_path(rest)
        messages, system = saved_chat.load(path)
        kinds = {type(part).__name__.lower() for message in messages for part in message.parts}
        if unread := kinds - self.model.reads:
            raise ModalityError(
                f"{path} holds {', '.join(sorted(unread))}, which {self.model.name} does not read"
            )
        self.settings = replace(self.settings, system=system)
        self.chat = self.model.chat(system=system)
        self.chat.history = messages
        self.waiting, self.turns = [], turns_of(messages)
        output.aside(f"(loaded {path}: {len(messages)} messages)")

    def help(self, rest: str) -> None:
        print(OPENING.format(fence='"""'))
        for name, command in COMMANDS.items():
            print(f"  {'/' + name + ' ' + command.takes:<21} {command.does}")


@dataclass(frozen=True)
class Command:
    """What stands after its name, what it does, and the endings of the file that it takes (() = any)."""

    run: Callable[[Conversation, str], None]
    takes: str
    does: str
    files: tuple[str, ...] | None = None


def _leave(conversation: Conversation, rest: str) -> None:
    """`turn` knows it."""


COMMANDS: dict[str, Command] = {
    "image": Command(Conversation.image, "PATH [TEXT]", "attach a picture", endings.IMAGES),
    "audio": Command(Conversation.audio, "PATH [TEXT]", "attach a sound", endings.SOUNDS),
    "video": Command(Conversation.video, "PATH [TEXT]", "attach a clip", endings.CLIPS + endings.IMAGES),
    "mic": Command(Conversation.mic, "[TEXT]", "speak into the microphone until you pause"),
    "draw": Command(Conversation.draw, "TEXT", "answer with a picture"),
    "say": Command(Conversation.speak, "TEXT", "say it aloud, into a file"),
    "animate": Command(Conversation.animate, "TEXT", "answer with a clip"),
    "regen": Command(Conversation.regen, "", "answer the last message again"),
    "edit": Command(Conversation.edit, "[TEXT]", "change the last message and send it again"),
    "set": Command(Conversation.set, "NAME VALUE", "change a setting; without a value: back to its default"),
    "show": Command(Conversation.show, "", "the model and the settings"),
    "clear": Command(Conversation.clear, "", "start over"),
    "save": Command(
        Conversation.save, "FILE", "the conversation: .json to /load, .md to read", (".json", ".md")
    ),
    "load": Command(Conversation.load, "FILE", "go on with a conversation", (".json",)),
    "help": Command(Conversation.help, "", "this"),
    "bye": Command(_leave, "", "leave (Ctrl-D too); Ctrl-C stops a reply, a second one leaves"),
}


def turns_of(messages: list[Message]) -> list[Turn]:
    """What /regen, /edit and /save know of a conversation that was read from a file."""
    turns: list[Turn] = []
    for at, message in enumerate(messages):
        if message.role == "user":
            reply = [part for later in messages[at + 1 : at + 2] for part in later.parts]
            told = [*("> " + written(part) for part in message.parts), "", *map(written, reply), ""]
            turns.append(Turn(list(message.parts), made(reply), at, told))
    return turns


def made(reply: list[Part]) -> Kind | None:
    """The modality that an answer began with, where it was a medium."""
    kinds: dict[type, Kind] = {Image: "image", Audio: "audio", Video: "video"}
    return kinds.get(type(reply[0])) if reply else None


def abilities(model: Model) -> str:
    """pico: reads text, image; makes text, image."""
    return f"{model.name}: reads {listed(model.reads)}; makes {listed(model.makes)}"


def listed(kinds: frozenset[str]) -> str:
    """text, image, audio."""
    return ", ".join(kind for kind in ("text", "image", "audio", "video") if kind in kinds)


def written(part: Part) -> str:
    """A part in the transcript."""
    if isinstance(part, Text):
        return part.text
    source = part.source if isinstance(part.source, str | Path) else "not in a file"
    return f"[{type(part).__name__.lower()}: {source}]"


def told(shown: Shown) -> str:
    """A reply in the transcript."""
    return "\n".join([*filter(None, [shown.text.strip()]), *(f"![{p.name}]({p})" for p in shown.files)])
