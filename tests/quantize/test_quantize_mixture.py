"""A goal turns into a file: sensitivities, a plan, and a second goal that measures one mixture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge import hardware
from edge.errors import DoesNotFitError, UsageError
from edge.formats import manifest as manifests
from edge.formats.gguf import read_header
from quantize import children, importance, kernel_speed, mixture, pipeline, sensitivity, tensor_groups
from quantize.backend import GgufBackend
from quantize.budget import Goal
from quantize.mixture import Mixture
from quantize.pipeline import Options
from quantize.report import Report
from quantize.rows import Rows
from quantize.tensor_groups import MENU
from tests.quantize.test_quantize_types import small

ROOT = Path(__file__).parents[2]
SPEED = dict.fromkeys(MENU, 1e-10)


def ignore(*_: object) -> None:
    """No progress is shown."""


@pytest.fixture(autouse=True)
def no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_speed, "measured", lambda runtime, threads, progress: SPEED)


class World:
    """A small f16 model with rows and an importance matrix."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(1)
        small(folder / "f32.gguf", layers=1)
        self.source, self.work = folder / "f16.gguf", folder
        children.run(
            "quantize.native_quantize", [str(folder / "f32.gguf"), str(self.source), "1", "1", "", ""]
        )
        self.rows = Rows({"text": tuple(random.integers(0, 64, (3, 40)).astype(np.int32))})
        importance.write(folder / "i.gguf", importance.gather(self.source, self.rows, "t", folder, ignore))

    def choose(self, goal: Goal, seen: set[str] | None = None) -> Mixture:
        def show(what: str, done: int, of: int) -> None:
            if seen is not None:
                seen.add(what)

        return mixture.choose(
            goal, GgufBackend(self.source, self.work / "i.gguf"), self.rows, self.work, show
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_a_size_gives_a_mixture_whose_divergence_was_measured(world: World) -> None:
    goal = Goal(max_size=250_000)
    made = world.choose(goal)
    assert made.plan.point.bytes <= 250_000
    assert set(made.types) == {t.name for t in tensor_groups.quantizable(read_header(world.source))}
    assert len(set(made.types.values())) > 1
    assert 0.2 < made.plan.correction < 5
    assert 0 < made.plan.point.divergence < 0.1
    embedding = made.known.measured["token_embd"]
    assert 0 < embedding["Q5_K"]["text"]["divergence"] < embedding["Q3_K"]["text"]["divergence"] < 0.1


def test_a_second_goal_measures_its_mixture_alone(world: World) -> None:
    first = world.choose(Goal(max_size=300_000))
    seen: set[str] = set()
    second = world.choose(Goal(max_size=220_000), seen)
    assert second.known == first.known
    assert seen == {"sensitivity rows", "mixture 1"}
    assert second.plan.point.divergence >= first.plan.point.divergence


def test_a_divergence_is_met_by_measurement(world: World) -> None:
    coarse = world.choose(Goal(max_size=250_000)).plan.point
    target = coarse.divergence / 10
    made = world.choose(Goal(max_kl=target))
    assert made.plan.point.divergence <= target
    assert made.plan.point.bytes > coarse.bytes


def test_a_size_below_the_smallest_is_refused_before_anything_is_measured(world: World) -> None:
    seen: set[str] = set()
    with pytest.raises(DoesNotFitError, match=r"the least that this model needs is 0\.\d MB"):
        world.choose(Goal(max_size=100_000), seen)
    assert not seen


def test_a_killed_measurement_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    bench = sensitivity.Bench(GgufBackend(world.source, world.work / "i.gguf"), world.rows, tmp_path)
    bench.open(ignore)
    groups = tensor_groups.groups(read_header(world.source), 1, [])
    one = {t.name: "Q4_K" for t in groups[0].tensors}
    first = bench.measure({"a": one}, ignore, "trial")
    (tmp_path / "trial.jsonl").write_text((tmp_path / "trial.jsonl").read_text().replace("text", "kept"))
    both = bench.measure({"a": one, "b": {}}, ignore, "trial")
    assert both["a"] == {"kept": first["a"]["text"]}
    assert abs(both["b"]["text"]["divergence"]) < 1e-6 < first["a"]["text"]["divergence"]


def test_bands_grow_with_the_effort_that_a_model_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = read_header(world.source)
    assert mixture.bands(header, world.rows) > 1000
    monkeypatch.setattr(mixture, "EFFORT", 1.0)
    assert mixture.bands(header, world.rows) == mixture.MIN_BANDS


def test_the_bundle_of_a_goal_holds_its_plan_and_sensitivities(tiny_checkpoint: Path, tmp_path: Path) -> None:
    report = pipeline.quantize(
        tiny_checkpoint, tmp_path / "b", options=Options(goal=Goal(max_size=3_900_000))
    )
    assert (tmp_path / "b" / "decoder.gguf").stat().st_size <= 3_900_000
    assert report.recipe == "max-size 3.9 MB"
    assert report.plan["point"]["bytes"] == pytest.approx(
        (tmp_path / "b" / "decoder.gguf").stat().st_size, rel=0.01
    )
    assert len(report.plan["front"]) > 10
    assert report.quality["text"].divergence == pytest.approx(report.plan["point"]["divergence"], rel=1)
    assert Report.from_json((tmp_path / "b" / "report.json").read_bytes()) == Report.from_json(
        report.to_json()
    )
    manifest = manifests.load(tmp_path / "b")
    assert manifest.files["sensitivity"].path == "sensitivity.json"
    types = {t.name: t.type for t in read_header(tmp_path / "b" / "decoder.gguf").tensors}
    assert {c["type"] for c in report.plan["choices"]} <= set(types.values())
    assert not list(tmp_path.glob("b.partial-*"))


def test_a_dry_run_plans_and_leaves_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    planned = pipeline.plan(tiny_checkpoint, tmp_path / "b", options=Options(goal=Goal(max_size=3_900_000)))
    assert planned["gguf"].point.bytes <= 3_900_000
    assert list(tmp_path.iterdir()) == []


def edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli.main", "quantize", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))


def test_the_command_prints_the_plan(tiny_checkpoint: Path, tmp_path: Path) -> None:
    key = f"{hardware.machine_key()} 1 threads"
    hardware.remember(hardware.home() / kernel_speed.FILE_NAME, {key: SPEED})
    done = edge(tiny_checkpoint, "-o", tmp_path / "b", "--max-size", "3.9MB", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("token_embd", "ffn_gate+up 0", "expected KL", "max-size 3.9 MB", "tokens/s", "this plan"):
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (["--max-size", "1MB", "--max-kl", "0.1"], 2, "exactly one"),
        (["--max-size", "1MB", "--recipe", "int4"], 2, "exactly one"),
        (["--max-size", "big"], 2, "is no size"),
        (["--max-kl", "-1"], 2, "must be above 0"),
        (["--dry-run"], 2, "--dry-run plans"),
        (["--max-size", "100kB"], 5, "the smallest mixture of this model has about"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    flags: list[str], code: int, told: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    done = edge(tiny_checkpoint, "-o", tmp_path / "b", *flags)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_ready_matrix_serves_a_goal_too(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    both = Options(imatrix=tiny_bundle / "imatrix.gguf", goal=Goal(max_ram=20_000_000, context=512))
    report = pipeline.quantize(tiny_checkpoint, tmp_path / "b", options=both)
    assert report.importance.startswith("given: imatrix.gguf")
    with pytest.raises(UsageError):
        Goal(max_ram=1, max_size=1)


def test_speeds_are_measured_once_and_damaged_memory_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    runs = []

    def run(module: str, arguments: list[Path | str], progress: object) -> None:
        runs.append(module)
        Path(arguments[0]).write_text(json.dumps(SPEED))

    monkeypatch.setattr(children, "run_plain", run)
    assert kernel_speed.measured("gguf", 1, ignore) == SPEED == kernel_speed.measured("gguf", 1, ignore)
    assert runs == ["quantize.native_speed"]
    kernel_speed.measured("gguf", 2, ignore)
    (tmp_path / kernel_speed.FILE_NAME).write_text("{")
    kernel_speed.measured("gguf", 1, ignore)
    assert len(runs) == 3


def test_a_step_is_timed_in_every_type(tmp_path: Path) -> None:
    """The real child on two types: seconds per weight of a plausible size."""
    from quantize import native_speed

    for kind in ("Q4_0", "Q8_0"):
        native_speed.write(tmp_path / "m.gguf", kind)
        assert {t.type for t in read_header(tmp_path / "m.gguf").tensors} == {kind, "F32"}
