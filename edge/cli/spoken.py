"""Replies said aloud, and questions that are spoken.

Job: cut a text into sentences and have the model say one while another is heard; play a sound; record one
utterance. Ctrl-C ends each of them. Ignorance: devices (sound_device), what a voice is (voice_activity).
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from edge.cli import sound_device
from edge.cli.screen import interruptible
from edge.cli.wording import worded
from edge.events import AudioChunk
from edge.media import voice_activity
from edge.media.audio import SAMPLE_RATE, Sound
from edge.messages import Text

if TYPE_CHECKING:
    from edge.chat import Chat
    from edge.model import Model

_CODE = re.compile(r"^(```|~~~).*?(^\1|\Z)", re.MULTILINE | re.DOTALL)
_MARKS = re.compile(r"^\s*(?:[-*+>#]+|\d+[.)])\s+|[*_`#|]+", re.MULTILINE)
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")


def play(sound: Sound) -> None:
    """Until its end, or Ctrl-C."""
    stopped = threading.Event()
    with interruptible(stopped.set):
        player = sound_device.Player(stopped.is_set)
        player.put(sound)
        player.finish()


def speak(model: Model, text: str) -> None:
    """Say a text, sentence by sentence, by a conversation of its own."""
    stopped, chat = threading.Event(), model.chat()

    def stop() -> None:
        stopped.set()
        chat.cancel()

    with interruptible(stop):
        player = sound_device.Player(stopped.is_set)
        try:
            for sentence in itertools.takewhile(lambda _: not stopped.is_set(), sentences(text)):
                for sound in _said(chat, sentence, model.manifest.prompts):
                    player.put(sound)
        finally:
            player.finish()


def sentences(text: str) -> list[str]:
    """What of a reply can be said, in pieces; code is left out, and so are Markdown's signs."""
    plain = _MARKS.sub("", _CODE.sub("\n", text))
    return [piece for piece in map(str.strip, _END.split(plain)) if re.search(r"\w", piece)]


def _said(chat: Chat, sentence: str, prompts: Mapping[str, str]) -> Iterator[Sound]:
    chat.history = []
    parts, script = worded(prompts, [Text(sentence)], "audio")
    for event in chat.send(*parts, make="audio", script=script):
        if isinstance(event, AudioChunk):
            yield Sound(event.samples, event.sample_rate)


def listen() -> Sound | None:
    """One utterance from the microphone; None where nobody spoke, or Ctrl-C gave it up.

    Raises:
        ModalityError: there is no microphone.
    """
    stopped = threading.Event()
    frames = sound_device.frames(voice_activity.FRAME_SECONDS)
    try:
        with interruptible(stopped.set):
            heard = voice_activity.utterance(itertools.takewhile(lambda _: not stopped.is_set(), frames))
    finally:
        frames.close()
    return None if heard is None or stopped.is_set() else Sound(heard, SAMPLE_RATE)
