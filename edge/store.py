"""Where bundles live on this machine, by name.

Job: turn "pico", a folder or a .gguf file into a path; list what is installed.
Ignorance: what is inside of a bundle; the network (pull.py will have it). Opens no file.
"""

from __future__ import annotations

from pathlib import Path

from edge import hardware
from edge.errors import NotFoundError
from edge.formats import manifest

SHIPPED = Path(__file__).parent / "bundles"  # what travels inside of the wheel


def folders() -> tuple[Path, ...]:
    """The folders that hold bundles, first match wins: the user's own, then what was shipped."""
    return (hardware.home() / "bundles", SHIPPED)


def how_to_install() -> str:
    """The cure for an empty list: a command whose result is found by name."""
    return f"mkdir -p {folders()[0]} && edge quantize models/weights/pico -o {folders()[0] / 'pico'}"


def at_home(path: str | Path) -> Path:
    """With ~ as the home folder, where there is such a person."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def find(name: str | Path) -> Path:
    """An existing path as it is, else the bundle of that name.

    Raises:
        NotFoundError: neither exists.
    """
    path = at_home(name)
    if str(name) and "\0" not in str(name) and path.exists():
        return path
    plain = str(name) not in ("", ".", "..") and not set(str(name)) & set("/\\\0")
    for folder in folders() if plain else ():
        if (folder / name / manifest.FILE_NAME).is_file():
            return folder / name
    known = ", ".join(found.name for found in installed()) or "none"
    raise NotFoundError(
        f"there is no file, folder or installed model named {str(name)!r} (installed: {known}); "
        "give a path, or make a bundle with `edge quantize`"
    )


def installed() -> list[Path]:
    """Every bundle folder that `find` reaches by name, by name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*/{manifest.FILE_NAME}")):
            found.setdefault(path.parent.name, path.parent)
    return [found[name] for name in sorted(found)]
