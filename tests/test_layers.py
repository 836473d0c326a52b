"""The house's import map (design, section 2): a file imports only from rows above its own, anywhere in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Rows from the ground up; in a row, a file may import those named before it. A name ending in * takes the
# rest of its package. chat stands above model: model.chat() makes Chats, and a Chat needs only its wiring.
EDGE = (
    "edge.errors", "edge.children", "edge.atomic", "edge.licences", "edge.messages", "edge.options",
    "edge.segments", "edge.vocabulary", "edge.events",
    "edge.control_groups", "edge.hardware", "edge.throughput", "edge.offline", "edge.cache_store",
    "edge.formats.*",
    "edge.media.source", "edge.media.*",
    "edge.onnx_session",
    "edge.engines.base", "edge.engines.*",
    "edge.frontends.base", "edge.frontends.*",
    "edge.generation", "edge.generation.shapes.*", "edge.generation.stopping",
    "edge.generation.sampling", "edge.generation.constraints",
    "edge.generation.prefix_cache", "edge.generation.lookup",
    "edge.generation.slots", "edge.generation.scheduler",
    "edge.generation.template", "edge.generation.prompt", "edge.generation.decode", "edge.generation.reply",
    "edge.generation.gather",
    "edge.tools", "edge.safety", "edge.provenance", "edge.store", "edge.pull", "edge.saved_chat",
    "edge.wiring", "edge.abilities", "edge.window", "edge.context", "edge.async_turns",
    "edge.chat",
    "edge.bare_text", "edge.tasks",
    "edge.projectors", "edge.fitting", "edge.model",
    "edge.isolation.*",
    "edge.loading",
    "edge",
    "edge.measure",
    "edge.server.*",
    "edge.cli.*",
    "edge._pyinstaller", "edge._pyinstaller.*",
)  # fmt: skip
PACKAGES = ("edge", "quantize", "models")  # each may import those before it
HEAVY_NETWORK = ("requests", "httpx", "urllib3", "aiohttp")


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, at its top or inside of functions; not what only type checkers read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(child) for node in ast.walk(tree) if is_type_checking(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if is_module(inner) else base


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def row(name: str) -> int:
    """Where a module stands in the map; exact names win over a package's star."""
    if name in EDGE:
        return EDGE.index(name)
    stars = [
        i for i, entry in enumerate(EDGE) if entry.endswith(".*") and (name + ".").startswith(entry[:-1])
    ]
    assert stars, f"{name} stands nowhere in the map of tests/test_layers.py: give it its row"
    return stars[0]


@pytest.mark.parametrize("path", files("edge"), ids=module)
def test_a_file_of_edge_imports_only_from_rows_above_its_own(path: Path) -> None:
    own, place = module(path), row(module(path))
    for name in imports(path):
        if name.split(".")[0] != "edge" or name == own:
            continue
        other = row(name)
        star = EDGE[place].endswith(".*") and other == place  # circles within a package: the next test
        assert other < place or star, f"{own} imports {name}, which stands beside or below it"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_has_a_circle(package: str) -> None:
    graph = {
        module(path): {n for n in imports(path) if n.split(".")[0] == package} for path in files(package)
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name in done:
            return
        for other in sorted(graph.get(name, ())):
            if other != name:
                visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_downwards(package: str) -> None:
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    for path in files(package):
        for name in imports(path):
            assert name.split(".")[0] not in above, f"{module(path)} imports {name}"
            assert name.split(".")[0] != "tests", f"{module(path)} imports {name}"


@pytest.mark.parametrize("package", ["edge", "quantize"])
def test_torch_lives_only_in_models(package: str) -> None:
    for path in files(package):
        for name in imports(path):
            assert name.split(".")[0] not in ("torch", "transformers"), f"{module(path)} imports {name}"


def test_the_runtime_imports_no_network_library() -> None:
    for path in files("edge"):
        for name in imports(path):
            assert name.split(".")[0] not in HEAVY_NETWORK, f"{module(path)} imports {name}"


def test_onnxruntime_is_opened_in_one_place_of_the_runtime() -> None:
    users = {module(p) for p in files("edge") if any(n.split(".")[0] == "onnxruntime" for n in imports(p))}
    assert users <= {"edge.onnx_session"}


@pytest.mark.parametrize("name", ["utils", "common", "helpers"])
def test_no_file_is_named_after_nothing(name: str) -> None:
    assert [p for package in PACKAGES for p in files(package) if p.stem == name] == []


def test_the_map_sees_what_stands_inside_of_functions(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from edge import chat\n    import edge.model\n")
    assert set(imports(file)) == {"edge.chat", "edge.model"}
