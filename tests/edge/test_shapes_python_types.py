"""Python types as schemas, and their values back from JSON."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from edge.errors import UsageError
from edge.generation.shapes.json_schema import machine
from edge.generation.shapes.python_types import described


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Bird:
    name: str
    colour: Colour
    weight: float = 1.0
    young: list[Bird] = field(default_factory=list)


class Options(TypedDict):
    deep: bool
    limit: NotRequired[int | None]


BIRD = Bird("Ann", Colour.RED, 2.0, [Bird("Bo", Colour.BLUE)])
BIRD_JSON = {
    "name": "Ann", "colour": "red", "weight": 2, "young": [{"name": "Bo", "colour": "blue"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (Bird, BIRD_JSON, BIRD),
        (list[Bird], [BIRD_JSON], [BIRD]),
        (Bird | None, None, None),
        (int | Bird, BIRD_JSON, BIRD),
        (Options, {"deep": True, "limit": None}, {"deep": True, "limit": None}),
        (dict[str, Colour], {"a": "red"}, {"a": Colour.RED}),
        (tuple[int, Colour], [1, "blue"], (1, Colour.BLUE)),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Literal["a", 3], 3, 3),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (str, "x", "x"),
    ],
)
def test_a_value_comes_back_as_its_type(kind: Any, given: Any, expected: Any) -> None:
    schema, build = described(kind)
    machine(schema)  # it can be honoured
    assert build(given) == expected
    assert type(build(given)) is type(expected)


def test_a_dataclass_requires_what_has_no_default() -> None:
    schema, _ = described(Bird)
    assert schema["$defs"]["Bird"]["required"] == ["name", "colour"]
    assert schema["$defs"]["Bird"]["additionalProperties"] is False
    assert described(Options)[0]["$defs"]["Options"]["required"] == ["deep"]


def test_a_schema_passes_as_it_is() -> None:
    schema, build = described({"type": "integer"})
    assert (schema, build(3)) == ({"type": "integer"}, 3)


def test_a_class_that_describes_itself_is_asked() -> None:
    class Model:
        @classmethod
        def model_json_schema(cls) -> dict[str, Any]:
            return {"type": "integer"}

        @classmethod
        def model_validate(cls, value: Any) -> str:
            return f"validated {value}"

    schema, build = described(Model)
    assert (schema, build(3)) == ({"type": "integer"}, "validated 3")


@pytest.mark.parametrize("kind", [complex, set[int], type("Engine", (), {}), dict[int, str]])
def test_a_type_without_a_schema_is_refused(kind: Any) -> None:
    with pytest.raises(UsageError, match="has no JSON Schema"):
        described(kind)
