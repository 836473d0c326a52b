"""A recipe is one row of a table, and its number is llama.cpp's own."""

from __future__ import annotations

import gguf
import pytest

from edge.errors import UsageError
from quantize.recipes import RECIPES, find, names


def test_every_number_is_llama_cpps() -> None:
    theirs = {
        name.removeprefix("MOSTLY_").removeprefix("ALL_"): int(n)
        for name, n in gguf.LlamaFileType.__members__.items()
    }
    for recipe in RECIPES.values():
        assert recipe.file_type == theirs[recipe.type], recipe


def test_the_everyday_names_stand_for_a_type() -> None:
    assert (find("int8").type, find("int4").type, find("Q4_0").type) == ("Q8_0", "Q4_K_M", "Q4_0")


def test_an_unknown_recipe_is_a_usage_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown recipe 'q4_km'; did you mean q4_k_m\?.*int4") as caught:
        find("q4_km")
    assert caught.value.exit_code == 2


def test_recipes_that_need_an_importance_matrix_are_offered_and_use_it() -> None:
    assert "iq2_xxs" in names()
    assert find("iq2_xxs").uses_importance
    assert [find(name).uses_importance for name in ("int4", "q3_k_m", "int8", "f16")] == [
        True,
        True,
        False,
        False,
    ]
