"""Every failure a user can meet, as one tree.

Job: name the failure, carry its exit code, keep the cure in the message.
Ignorance: no I/O, imports nothing of ours, never formats a traceback.
"""

from __future__ import annotations

CLOSED = "the model is closed; load it again"


class EdgeError(Exception):
    """Base of all user-facing failures. The message says what happened and what to do next."""

    exit_code = 1


class UsageError(EdgeError):
    """The call itself is off: an unknown recipe, a flag that does not combine."""

    exit_code = 2


class NotFoundError(EdgeError):
    """A named model, file or folder does not exist."""

    exit_code = 3


class OfflineError(EdgeError):
    """Something tried to open the network while offline mode is on."""

    exit_code = 4


class DoesNotFitError(EdgeError):
    """Memory, disk or context is too small for what was asked."""

    exit_code = 5


class IntegrityError(EdgeError):
    """A file is not what it claims to be: wrong hash, lying header, truncated data."""

    exit_code = 6


class MediaError(IntegrityError):
    """A picture, sound or clip cannot be read safely."""


class ModalityError(EdgeError):
    """The model, or what is installed here, does not read or make the asked modality."""

    exit_code = 7


class EngineError(EdgeError):
    """The native engine refused or failed."""


class CrashError(EngineError):
    """The process of an isolated model died; what was said before is kept."""


class IncompleteError(EdgeError):
    """A reply that had to be a whole document ended before it was one."""
