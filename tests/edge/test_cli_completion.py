"""What Tab offers, from the text before the cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli import attachments
from edge.cli.completion import MOST, offers
from edge.messages import Image

COMMANDS = {"image": "attach", "say": "aloud", "set": "change", "save": "keep"}
FILES: dict[str, tuple[str, ...]] = {"image": (".png",), "save": ()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "media").mkdir()
    for name in ("desk.png", "my desk.PNG", "voice.wav", "notes.txt", ".hidden.png", "media/deep.png"):
        (tmp_path / name).touch()
    return tmp_path


def offered(before: str) -> list[str]:
    return [before[: len(before) - o.length] + o.text for o in offers(before, COMMANDS, FILES)]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("/s", ["/say ", "/set ", "/save "]),
        ("/set t", ["/set temperature ", "/set top_k ", "/set top_p "]),
        ("/set markdown ", ["/set markdown on", "/set markdown off"]),
        ("/set markdown of", ["/set markdown off"]),
        ("/set seed 4", []),
        ("/image ", ["/image desk.png ", "/image media/", r"/image my\ desk.PNG "]),
        ("/image media/", ["/image media/deep.png "]),
        ("/image .", ["/image .hidden.png "]),
        ("/save n", ["/save notes.txt "]),
        ("what is in de", ["what is in desk.png "]),
        ("what is in ", []),
        ("read no", []),
        (r"see my\ d", [r"see my\ desk.PNG "]),
        ("see 'my d", ["see 'my desk.PNG'"]),
        ("see gone/x", []),
    ],
)
def test_tab_offers_what_may_stand_there(folder: Path, before: str, expected: list[str]) -> None:
    assert offered(before) == expected


def test_an_offered_path_is_read_back_as_the_file(folder: Path) -> None:
    for begun in ("see my", "see 'my d", str(folder / "my")):
        (whole,) = offered(begun)
        media = [part for part in attachments.split(whole) if isinstance(part, Image)]
        assert [Path(str(part.source)).name for part in media] == ["my desk.PNG"]


def test_a_home_folder_is_looked_into_and_stays_as_it_was_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert offered("see ~/de") == ["see ~/desk.png "]


def test_a_folder_of_thousands_does_not_flood_the_menu(folder: Path) -> None:
    for number in range(MOST + 50):
        (folder / f"many{number}.png").touch()
    assert len(offered("many")) == MOST
