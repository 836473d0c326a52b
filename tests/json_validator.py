"""Whether a value is valid by a JSON Schema: the keywords that Edge honours, from their definitions.

Independent of edge.generation.shapes on purpose: it looks at values, never at texts.
"""

from __future__ import annotations

import math
import re
from typing import Any


def valid(value: Any, schema: Any, root: Any = None) -> bool:
    root = schema if root is None else root
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target[step] if step else target
        return valid(value, target, root)
    if schema.get("nullable") and value is None:
        return True
    checks = [
        "type" not in schema or any(is_a(value, kind) for kind in listed(schema["type"])),
        "enum" not in schema or any(same(value, one) for one in schema["enum"]),
        "const" not in schema or same(value, schema["const"]),
        "anyOf" not in schema or any(valid(value, one, root) for one in schema["anyOf"]),
        "oneOf" not in schema or sum(valid(value, one, root) for one in schema["oneOf"]) == 1,
        all(valid(value, one, root) for one in schema.get("allOf", ())),
    ]
    if not all(checks):
        return False
    if isinstance(value, dict):
        return valid_object(value, schema, root)
    if isinstance(value, list):
        return valid_array(value, schema, root)
    if isinstance(value, str):
        return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)) and (
            "pattern" not in schema or re.search(schema["pattern"], value) is not None
        )
    if is_a(value, "number"):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value) and (
            schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        )
    return True


def valid_object(value: dict[str, Any], schema: Any, root: Any) -> bool:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    return set(schema.get("required", ())) <= value.keys() and all(
        valid(item, properties.get(name, more), root) for name, item in value.items()
    )


def valid_array(value: list[Any], schema: Any, root: Any) -> bool:
    prefix, others = schema.get("prefixItems", []), schema.get("items", True)
    return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)) and all(
        valid(item, prefix[i] if i < len(prefix) else others, root) for i, item in enumerate(value)
    )


def is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "null": type(None)}
    return whole if kind == "integer" else kind in kinds and isinstance(value, kinds[kind])


def same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def listed(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]
