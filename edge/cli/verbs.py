"""The verbs of `edge`: a table, imported only when asked for, and plugin verbs by entry point.

Job: which verbs there are, the help that lists them. Ignorance: what a verb does, its flags, errors.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

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
