"""Can one value match two schemas? And what a schema refers to.

Job: look references up; prove two schemas disjoint by their values, types, or a required property that tells
them apart. Ignorance: languages. What cannot be proven counts as not disjoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.errors import UsageError

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")


def _looked_up(root: Any, schema: Any, at: str) -> Mapping[str, Any]:
    seen: set[str] = set()
    while isinstance(schema, dict) and "$ref" in schema and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        schema = resolved(root, schema["$ref"], at)
    return schema if isinstance(schema, dict) else {}


def disjoint(root: Any, one: Any, other: Any, at: str, deep: int = 3) -> bool:
    """Whether surely no value matches both schemas of `root`."""
    one, other = _looked_up(root, one, at), _looked_up(root, other, at)
    values, others = _allowed_values(one), _allowed_values(other)
    if values is not None and others is not None:
        return not any(_same(a, b) for a in values for b in others)
    types = [{kind for kind in TYPES if _may_be(schema, kind)} for schema in (one, other)]
    if not types[0] & types[1]:
        return True
    if types[0] & types[1] != {"object"} or deep == 0:
        return False
    shared = set(one.get("required", ())) & set(other.get("required", ()))
    pairs = [
        [_looked_up(root, schema.get("properties", {}).get(name, {}), at) for schema in (one, other)]
        for name in shared
    ]
    return any(disjoint(root, a, b, at, deep - 1) for a, b in pairs)


def _may_be(schema: Mapping[str, Any], kind: str) -> bool:
    values = _allowed_values(schema)
    if values is not None:
        return any(is_a(value, kind) for value in values)
    given = schema.get("type")
    if given is None or {"anyOf", "oneOf", "allOf", "$ref"} & schema.keys():
        return True
    kinds = [
        *(given if isinstance(given, list) else [given]),
        *(["null"] if schema.get("nullable") else []),
    ]
    return kind in kinds or (kind in ("integer", "number") and bool({"integer", "number"} & set(kinds)))


def resolved(schema: Any, name: str, at: str) -> Any:
    """What a reference inside of this schema points at."""
    found = schema
    steps = name[2:].split("/") if name.startswith("#/") else [] if name == "#" else None
    if steps is None:
        raise UsageError(
            f"$ref {name!r} at {at} cannot be honoured: only references inside of the schema can"
        )
    for step in steps:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            raise UsageError(f"$ref {name!r} at {at} points at nothing")
    return found


def _allowed_values(schema: Mapping[str, Any]) -> list[Any] | None:
    null = [None] if schema.get("nullable") else []
    if "const" in schema:
        return [schema["const"], *null]
    return [*schema["enum"], *null] if isinstance(schema.get("enum"), list) else None


def is_a(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type; 1 and 1.0 are one number, True is none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    tests = {
        "object": isinstance(value, dict), "array": isinstance(value, list), "string": isinstance(value, str),
        "integer": number and value == int(value), "number": number,
        "boolean": isinstance(value, bool), "null": value is None,
    }  # fmt: skip
    return tests.get(kind, False)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
