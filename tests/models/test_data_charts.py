"""Charts say in words what their pixels show, and are held out by colour x value and colour x trend."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.pictures import charts, palette
from models.data.pictures.charts import BarChart, LineChart
from models.data.pictures.picture import GRID, GROUND

BARS = BarChart((("red", 3), ("blue", 7), ("green", 5)), printed=False, paper="white", family="Roboto")


def answers(item: BarChart | LineChart) -> dict[str, str]:
    """Every question of every phrasing with its answer."""
    return {a.question: a.answer for i in range(80) for a in item.questions(np.random.default_rng(i))}


def test_a_bar_chart_is_described_fully_and_answers() -> None:
    assert BARS.caption() == "a bar chart with red 3, blue 7 and green 5"
    said = answers(BARS)
    assert said["Which bar is highest?"] == said["Which bar is the tallest?"] == "Blue."
    assert said["Which bar is lowest?"] == "Red."
    assert said["How high is the red bar?"] == "3."
    assert said["How many bars are there?"] == "Three."
    assert said["Which is higher, red or green?"] == said["Which is higher, green or red?"] == "Green."
    assert said["Is there a blue bar?"] == "Yes."
    assert said["Is there an orange bar?"] == "No."


def test_equal_bars_are_not_asked_to_differ() -> None:
    equal = BarChart((("red", 4), ("blue", 4)), printed=True, paper="white", family="Roboto")
    assert not [q for q in answers(equal) if q.startswith("Which")]


@pytest.mark.parametrize(
    ("trend", "values", "told", "said"),
    [
        ("rising", (2, 3, 6, 8), "rising from 2 to 8", "Rising."),
        ("falling", (9, 5, 4, 1), "falling from 9 to 1", "Falling."),
        ("peak", (2, 8, 5, 3), "rising from 2 to 8 and falling to 3", "Rising, then falling."),
        ("dip", (7, 2, 3, 6), "falling from 7 to 2 and rising to 6", "Falling, then rising."),
    ],
)
def test_a_line_chart_tells_its_trend_and_its_ends(
    trend: str, values: tuple[int, ...], told: str, said: str
) -> None:
    line = LineChart("orange", values, trend, "white", "Roboto")
    assert line.caption() == f"a line chart with an orange line {told}"
    known = answers(line)
    assert known["Is the line rising or falling?"] == said
    assert known["Where does the line start?"] == f"At {values[0]}."
    assert known["Where does the line end?"] == f"At {values[-1]}."
    assert known["What is the highest value?"] == f"{max(values)}."
    assert known["What color is the line?"] == "Orange."


def test_sampled_lines_go_the_way_they_say() -> None:
    rng = np.random.default_rng(0)
    lines = [item for item in (charts.sample(rng) for _ in range(400)) if isinstance(item, LineChart)]
    assert {line.trend for line in lines} == set(charts.TRENDS)
    for line in lines:
        signs = np.sign(np.diff(line.values)).tolist()
        turns = "".join("+" if s > 0 else "-" if s < 0 else "0" for s in signs)
        shape = {"rising": {"+"}, "falling": {"-"}, "peak": {"+", "-"}, "dip": {"-", "+"}}[line.trend]
        assert set(turns) == shape
        assert turns == "".join(sorted(turns, reverse=line.trend == "dip"))
        assert all(1 <= v <= charts.HIGHEST for v in line.values)
        assert max(line.values) - min(line.values) >= 4


def unseen(item: BarChart | LineChart) -> bool:
    if isinstance(item, LineChart):
        return charts.held_out(item.colour, item.trend)
    return any(charts.held_out(colour, str(value)) for colour, value in item.bars)


def test_training_never_shows_a_held_out_combination_and_the_other_split_always_does() -> None:
    rng = np.random.default_rng(1)
    for split in ("train", "heldout"):
        items = [charts.sample(rng, split) for _ in range(300)]  # type: ignore[arg-type]
        assert {unseen(item) for item in items} == {split == "heldout"}
        assert {type(item) for item in items} == {BarChart, LineChart}


def test_every_colour_value_and_trend_is_trained_on() -> None:
    values = [(c, str(v)) for c in charts.COLOURS for v in range(1, charts.HIGHEST + 1)]
    trends = [(c, t) for c in charts.COLOURS for t in charts.TRENDS]
    for pairs in (values, trends):
        trained = [p for p in pairs if not charts.held_out(*p)]
        assert 0.05 < 1 - len(trained) / len(pairs) < 0.25
        assert {a for a, _ in trained} == {a for a, _ in pairs}
        assert {b for _, b in trained} == {b for _, b in pairs}


def test_cells_show_bars_from_the_floor_up_to_their_value() -> None:
    rows = np.array(BARS.cells(), dtype=object).reshape(GRID, GRID, 2)
    heights = {c: int((rows[:, :, 1] == c).any(1).sum()) for c in ("red", "blue", "green")}
    assert heights["red"] < heights["green"] < heights["blue"]
    assert tuple(rows[0, GRID - 1]) == GROUND
    line = LineChart("red", (1, 3, 6, 9), "rising", "white", "Roboto").cells()
    where = [i for i, cell in enumerate(line) if cell == ("line", "red")]
    assert min(where) % GRID > max(where) % GRID  # right at the top, left at the bottom


@pytest.mark.train
def test_the_values_can_be_measured_in_the_pixels() -> None:
    rng = np.random.default_rng(2)
    names = list(palette.COLOURS)
    for _ in range(200):
        item = charts.sample(rng)
        if isinstance(item, LineChart) or item.paper != "white":
            continue
        called = palette.nearest(item.draw(rng)[:60])
        for colour, value in item.bars:
            if colour == "black":  # numbers are black, too
                continue
            step = 5.25 if item.printed else 6
            columns = (called == names.index(colour)).sum(0)
            assert round(np.median(columns[columns > 2]) / step) == value, item


@pytest.mark.train
def test_the_same_seed_draws_the_same_picture_at_every_side() -> None:
    def drawn(seed: int, side: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return charts.sample(rng).draw(rng, side)

    for seed in range(20):
        assert np.array_equal(drawn(seed, 64), drawn(seed, 64))
        halved = drawn(seed, 128).reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(halved - drawn(seed, 64)).mean() < 1
    assert not np.array_equal(drawn(0, 64), drawn(1, 64))
