"""`edge version`: what is installed. Knows only names of distributions, imports none of them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import typer

from edge import __version__
from edge.cli import flags, output

OPTIONAL = {"av": "video", "sounddevice": "mic"}  # distribution -> the extra that brings it
LIBRARIES = (
    "llama_cpp_python",
    "onnxruntime",
    "numpy",
    "pillow",
    "soundfile",
    "soxr",
    "jinja2",
    "typer",
    "rich",
    "prompt_toolkit",
    "markdown_it_py",
)


def versions() -> dict[str, str]:
    """Edge, Python and every library that the runtime loads; "missing" where one is not installed."""
    found = {"edge": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "missing"
    for library, extra in OPTIONAL.items():
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = f"not installed (extra {extra!r})"
    return found


def command(as_json: flags.Json = False) -> None:
    """The versions of Edge and of what it runs on."""
    found = versions()
    if as_json:
        return output.as_json(found)
    for name, number in found.items():
        typer.echo(f"{name} {number}")
