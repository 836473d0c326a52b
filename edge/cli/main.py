"""`edge`: runs the verb, turns every failure into one line and an exit code.

Job: the error boundary; the model's process begins to import before this one reads its command line.
Ignorance: what any verb does, which verbs there are.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

from edge import offline
from edge.errors import DoesNotFitError, EdgeError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit: 0 ok, 2 usage, an EdgeError's own code, 130 interrupted, else 1."""
    _opened()
    offline.guard()
    warnings.showwarning = warn
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] in (["chat"], ["run"]) and not {"--help", "-h"} & set(given):
        from edge.isolation.life import start_ahead

        start_ahead()
    try:
        from typer.main import get_command  # while the other process is on its way

        from edge.cli.verbs import app

        command = cast(Callable[..., Any], get_command(app))
        command(args=given, prog_name="edge")
    except EdgeError as error:
        fail(error.exit_code, str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if os.environ.get("EDGE_DEBUG"):
            raise
        fail(*explained(error))
    sys.exit(0)


def _opened() -> None:
    """A stream that our parent closed leads nowhere; its number must not become that of another file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def warn(message: Warning | str, *about: Any, **more: Any) -> None:
    """A warning is one line too; Python's own form shows a source line that helps no one here."""
    from edge.cli import output

    output.note("edge: warning: " + " ".join(str(message).split()))


def explained(error: Exception) -> tuple[int, str]:
    """Exit code and one line for a failure that nobody translated."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DoesNotFitError.exit_code, f"no space left on the disk: free some and run it again ({error})"
    if isinstance(error, MemoryError):
        return (
            DoesNotFitError.exit_code,
            "not enough memory: close something, or use -c with a smaller context",
        )
    if isinstance(error, OSError):
        return 1, str(error)
    return 1, f"unexpected {type(error).__name__}: {error}. EDGE_DEBUG=1 shows the traceback"


def fail(code: int, message: str) -> NoReturn:
    """One line on stderr, then out."""
    from edge.cli import output

    output.note("edge: " + " ".join(message.split()))
    sys.exit(code)


if __name__ == "__main__":
    main()
