"""Names to paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import store
from edge.errors import NotFoundError


def bundle(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "shipped")
    return tmp_path


def test_an_existing_path_is_taken_as_it_is(home: Path) -> None:
    assert store.find(bundle(home / "mine")) == home / "mine"


def test_a_name_is_looked_up_at_home_first_then_among_what_was_shipped(home: Path) -> None:
    shipped = bundle(home / "shipped" / "pico")
    assert store.find("pico") == shipped
    own = bundle(home / "home" / "bundles" / "pico")
    assert store.find("pico") == own
    assert store.installed() == [own]


def test_the_cure_for_an_empty_list_leads_to_where_names_are_looked_up(home: Path) -> None:
    words = store.how_to_install().split()
    bundle(Path(words[words.index("-o") + 1]))
    assert store.find("pico") in store.installed()


def test_an_unknown_name_says_what_is_installed(home: Path) -> None:
    bundle(home / "home" / "bundles" / "known")
    with pytest.raises(NotFoundError, match=r"'unknown' \(installed: known\)"):
        store.find("unknown")


def test_a_folder_without_a_manifest_is_not_installed(home: Path) -> None:
    (home / "home" / "bundles" / "half").mkdir(parents=True)
    assert store.installed() == []
    with pytest.raises(NotFoundError):
        store.find("half")


@pytest.mark.parametrize("name", ["../bundles/pico", "", "a/b", "a\0b"])
def test_a_name_never_walks_out_of_its_folder(home: Path, name: str) -> None:
    bundle(home / "home" / "bundles" / "pico")
    with pytest.raises(NotFoundError):
        store.find(name)


def test_a_home_of_nobody_is_a_name_that_is_nowhere() -> None:
    with pytest.raises(NotFoundError, match="~nobodyatall/model"):
        store.find("~nobodyatall/model")
