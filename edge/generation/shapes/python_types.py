"""From Python types to JSON Schema, and from the JSON back to their values.

Job: dataclasses, TypedDicts, enums, Literal, unions, lists, tuples, dicts, plain types; and any class that
describes itself (`model_json_schema`, as pydantic's do). What has no schema is refused by name.
Ignorance: functions (edge.tools), languages.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Callable, Mapping
from typing import (
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from edge.errors import UsageError

Build = Callable[[Any], Any]  # from parsed JSON to the value that was asked for

_PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    None: {"type": "null"}, types.NoneType: {"type": "null"}, Any: {}, object: {},
    dict: {"type": "object"}, list: {"type": "array"},
}  # fmt: skip


def described(thing: Any) -> tuple[Any, Build]:
    """The schema of what a caller asks for: a schema as it is, or a type.

    Raises:
        UsageError: the type has no schema.
    """
    if isinstance(thing, Mapping):
        return dict(thing), _same
    if isinstance(thing, bool):
        return thing, _same
    if hasattr(thing, "model_json_schema") and hasattr(thing, "model_validate"):
        return thing.model_json_schema(), thing.model_validate
    writer = Writer()
    schema = writer.schema(thing)
    if writer.definitions:
        schema = {**schema, "$defs": writer.definitions}
    return schema, lambda value: built(thing, value)


def _same(value: Any) -> Any:
    return value


class Writer:
    """One schema; classes become definitions, so that they may name themselves."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def schema(self, kind: Any) -> dict[str, Any]:
        if hasattr(kind, "model_json_schema"):
            raise UsageError(
                f"{kind.__name__} describes itself and cannot be part of another type; pass it alone"
            )
        if _hashable(kind) and kind in _PLAIN:
            return dict(_PLAIN[kind])
        origin, inside = get_origin(kind), get_args(kind)
        if origin is Literal:
            return {"enum": list(inside)}
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.schema(option) for option in inside]}
        if origin in (Required, NotRequired):
            return self.schema(inside[0])
        if origin is list:
            return {"type": "array", "items": self.schema(inside[0])}
        if origin is dict and inside[0] is str:
            return {"type": "object", "additionalProperties": self.schema(inside[1])}
        if origin is tuple and inside and inside[-1] is not Ellipsis:
            size = len(inside)
            items = [self.schema(item) for item in inside]
            return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
        if origin is tuple and len(inside) == 2:
            return {"type": "array", "items": self.schema(inside[0])}
        if isinstance(kind, type):
            return self._class(kind)
        raise UsageError(f"{kind!r} has no JSON Schema here; use a dataclass, a TypedDict or plain types")

    def _class(self, kind: type) -> dict[str, Any]:
        if issubclass(kind, enum.Enum):
            return {"enum": [member.value for member in kind]}
        if not dataclasses.is_dataclass(kind) and not is_typeddict(kind):
            raise UsageError(
                f"{kind.__name__} has no JSON Schema here; use a dataclass, a TypedDict or plain types"
            )
        if kind not in self._names:
            self._names[kind] = name = f"{kind.__name__}{len(self._names) or ''}"
            required = sorted(_required(kind), key=list(_fields(kind)).index)
            members = {field: self.schema(hint) for field, hint in _fields(kind).items()}
            self.definitions[name] = {
                "type": "object", "properties": members, "required": required, "additionalProperties": False,
            }  # fmt: skip
        return {"$ref": f"#/$defs/{self._names[kind]}"}


def built(kind: Any, value: Any) -> Any:
    """The value of a type, from parsed JSON that its schema allows."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return next((built(option, value) for option in inside if fits(option, value)), value)
    if origin is list:
        return [built(inside[0], item) for item in value]
    if origin is dict:
        return {name: built(inside[1], item) for name, item in value.items()}
    if origin is tuple:
        kinds = [inside[0]] * len(value) if inside[-1] is Ellipsis else inside
        return tuple(built(one, item) for one, item in zip(kinds, value, strict=True))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _fields(kind)
        return kind(**{name: built(hints[name], item) for name, item in value.items()})
    return float(value) if kind is float else value


def fits(kind: Any, value: Any) -> bool:
    """Whether a JSON value is one of a type's; enough to tell the options of a union apart."""
    origin = get_origin(kind) or kind
    if origin is Literal:
        return value in get_args(kind)
    if kind is None or kind is types.NoneType:
        return value is None
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return any(member.value == value for member in origin)
    if isinstance(origin, type) and (dataclasses.is_dataclass(origin) or is_typeddict(origin)):
        return isinstance(value, dict) and _required(origin) <= value.keys() <= _fields(origin).keys()
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, list if origin is tuple else origin) if isinstance(origin, type) else True


def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    if dataclasses.is_dataclass(kind):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
    return hints


def _required(kind: Any) -> set[str]:
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)  # __required_keys__ misses what is written as text
        marked = {name: get_origin(hint) for name, hint in hints.items()}
        by_total = kind.__required_keys__ - {name for name, mark in marked.items() if mark is NotRequired}
        return set(by_total) | {name for name, mark in marked.items() if mark is Required}
    missing = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    return {f.name for f in fields if f.init and f.default is missing and f.default_factory is missing}


def _hashable(kind: Any) -> bool:
    return type(kind).__hash__ is not None
