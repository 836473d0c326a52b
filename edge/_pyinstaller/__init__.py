"""What PyInstaller must know to freeze a program that uses Edge; it finds this by itself (entry point).

Job: say where the hooks lie. Ignorance: Edge itself; imported by PyInstaller alone.
"""

from __future__ import annotations

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """The folder of the hooks: the entry point `hook-dirs` of the group `pyinstaller40`."""
    return [str(Path(__file__).parent)]
