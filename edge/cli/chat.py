"""`edge chat`: a conversation in the terminal.

Job: read lines, run slash commands, show replies. Plain `input`: any terminal, and a pipe too.
Ignorance: how a reply is made, how a picture is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli import attachments, flags, measured, output
from edge.cli.screen import Screen, Shown, interruptible
from edge.cli.wording import Kind, worded
from edge.errors import EdgeError, UsageError
from edge.messages import Part, Text
from edge.options import SamplingOptions

if TYPE_CHECKING:
    from edge.chat import Chat
    from edge.model import Model

PROMPT, MORE = ">>> ", "... "
FENCE = '"""'
HELP = """\
Write a line and press Enter; {fence} starts and ends a longer text. A path to a medium attaches it.
/image PATH [TEXT]    attach a picture          /draw TEXT     answer with a picture
/audio PATH [TEXT]    attach a sound            /say TEXT      say it aloud, into a file
/video PATH [TEXT]    attach a clip             /animate TEXT  answer with a clip
/set NAME VALUE       system, {names}
/show                 the model and the settings
/regen                answer the last message again
/clear                start over
/save FILE            the conversation as Markdown
/bye                  leave (Ctrl-D too); Ctrl-C stops a reply"""
ENDINGS = {
    "cancelled": "stopped",
    "stop": "a stop string was met",
    "length": "cut: max_tokens or the end of the context",
}
SETTINGS = {
    f.name: float if "float" in str(f.type) else int
    for f in fields(SamplingOptions)
    if f.name not in ("stop", "logit_bias", "logprobs")
}


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
) -> None:
    """Talk with a model: text, pictures and sounds, in and out."""
    waiting = attachments.gather(image or [], audio or [], "", clips=video or [])
    sampling = flags.sampling(temp, top_k, top_p, min_p, seed, max_tokens)
    import edge

    name = model_flag or model or "pico"
    measured.warn(name)
    with edge.load(name, engine=flags.engine(context, threads, lora, no_cache), isolated=True) as loaded:
        talk = Talk(loaded, system=system, sampling=sampling, waiting=waiting)
        if sys.stdin.isatty():
            import readline  # line editing and history for input()

            readline.parse_and_bind("set enable-bracketed-paste on")  # pasted lines are one message
            output.note(
                f"{loaded.name}: reads {said(loaded.reads)}; makes {said(loaded.makes)}. /help tells more."
            )
        talk.run()


@dataclass(frozen=True)
class Said:
    """What /regen sends again."""

    parts: list[Part]
    make: Kind | None
    before: int  # messages in the history before it


class Talk:
    """One conversation: what was said, what waits to be said, the settings."""

    def __init__(
        self, model: Model, *, system: str | None, sampling: SamplingOptions, waiting: list[Part]
    ) -> None:
        self.model = model
        self.system = system
        self.sampling = sampling
        self.waiting = waiting  # attached, not yet sent
        self.screen = Screen(sys.stdout, folder=Path.cwd(), pictures=sys.stdout.isatty())
        self.chat: Chat = model.chat(system=system)
        self.last: Said | None = None
        self.transcript: list[str] = []  # Markdown

    def run(self) -> None:
        """Until /bye or the end of input. A failure is a line, not the end."""
        while True:
            try:
                line = read_turn()
                if line is None or not self.turn(line):
                    return
            except KeyboardInterrupt:
                output.note("\n(/bye or Ctrl-D leaves)")
            except EdgeError as error:
                output.note(f"edge: {error}")

    def turn(self, line: str) -> bool:
        """One line from the person; False ends the conversation."""
        if not line.startswith("/") or Path(line.split(maxsplit=1)[0]).is_file():
            self.say(attachments.split(line), None)
            return True
        name, _, rest = line[1:].partition(" ")
        if name in ("bye", "exit", "quit"):
            return False
        verb = COMMANDS.get(name)
        if verb is None:
            raise UsageError(f"there is no /{name}; /help lists what there is")
        verb(self, rest.strip())
        return True

    def say(self, parts: list[Part], make: Kind | None) -> None:
        """Send a message and show the reply."""
        parts, self.waiting = [*self.waiting, *parts], []
        if parts:
            self._send(parts, make)

    def _send(self, parts: list[Part], make: Kind | None) -> None:
        message, script = worded(self.model.manifest.prompts, parts, make)
        before = len(self.chat.history)
        with interruptible(self.chat.cancel):
            shown = self.screen.show(
                self.chat.send(*message, make=make, sampling=self.sampling, script=script)
            )
        self.last = Said(parts, make, before)
        self.screen.new_line()
        if shown.finished.reason != "end":
            output.note(f"({ENDINGS[shown.finished.reason]})")
        self.transcript += [*("> " + written(part) for part in parts), "", told(shown), ""]

    def image(self, rest: str) -> None:
        self._attach(rest, attachments.image)

    def audio(self, rest: str) -> None:
        self._attach(rest, attachments.sound)

    def video(self, rest: str) -> None:
        self._attach(rest, attachments.video)

    def _attach(self, rest: str, read: Callable[[Path], Part]) -> None:
        path, text = first_word(rest)
        self.waiting.append(read(Path(path).expanduser()))
        if text:
            self.say(attachments.split(text), None)
        else:
            output.note(f"(attached {path}; it goes with your next line)")

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
        name = {"temp": "temperature"}.get(name, name.replace("-", "_"))
        if name == "system":
            self.system = value or None
            return self.clear("")
        if name not in SETTINGS:
            raise UsageError(f"/set knows system, {', '.join(SETTINGS)}; got {name or 'nothing'}")
        try:
            setting = None if value in ("", "none", "default") else SETTINGS[name](value)
        except ValueError as error:
            raise UsageError(f"{name} must be a number, got {value!r}") from error
        from edge.generation.sampling import checked

        chosen: dict[str, Any] = {name: setting}
        self.sampling = checked(replace(self.sampling, **chosen))
        return None

    def show(self, rest: str) -> None:
        given = {f.name: getattr(self.sampling, f.name) for f in fields(self.sampling)}
        chosen = ", ".join(f"{k} {v}" for k, v in given.items() if v is not None) or "the bundle's own"
        print(f"{self.model.name}: reads {said(self.model.reads)}; makes {said(self.model.makes)}")
        print(f"system: {self.system or '(none)'}\nsampling: {chosen}\nmessages: {len(self.chat.history)}")

    def regen(self, rest: str) -> None:
        if self.last is None:
            raise UsageError("nothing was said yet: there is no answer to make again")
        del self.chat.history[self.last.before :]
        self._send(self.last.parts, self.last.make)

    def clear(self, rest: str) -> None:
        self.chat = self.model.chat(system=self.system)
        self.waiting, self.last, self.transcript = [], None, []
        output.note("(a new conversation)")

    def save(self, rest: str) -> None:
        if not rest:
            raise UsageError("name a file: /save talk.md")
        from edge import atomic

        atomic.write_bytes(Path(rest).expanduser(), "\n".join(self.transcript).encode())
        output.note(f"(saved to {rest})")

    def help(self, rest: str) -> None:
        print(HELP.format(fence=FENCE, names=", ".join(SETTINGS)))


COMMANDS: dict[str, Callable[[Talk, str], None]] = {
    "help": Talk.help,
    "?": Talk.help,
    "image": Talk.image,
    "audio": Talk.audio,
    "video": Talk.video,
    "draw": Talk.draw,
    "say": Talk.speak,
    "animate": Talk.animate,
    "set": Talk.set,
    "show": Talk.show,
    "regen": Talk.regen,
    "clear": Talk.clear,
    "save": Talk.save,
}


def read_turn() -> str | None:
    """One line, or the lines between two fences; None at the end of input."""
    tty = sys.stdin.isatty()
    try:
        line = input(PROMPT if tty else "").strip()
        if not line.startswith(FENCE):
            return line
        text = line.removeprefix(FENCE)
        while FENCE not in text:
            text += "\n" + input(MORE if tty else "")
        return text.partition(FENCE)[0].strip()
    except EOFError:
        return None


def first_word(rest: str) -> tuple[str, str]:
    """A path, quoted where it has spaces, and what follows it."""
    if rest[:1] in ("'", '"') and (end := rest.find(rest[0], 1)) > 0:
        return rest[1:end], rest[end + 1 :].strip()
    path, _, text = rest.partition(" ")
    if not path:
        raise UsageError("name a file: /image desk.png What is this?")
    return path, text.strip()


def written(part: Part) -> str:
    """A part in the transcript."""
    if isinstance(part, Text):
        return part.text
    return f"[{type(part).__name__.lower()}: {part.source!s}]"


def told(shown: Shown) -> str:
    """A reply in the transcript."""
    return "\n".join([*filter(None, [shown.text.strip()]), *(f"![{p.name}]({p})" for p in shown.files)])


def said(kinds: frozenset[str]) -> str:
    """text, image, audio."""
    return ", ".join(kind for kind in ("text", "image", "audio", "video") if kind in kinds)
