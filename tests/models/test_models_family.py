"""The family's table follows from the shapes, and the shapes are the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import vocabulary
from models import family


@pytest.mark.parametrize(
    ("name", "billions", "active"),
    [("1b", 1.24, 1.24), ("3b", 3.21, 3.21), ("8b", 8.03, 8.03),
     ("scout-109b-a17b", 108, 17.2), ("maverick-400b-a17b", 401, 17.2), ("behemoth-2t-a288b", 2000, 288)],
)  # fmt: skip
def test_parameters_are_what_the_publishers_say(name: str, billions: float, active: float) -> None:
    m = family.member(name)
    assert m.parameters / 1e9 == pytest.approx(billions, rel=0.01)
    assert m.active / 1e9 == pytest.approx(active, rel=0.02)


def test_kv_bytes_of_llama_3_2_1b_are_32_kib_per_token() -> None:
    assert family.member("1b").kv_bytes_per_token == 32 * 1024


def test_pico_widths_take_every_k_quant() -> None:
    for m in family.FAMILY[:3]:
        assert m.width % 256 == 0
        assert m.hidden % 256 == 0
        assert m.vocabulary == vocabulary.VOCABULARY_SIZE


def test_an_unknown_member_is_named_together_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="pico-14m"):
        family.member("pico-1t")


def test_the_table_holds_every_member() -> None:
    assert all(m.name in family.table() for m in family.FAMILY)


def test_the_shipped_checkpoint_is_a_member_of_the_family() -> None:
    folder = Path("models/weights/pico")
    native = json.loads((folder / "edge.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    m = family.member(native["member"])
    assert (config["hidden_size"], config["num_hidden_layers"]) == (m.width, m.layers)
    assert native["vocabulary"] == vocabulary.NATIVE.to_dict()
