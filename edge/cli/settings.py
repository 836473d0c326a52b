"""What `/set` changes in a conversation.

Job: the table of names, what values they take, how they are told. Ignorance: models, terminals.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from edge.errors import UsageError
from edge.options import SamplingOptions

NUMBERS = {
    f.name: float if "float" in str(f.type) else int
    for f in fields(SamplingOptions)
    if f.name not in ("stop", "logit_bias", "logprobs")
}
SWITCHES = {
    "markdown": "replies are set as Markdown while they arrive",
    "preview": "pictures are shown while they are drawn",
    "play": "made sounds are played, where there is a sound device",
    "speak": "text is spoken too, sentence by sentence",
}
NAMES = ("system", *NUMBERS, *SWITCHES)
_SHORT = {"temp": "temperature"}  # as the flags are called
_TRUTH = {"on": True, "yes": True, "1": True, "off": False, "no": False, "0": False}


@dataclass(frozen=True)
class Settings:
    """What a person chose; the sampling leaves open what the bundle decides."""

    system: str | None = None
    sampling: SamplingOptions = SamplingOptions()  # noqa: RUF009 (frozen)
    markdown: bool = True
    preview: bool = True
    play: bool = True
    speak: bool = False

    def told(self) -> str:
        """Two lines for people."""
        sampling = {f.name: getattr(self.sampling, f.name) for f in fields(self.sampling)}
        chosen = ", ".join(f"{k} {v}" for k, v in sampling.items() if v is not None)
        switches = ", ".join(f"{name} {'on' if getattr(self, name) else 'off'}" for name in SWITCHES)
        return f"system: {self.system or '(none)'}\nsampling: {chosen or 'as the bundle says'}\n{switches}"


def full_name(name: str) -> str:
    """A setting as it is called here: top-k -> top_k, temp -> temperature.

    Raises:
        UsageError: there is no such setting.
    """
    found = _SHORT.get(name, name.replace("-", "_"))
    if found not in NAMES:
        raise UsageError(f"/set knows {', '.join(NAMES)}; got {name or 'nothing'}")
    return found


def changed(settings: Settings, name: str, value: str) -> Settings:
    """The settings with one of them changed; an empty value restores what the bundle, or Edge, says.

    Raises:
        UsageError: there is no such setting, or it does not take that value.
    """
    name = full_name(name)
    if name == "system":
        return replace(settings, system=value or None)
    if name in SWITCHES:
        switched: dict[str, Any] = {name: _switch(name, value)}
        return replace(settings, **switched)
    from edge.generation.sampling import checked

    chosen: dict[str, Any] = {name: _number(name, value)}
    return replace(settings, sampling=checked(replace(settings.sampling, **chosen)))


def _switch(name: str, value: str) -> bool:
    if not value:
        return bool(getattr(Settings(), name))
    if value.lower() not in _TRUTH:
        raise UsageError(f"{name} is on or off, got {value!r}")
    return _TRUTH[value.lower()]


def _number(name: str, value: str) -> float | None:
    if value in ("", "none", "default"):
        return None
    try:
        return NUMBERS[name](value)
    except ValueError as error:
        raise UsageError(f"{name} must be a number, got {value!r}") from error
