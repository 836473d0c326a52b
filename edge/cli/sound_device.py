"""The loudspeaker and the microphone, by sounddevice (extra `mic`).

Job: play sounds one after the other while others are made; frames from the microphone; say what is missing,
with its cure. Ignorance: what is said, when an utterance ends.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModalityError
from edge.media.audio import SAMPLE_RATE, Sound

Samples = NDArray[np.float32]
Way = Literal["input", "output"]

_PIECE = 0.05  # seconds written at once: a stop is heard within it
_NAMES = {"input": "microphone", "output": "loudspeaker"}
_NO_LIBRARY = "sounddevice is not installed; pip install 'edge-multimodal[mic]' brings it"
_NO_PORTAUDIO = (
    "sounddevice does not find PortAudio; install it (Debian, Ubuntu: sudo apt-get install libportaudio2)"
)


def check(way: Way) -> Any:
    """The module `sounddevice`, where a device for `way` is there.

    Raises:
        ModalityError: it is not, with the cure.
    """
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise ModalityError(f"no {_NAMES[way]}: {_NO_LIBRARY}") from error
    except OSError as error:
        raise ModalityError(f"no {_NAMES[way]}: {_NO_PORTAUDIO}") from error
    try:
        sounddevice.query_devices(kind=way)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ModalityError(
            f"this machine has no {_NAMES[way]} ({error}); connect one, or choose it in the settings"
        ) from error
    return sounddevice


def there(way: Way) -> bool:
    """Whether a device can be used."""
    try:
        check(way)
    except ModalityError:
        return False
    return True


def frames(seconds: float) -> Generator[Samples]:
    """The microphone at SAMPLE_RATE, in frames of so many seconds; closing the iterator closes it.

    Raises:
        ModalityError: there is none, or it does not open.
    """
    device = check("input")
    count = round(seconds * SAMPLE_RATE)
    try:
        with device.InputStream(
            samplerate=SAMPLE_RATE, channels=1, dtype="float32", blocksize=count
        ) as stream:
            while True:
                data, _ = stream.read(count)
                yield np.array(data[:, 0], dtype=np.float32)
    except device.PortAudioError as error:
        raise ModalityError(f"the microphone does not work: {error}; check the system's settings") from error


class Player:
    """Plays what is put in, in order, while the caller makes more."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        """`stopped` is asked all the time: once true, all falls silent.

        Raises:
            ModalityError: there is no loudspeaker.
        """
        self._device, self._stopped = check("output"), stopped
        self._waiting: queue.Queue[Sound | None] = queue.Queue()
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def put(self, sound: Sound) -> None:
        """Play this after what was put in before."""
        self._waiting.put(sound)

    def finish(self) -> None:
        """Wait until all was heard, or stopped.

        Raises:
            ModalityError: the loudspeaker does not work.
        """
        self._waiting.put(None)
        while self._thread.is_alive():  # a plain join would keep Ctrl-C waiting
            self._thread.join(0.05)
        if self._failed:
            raise ModalityError(f"the loudspeaker does not work: {self._failed}; check the system's settings")

    def _play(self) -> None:
        try:
            while (sound := self._waiting.get()) is not None and not self._stopped():
                self._hear(sound)
        except self._device.PortAudioError as error:
            self._failed = str(error)

    def _hear(self, sound: Sound) -> None:
        count = round(_PIECE * sound.sample_rate)
        with self._device.OutputStream(samplerate=sound.sample_rate, channels=1, dtype="float32") as stream:
            for at in range(0, len(sound.samples), count):
                if self._stopped():
                    return
                stream.write(np.ascontiguousarray(sound.samples[at : at + count, None], dtype=np.float32))
