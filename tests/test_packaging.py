"""What the distribution promises: declared and pinned dependencies, one version number, no addresses."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, metadata, requires
from pathlib import Path

import pytest

import edge
from edge.cli.version import LIBRARIES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORT_NAMES = {
    "llama-cpp-python": "llama_cpp", "markdown-it-py": "markdown_it", "pillow": "PIL",
    "pyinstaller": "PyInstaller",
}  # fmt: skip
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
).stdout.splitlines()


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def imports(folder: str) -> set[str]:
    """Top-level names that a package imports from outside of the standard library and of ourselves."""
    found = {name for path in (ROOT / folder).rglob("*.py") for name in imported(path)}
    return found - sys.stdlib_module_names - {"edge", "quantize"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def provided(*groups: list[str]) -> set[str]:
    names = {name_of(requirement) for group in groups for requirement in group}
    return {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}


def test_the_runtime_imports_exactly_its_declared_dependencies() -> None:
    hooks = {"hook-edge.py", "hook-llama_cpp.py"}
    extras = {
        "video": {"libav.py"},
        "mic": {"sound_device.py"},
        "desktop": hooks,
    }  # each is used in one place
    optional = {extra: provided(PROJECT["optional-dependencies"][extra]) for extra in extras}
    assert imports("edge") - set().union(*optional.values()) == provided(PROJECT["dependencies"])
    for extra, names in optional.items():
        assert {p.name for p in (ROOT / "edge").rglob("*.py") if names & imported(p)} == extras[extra]


def test_the_pipeline_adds_exactly_its_extra() -> None:
    extra = provided(PROJECT["optional-dependencies"]["quantize"])
    assert imports("quantize") - provided(PROJECT["dependencies"]) == extra


def test_neither_imports_torch() -> None:
    assert not {"torch", "transformers"} & (imports("edge") | imports("quantize"))


def test_every_requirement_is_pinned_once() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    names = [name_of(pin) for pin in pins]
    assert len(names) == len(set(names))
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    wanted = {name_of(requirement) for group in groups for requirement in group}
    assert wanted - set(names) == {"edge-multimodal"}


def test_the_installed_distribution_has_the_packages_version_and_the_plugin() -> None:
    assert metadata("edge-multimodal")["Version"] == edge.__version__
    plugins = {p.name: p.value for p in entry_points(group="edge.commands")}
    assert plugins["quantize"] == "quantize.cli:quantize_command"
    assert any(r.startswith("llama-cpp-python") for r in requires("edge-multimodal") or [])


def test_version_lists_every_declared_dependency() -> None:
    assert {name_of(library) for library in LIBRARIES} == {name_of(r) for r in PROJECT["dependencies"]}


@pytest.mark.skipif(not TRACKED, reason="not a git checkout: there is no list of what is ours")
def test_no_file_names_an_address_to_install_from() -> None:
    told = re.compile(rb"index-url|extra-index|find-links|--index\b|https?://[^\s\"')]*(?:pypi|pythonhosted)")
    mine = Path(__file__).name
    texts = [
        p for n in TRACKED if (p := ROOT / n).is_file() and p.stat().st_size < 1 << 20 and p.name != mine
    ]
    assert [str(p) for p in texts if told.search(p.read_bytes())] == []


@pytest.mark.skipif(not TRACKED, reason="not a git checkout: there is no list of what is ours")
def test_no_file_is_called_by_what_it_is_not() -> None:
    banned = {"utils.py", "common.py", "helpers.py", "misc.py"}
    assert [name for name in TRACKED if Path(name).name in banned] == []


@pytest.mark.skipif(not TRACKED, reason="not a git checkout: there is no list of what is ours")
def test_no_source_file_is_longer_than_four_hundred_lines() -> None:
    sources = [ROOT / n for n in TRACKED if n.endswith(".py") and (ROOT / n).is_file()]
    long = {str(p.relative_to(ROOT)): n for p in sources if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


def test_the_training_code_imports_nothing_beyond_its_extra() -> None:
    groups = PROJECT["optional-dependencies"]
    known = provided(PROJECT["dependencies"], groups["quantize"], groups["train"])
    assert imports("models") - {"models"} <= known
