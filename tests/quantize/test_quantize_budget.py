"""A plan meets its goal by its own numbers, and what cannot be met is refused with what can."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.engines import room
from edge.errors import DoesNotFitError, IntegrityError, UsageError
from edge.formats.gguf import GgufHeader, read_header
from edge.options import EngineOptions
from quantize import budget, sensitivity, tensor_groups
from quantize.budget import Goal, Market
from quantize.sensitivity import Sensitivity
from quantize.tensor_groups import MENU, Group
from tests.quantize.test_quantize_types import small

BITS = {kind: 8 * tensor_groups._BLOCKS[kind][1] / tensor_groups._BLOCKS[kind][0] for kind in MENU}
LOADS = """
import sys
from llama_cpp import llama_cpp as native
model = native.llama_model_load_from_file(sys.argv[1].encode(), native.llama_model_default_params())
params = native.llama_context_default_params()
params.n_ctx = params.n_batch = params.n_ubatch = int(sys.argv[2])
params.n_outputs_max = 1
native.llama_init_from_model(model, params)
"""  # llama.cpp's log on stderr names its buffers
EQUAL_SPEED = dict.fromkeys(MENU, 1e-10)


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> GgufHeader:
    return read_header(small(tmp_path_factory.mktemp("m") / "m.gguf", layers=4))


@pytest.fixture(scope="module")
def groups(header: GgufHeader) -> list[Group]:
    return tensor_groups.groups(header, 4, {t.name for t in header.tensors})


def known(groups: list[Group], weight: float = 1.0) -> Sensitivity:
    """Errors that fall by four per bit; a later group is more sensitive."""
    errors = {t.name: {k: 4.0 ** -BITS[k] for k in MENU} for g in groups for t in g.tensors}
    blank = Sensitivity("s", {}, errors)
    measured = {
        g.name: {
            kind: {"text": {"divergence": weight * (i + 1) * blank.error(g, kind), "agreement": 1.0}}
            for kind in sensitivity.anchors(g)
        }
        for i, g in enumerate(groups)
    }
    return Sensitivity("s", measured, errors)


def market(header: GgufHeader, groups: list[Group], speed: dict[str, float] = EQUAL_SPEED) -> Market:
    moved = {t.name for g in groups for t in g.tensors}
    fixed = header.file_size - sum(t.size for t in header.tensors if t.name in moved) + 4096
    return budget.market(header, groups, fixed, known(groups), speed)


def pick(options: Market, goal: Goal, header: GgufHeader, correction: float = 1.0) -> list[int]:
    return budget.pick(
        options, goal, room.llama_cpp(header, goal.context, EngineOptions().sequences, size=0).own, correction
    )


def test_groups_hold_every_matrix_once_and_merge_what_reads_the_same(
    header: GgufHeader, groups: list[Group]
) -> None:
    names = [t.name for g in groups for t in g.tensors]
    assert sorted(names) == sorted(t.name for t in header.tensors if len(t.shape) > 1)
    assert {t.name for g in groups if g.name == "attn_q+k 2" for t in g.tensors} == {
        "blk.2.attn_q.weight", "blk.2.attn_k.weight"}  # fmt: skip
    assert len(groups) == 4 * 5 + 1
    halves = tensor_groups.groups(header, 2, [])
    assert [g.name for g in halves if g.role == "ffn_down"] == ["ffn_down 0-1", "ffn_down 2-3"]
    assert all(g.layers is None for g in halves if g.role == "token_embd")


def test_types_that_need_an_importance_matrix_or_wider_rows_are_not_on_the_menu(
    header: GgufHeader, tmp_path: Path
) -> None:
    blind = tensor_groups.groups(header, 1, [])
    assert not {"IQ2_XXS", "IQ2_S", "IQ3_XXS"} & set(blind[0].menu)
    narrow = tensor_groups.groups(read_header(small(tmp_path / "n.gguf", 1, width=64)), 1, [])
    assert narrow[0].menu == ("IQ4_NL", "Q4_0", "Q5_0", "Q8_0")


def test_a_prediction_is_the_measurement_at_the_anchors_and_falls_with_bits(groups: list[Group]) -> None:
    found, group = known(groups), groups[3]
    for kind in sensitivity.anchors(group):
        told = sensitivity.mean(found.measured[group.name][kind], "divergence")
        assert found.divergence(group, kind) == pytest.approx(told)
    predicted = [found.divergence(group, kind) for kind in sorted(MENU, key=lambda k: BITS[k])]
    assert predicted == sorted(predicted, reverse=True)
    assert found.divergence(group, "Q8_0") == pytest.approx(4 * found.error(group, "Q8_0"))


def test_a_floor_stays_in_every_type_and_a_steep_curve_is_followed(groups: list[Group]) -> None:
    plain, group = known(groups), groups[3]
    low, high = (plain.error(group, kind) for kind in ("Q5_K", "Q3_K"))

    def with_anchors(at_low: float, at_high: float) -> Sensitivity:
        found = {k: {"text": {"divergence": d, "agreement": 1.0}}
                 for k, d in (("Q5_K", at_low), ("Q3_K", at_high))}  # fmt: skip
        return Sensitivity("s", {**plain.measured, group.name: found}, plain.errors)

    floored = with_anchors(0.1 + low, 0.1 + high)
    assert floored.divergence(group, "Q8_0") == pytest.approx(0.1, rel=0.01)
    assert floored.divergence(group, "Q2_K") == pytest.approx(0.1 + plain.error(group, "Q2_K"))
    steep = with_anchors(low**1.2, high**1.2)
    assert steep.divergence(group, "Q2_K") == pytest.approx(plain.error(group, "Q2_K") ** 1.2)
    falling = with_anchors(0.2, 0.1)  # noise
    assert 0 <= falling.divergence(group, "Q8_0") <= falling.divergence(group, "Q2_K")


@pytest.mark.parametrize("megabytes", [0.75, 0.9, 1.2, 1.7, 3.0])
def test_no_plan_is_over_its_size_and_a_larger_one_is_not_worse(
    megabytes: float, header: GgufHeader, groups: list[Group]
) -> None:
    options = market(header, groups)
    goal = Goal(max_size=int(megabytes * 1e6))
    point = options.point(pick(options, goal, header))
    more = options.point(pick(options, Goal(max_size=int(megabytes * 1.1e6)), header))
    assert point.bytes <= megabytes * 1e6
    assert more.divergence <= point.divergence


@pytest.mark.parametrize("target", [0.02, 0.1, 0.5, 2.0])
def test_a_divergence_is_met_with_the_fewest_bytes(
    target: float, header: GgufHeader, groups: list[Group]
) -> None:
    options = market(header, groups)
    point = options.point(pick(options, Goal(max_kl=target), header))
    assert point.divergence <= target
    less = Goal(max_size=int(0.99 * point.bytes))
    assert options.point(pick(options, less, header)).divergence > target
    doubled = options.point(pick(options, Goal(max_kl=target), header, correction=2.0))
    assert doubled.divergence <= target / 2


def test_memory_leaves_room_for_cache_and_buffers(header: GgufHeader, groups: list[Group]) -> None:
    options = market(header, groups)
    points = [
        options.point(pick(options, Goal(max_ram=7_000_000, context=context), header)).bytes
        for context in (16, 64, 96)
    ]
    assert points[0] > points[1] > points[2]
    cache = 2 * 256 * 4 * 2 * 256 * 2  # two sequences, padded: f16 keys and values of four layers
    assert points[0] <= 7_000_000 - 3_000_000 - cache


@pytest.mark.parametrize(("layers", "hidden", "exact"), [(2, 2048, True), (2, 1024, True), (2, 256, False)])
def test_the_formula_is_what_llama_cpp_reserves(
    layers: int, hidden: int, exact: bool, tmp_path: Path
) -> None:
    path = small(tmp_path / "m.gguf", layers, hidden=hidden)
    done = subprocess.run(
        [sys.executable, "-c", LOADS, path, "512"], capture_output=True, text=True, check=False
    )
    cache = float(re.findall(r"KV buffer size = +([\d.]+) MiB", done.stderr)[0]) * 2**20
    buffer = float(re.findall(r"compute buffer size = +([\d.]+) MiB", done.stderr)[0]) * 2**20
    header = read_header(path)
    predicted = room.llama_cpp(header, 512)
    logits = 4 * header.metadata["llama.vocab_size"]
    assert predicted.cache == cache
    assert predicted.compute - logits == pytest.approx(buffer, rel=0.005 if exact else 0.6)
    assert predicted.compute - logits > 0.998 * buffer


def test_a_slow_type_is_left_where_it_buys_too_little(header: GgufHeader, groups: list[Group]) -> None:
    goal = Goal(max_size=1_100_000)
    plain = market(header, groups)
    used = plain.types(pick(plain, goal, header))
    slow = EQUAL_SPEED | dict.fromkeys(("IQ4_XS", "IQ3_S", "IQ3_XXS"), 1e-9)
    other = market(header, groups, slow)
    picks = pick(other, goal, header)
    assert {"IQ4_XS", "IQ3_S", "IQ3_XXS"} & set(used.values())
    assert not {"IQ4_XS", "IQ3_S", "IQ3_XXS"} & set(other.types(picks).values())
    assert other.point(picks).bytes <= 1_100_000


def test_what_cannot_be_met_is_refused_with_the_nearest_number(
    header: GgufHeader, groups: list[Group]
) -> None:
    options = market(header, groups)
    with pytest.raises(DoesNotFitError, match=r"max-size 0\.1 MB cannot be met.*needs is (\d+\.\d) MB") as e:
        pick(options, Goal(max_size=100_000), header)
    assert f"{options.smallest / 1e6:.1f} MB" in str(e.value)
    with pytest.raises(DoesNotFitError, match=r"shorter --context"):
        pick(options, Goal(max_ram=5_000_000, context=4096), header)
    best = sum(min(ds) for ds in options.divergences)
    with pytest.raises(DoesNotFitError, match=f"about {best:.2g} can"):
        pick(options, Goal(max_kl=best / 2), header)
    with pytest.raises(DoesNotFitError, match=r"about 0\.3 MB of weights"):
        budget.check_possible(Goal(max_size=200_000), [(4096, 256), (256,)])


def test_the_front_is_a_front_and_holds_every_choice_of_its_plan(
    header: GgufHeader, groups: list[Group]
) -> None:
    options, goal = market(header, groups), Goal(max_size=1_000_000)
    picks = pick(options, goal, header)
    told = budget.plan(options, goal, picks, 1.5)
    sizes = [p.bytes for p in told.front]
    assert sizes == sorted(sizes)
    assert [p.divergence for p in told.front] == sorted((p.divergence for p in told.front), reverse=True)
    assert told.point.divergence == pytest.approx(1.5 * sum(c.divergence for c in told.choices) / 1.5)
    assert told.point.bytes == sum(c.bytes for c in told.choices) + options.fixed
    most, bits = budget.bits(options, picks)
    assert most in {choice.type for choice in told.choices}
    assert 2 < bits < 9


@pytest.mark.parametrize(
    ("text", "bytes_"), [("700MB", 700_000_000), ("1.5 gb", 1_500_000_000), ("512MiB", 512 << 20), ("9", 9)]
)
def test_sizes_are_read_as_people_write_them(text: str, bytes_: int) -> None:
    assert budget.bytes_of(text) == bytes_


@pytest.mark.parametrize("text", ["", "MB", "-3MB", "1e3", "7 lightyears", "1,5GB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        budget.bytes_of(text)


def test_goals_exclude_one_another_and_nonsense() -> None:
    for wrong in (
        {},
        {"max_size": 1, "max_kl": 0.1},
        {"max_kl": math.nan},
        {"max_kl": -1.0},
        {"max_size": 0},
    ):
        with pytest.raises(UsageError):
            Goal(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Goal(max_ram=10, context=0)


def test_a_kept_sensitivity_reads_back_for_its_source_alone(groups: list[Group], tmp_path: Path) -> None:
    path = tmp_path / "home" / "s.json"
    assert sensitivity.load(path, "s", groups) is None
    sensitivity.keep(path, known(groups))
    assert sensitivity.load(path, "s", groups) == known(groups)
    assert sensitivity.load(path, "another", groups) is None


@pytest.mark.parametrize(
    "broken",
    [b"", b"[]", b'{"version": 1}', b'{"version": 1, "source": "s", "measured": {}, "errors": {}}',
     b'{"version": 1, "source": "s", "measured": 3, "errors": null}'],
)  # fmt: skip
def test_a_damaged_sensitivity_is_refused(broken: bytes, groups: list[Group], tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(broken)
    with pytest.raises(IntegrityError, match="is damaged"):
        sensitivity.load(tmp_path / "s.json", "s", groups)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_numbers_that_no_measurement_gives_are_refused(
    wrong: float, groups: list[Group], tmp_path: Path
) -> None:
    data = json.loads(known(groups).to_json())
    data["errors"]["blk.2.ffn_up.weight"]["IQ4_XS"] = wrong
    (tmp_path / "s.json").write_text(json.dumps(data))
    with pytest.raises(IntegrityError, match="no sound number"):
        sensitivity.load(tmp_path / "s.json", "s", groups)
