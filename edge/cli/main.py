"""`edge`: finds the verb, runs it, turns every failure into one line and an exit code.

Job: the table of verbs (imported only when asked for), plugin verbs by entry point, the error boundary.
Ignorance: what any verb does; no flag of any verb.
"""

from __future__ import annotations

import ast
import errno
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from edge import offline
from edge.errors import DoesNotFitError, EdgeError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PLUGINS = "edge.commands"  # the entry point group; a plugin is a function with typer annotations
VERBS = {
    "chat": "Talk with a model: text, pictures and sounds, in and out.",
    "run": "Answer one prompt and exit; only the answer goes to stdout.",
    "list": "The bundles on this machine.",
    "show": "What a model is, reads, makes and weighs.",
    "fit": "Whether a model fits this machine or another, and how fast it may run, before it is loaded.",
    "bench": "How fast a model is on this machine, and what it takes, measured in about a minute.",
    "verify": "Check every file of a bundle against its manifest.",
    "doctor": "Check this machine: versions, memory, threads, the native engine.",
    "version": "The versions of Edge and of what it runs on.",
}


class VerbGroup(TyperGroup):
    """Verbs by name; importing one waits until it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Our verbs, then the plugins'."""
        return [*VERBS, *sorted(plugins())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb as a command, or None."""
        if cmd_name in VERBS:
            return as_command(cmd_name, import_module(f"edge.cli.{cmd_name}").command)
        plugin = plugins().get(cmd_name)
        return None if plugin is None else as_command(cmd_name, plugin.load())

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of verbs, from the table alone."""
        rows = list(VERBS.items()) + [(name, plugin_summary(p)) for name, p in sorted(plugins().items())]
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


def as_command(name: str, function: Callable[..., Any]) -> Any:
    """A function with typer annotations as a command with plain help."""
    verb = typer.Typer(add_completion=False, rich_markup_mode=None)
    verb.command(name)(function)
    return typer.main.get_command(verb)


def plugins() -> dict[str, EntryPoint]:
    """Verbs that installed distributions add; a plugin cannot replace one of ours."""
    from importlib.metadata import entry_points  # heavy, and our own verbs do without it

    return {p.name: p for p in entry_points(group=PLUGINS) if p.name not in VERBS}


def plugin_summary(plugin: EntryPoint) -> str:
    """The first line of a plugin's docstring, read from its source: listing verbs imports none of them."""
    try:
        spec = find_spec(plugin.module)
        tree = ast.parse(Path(str(spec and spec.origin)).read_text(encoding="utf-8"))
    except (ImportError, OSError, ValueError, SyntaxError):
        return f"From {plugin.dist.name if plugin.dist else plugin.value}."
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == plugin.attr]
    return ((ast.get_docstring(found[0]) if found else None) or f"From {plugin.module}.").splitlines()[0]


app = typer.Typer(
    name="edge",
    cls=VerbGroup,
    help="A natively multimodal model on this machine: text, pictures and sounds in and out, offline.",
    epilog="`edge VERB --help` tells a verb's flags.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from edge import __version__

        typer.echo(f"edge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit: 0 ok, 2 usage, an EdgeError's own code, 130 interrupted, else 1."""
    offline.guard()
    warnings.showwarning = warn
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] in (["chat"], ["run"]) and not {"--help", "-h"} & set(given):
        from edge.isolation.life import start_ahead

        start_ahead()  # the model's process imports while this one reads its command line
    try:
        command = cast(Callable[..., Any], typer.main.get_command(app))
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
