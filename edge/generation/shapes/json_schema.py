"""JSON Schema (2020-12, a subset) as a language of JSON texts.

Job: every text of the language is valid by the schema. Keywords that cannot be honoured are refused by name,
never ignored; annotations (title, description …) say nothing about the text.
What is written is narrower than what the schema permits: keys in the schema's order, no key that the schema
does not name (unless it names none), numbers of at most 15 digits, one space at most after `,` and `:`.
Ignorance: tokens, Python types.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edge.errors import UsageError
from edge.generation.shapes import pattern as patterns
from edge.generation.shapes.automaton import ANY, Expression, Many, Or, integers, raw
from edge.generation.shapes.disjoint import TYPES, disjoint, is_a, resolved
from edge.generation.shapes.json_text import (
    LARGEST,
    NUMBER,
    between,
    constant,
    fields,
    keys,
    mapping,
    member,
    quoted,
    sequence,
    string,
    terminal,
)
from edge.generation.shapes.pushdown import Alt, Machine, Node, Ref, Terminal

MAX_BYTES = 1 << 18  # of a schema as JSON
MAX_ITEMS = 2000  # of an array with a bound
_ANNOTATIONS = frozenset((
    "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
    "discriminator", "$schema", "$id", "$comment", "$defs", "definitions",
))  # fmt: skip
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "object": frozenset(("properties", "required", "additionalProperties")),
    "array": frozenset(("items", "prefixItems", "minItems", "maxItems")),
    "string": frozenset(("minLength", "maxLength", "pattern", "format")),
    "integer": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    "number": frozenset(("minimum", "maximum")), "boolean": frozenset(), "null": frozenset(),
}  # fmt: skip
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
)
_DATE = rf"[12]\d{{3}}-{_DAY}"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_FORMATS = {
    "date": _DATE, "time": _TIME, "date-time": f"{_DATE}T{_TIME}",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "ipv4": r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)",
}  # fmt: skip


def machine(schema: Any) -> Machine:
    """The language of a schema: a mapping, True, or {} for any value.

    Raises:
        UsageError: a keyword that cannot be honoured, a malformed schema, or one that no text satisfies.
    """
    text = written(schema)
    try:
        return Machine(_Compiler(json.loads(text)).root())
    except RecursionError as error:
        raise UsageError("the schema is nested too deeply; make it flatter, or use $defs") from error


def written(schema: Any) -> str:
    """The schema as JSON text.

    Raises:
        UsageError: it is not plain JSON, or too large.
    """
    try:
        text = json.dumps(schema, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the schema is not plain JSON: {error}") from error
    if size > MAX_BYTES:
        raise UsageError(f"the schema has {size} bytes as JSON, more than {MAX_BYTES}; make it smaller")
    return text


class _Compiler:
    """One schema; definitions become nodes when they are first named."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._definitions: dict[str, Node] = {}
        self._makers: Mapping[str, Callable[[Mapping[str, Any], str], Node]] = {
            "object": self._object, "array": self._array, "string": self._string,
            "integer": self._integer, "number": self._number,
            "boolean": lambda schema, at: terminal(Or((raw("true"), raw("false")))),
            "null": lambda schema, at: terminal(raw("null")),
        }  # fmt: skip

    def root(self) -> Node:
        return self._node(self._schema, "#")

    def _node(self, schema: Any, at: str) -> Node:
        if schema is True or schema == {}:
            return self._anything()
        if not isinstance(schema, dict):
            raise UsageError(f"the schema at {at} is {schema!r}, expected an object: nothing matches it")
        said = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
        if said.pop("nullable", False):
            return Alt(self._node({**said, "nullable": False}, at), terminal(raw("null")))
        for keyword, make in self._combiners().items():
            if keyword in said:
                _only(said, {keyword, *(("type",) if keyword in ("enum", "const") else ())}, at)
                return make(said, at)
        if not said:
            return self._anything()
        kinds = self._kinds(said, at)
        _only(said, {"type"}.union(*(_OF_TYPE[kind] for kind in kinds)), at)
        options = [self._makers[kind](said, at) for kind in kinds]
        return options[0] if len(options) == 1 else Alt(*options)

    def _combiners(self) -> Mapping[str, Callable[[Mapping[str, Any], str], Node]]:
        return {
            "$ref": lambda schema, at: self._reference(schema["$ref"], at),
            "enum": lambda schema, at: self._values(schema, schema["enum"], f"{at}/enum"),
            "const": lambda schema, at: self._values(schema, [schema["const"]], f"{at}/const"),
            "anyOf": lambda schema, at: self._any_of(schema["anyOf"], f"{at}/anyOf"),
            "oneOf": lambda schema, at: self._one_of(schema["oneOf"], f"{at}/oneOf"),
            "allOf": lambda schema, at: self._all_of(schema["allOf"], f"{at}/allOf"),
        }

    def _kinds(self, schema: Mapping[str, Any], at: str) -> list[str]:
        """The types that are meant; keywords of one type alone mean that type."""
        given = schema.get("type")
        kinds = given if isinstance(given, list) else [given] if given is not None else []
        if given is None:
            _only(schema, frozenset().union(*_OF_TYPE.values()), at)
            kinds = [kind for kind, words in _OF_TYPE.items() if words & schema.keys()]
            if len(kinds) != 1:
                raise UsageError(f"the schema at {at} has {_listed(schema)} and no type; say its type")
        wrong = [kind for kind in kinds if kind not in TYPES]
        if wrong or not kinds:
            raise UsageError(f"the schema at {at} has the type {given!r}, expected of {', '.join(TYPES)}")
        return kinds

    # --- combinations -----------------------------------------------------------------------------

    def _reference(self, name: Any, at: str) -> Node:
        if not isinstance(name, str):
            raise UsageError(f"the schema at {at} has a $ref that is no text: {name!r}")
        if name not in self._definitions:
            self._definitions[name] = Alt()  # a recursive definition finds itself here
            self._definitions[name] = self._node(resolved(self._schema, name, at), name)
        return Ref(name, self._definitions)

    def _values(self, schema: Mapping[str, Any], values: Any, at: str) -> Node:
        if not isinstance(values, list) or not values:
            raise UsageError(f"the schema at {at} needs at least one value")
        given = schema.get("type")
        kinds = given if isinstance(given, list) else [given]
        fit = [value for value in values if given is None or any(is_a(value, kind) for kind in kinds)]
        if not fit:
            raise UsageError(f"the schema at {at} has no value of the type {given!r}")
        return terminal(Or(tuple(constant(value) for value in fit)))

    def _any_of(self, schemas: Any, at: str) -> Node:
        if not isinstance(schemas, list) or not schemas:
            raise UsageError(f"the schema at {at} needs at least one schema")
        return Alt(*(self._node(schema, f"{at}/{i}") for i, schema in enumerate(schemas)))

    def _one_of(self, schemas: Any, at: str) -> Node:
        node = self._any_of(schemas, at)
        for i, one in enumerate(schemas):
            for other in schemas[i + 1 :]:
                if not disjoint(self._schema, one, other, at):
                    raise UsageError(
                        f"oneOf at {at} cannot be honoured: two of its schemas may match one value; use "
                        "anyOf, or give each a required property with a const of its own"
                    )
        return node

    def _all_of(self, schemas: Any, at: str) -> Node:
        if not isinstance(schemas, list) or len(schemas) != 1:
            raise UsageError(
                f"allOf at {at} cannot be honoured but with a single schema; merge them into one"
            )
        return self._node(schemas[0], f"{at}/0")

    # --- types ------------------------------------------------------------------------------------

    def _anything(self) -> Node:
        if "any" not in self._definitions:
            options = Alt()
            self._definitions["any"] = options
            one = Ref("any", self._definitions)
            scalars = [terminal(Or((raw("true"), raw("false"), raw("null")))), terminal(NUMBER)]
            options.options += [
                string(), *scalars,
                sequence("[", "]", lambda k: one, 0, None), mapping(one),
            ]  # fmt: skip
        return Ref("any", self._definitions)

    def _integer(self, schema: Mapping[str, Any], at: str) -> Node:
        given = {word: _bound(schema, word, at) for word in _OF_TYPE["integer"] if word in schema}
        low = max(
            math.ceil(given.get("minimum", -LARGEST)),
            math.floor(given.get("exclusiveMinimum", -LARGEST - 1)) + 1,
        )
        high = min(
            math.floor(given.get("maximum", LARGEST)),
            math.ceil(given.get("exclusiveMaximum", LARGEST + 1)) - 1,
        )
        return terminal(integers(*_ordered(low, high, at)))

    def _number(self, schema: Mapping[str, Any], at: str) -> Node:
        given = {word: _bound(schema, word, at) for word in ("minimum", "maximum") if word in schema}
        if not given:
            return terminal(NUMBER)
        for word, value in given.items():
            if value != int(value):
                raise UsageError(
                    f"{word} {value} at {at} cannot be honoured: only whole bounds of a number can"
                )
        low, high = int(given.get("minimum", -LARGEST)), int(given.get("maximum", LARGEST))
        return terminal(between(*_ordered(low, high, at)))

    def _string(self, schema: Mapping[str, Any], at: str) -> Node:
        least, most = _bounds(schema, "minLength", "maxLength", at)
        limits: list[Expression] = []
        if "pattern" in schema:
            if not isinstance(schema["pattern"], str):
                raise UsageError(f"the pattern at {at} is {schema['pattern']!r}, expected text")
            limits.append(patterns.parse(schema["pattern"]))
        if "format" in schema:
            if not isinstance(schema["format"], str) or schema["format"] not in _FORMATS:
                raise UsageError(
                    f"format {schema['format']!r} at {at} cannot be honoured, only {', '.join(_FORMATS)}; "
                    "say it as a pattern"
                )
            limits.append(patterns.parse(_FORMATS[schema["format"]], whole=True))
        if not limits:
            return string(least, most)
        if least or most is not None:
            limits.append(Many(ANY, least, most))
        return Terminal(quoted(limits))

    def _array(self, schema: Mapping[str, Any], at: str) -> Node:
        least, most = _bounds(schema, "minItems", "maxItems", at)
        prefix, others = schema.get("prefixItems", []), schema.get("items", {})
        if not isinstance(prefix, list):
            raise UsageError(f"prefixItems at {at} is {prefix!r}, expected a list")
        if others is False:
            most = len(prefix) if most is None else min(most, len(prefix))
        if max(least, most or 0) > MAX_ITEMS or (most is not None and least > most):
            raise UsageError(f"the array at {at} has {least} to {most} items, expected up to {MAX_ITEMS}")
        first = [self._node(item, f"{at}/prefixItems/{i}") for i, item in enumerate(prefix)]
        other = (
            None
            if others is False or (most is not None and most <= len(first))
            else (self._node(others, f"{at}/items"))
        )

        def item(index: int) -> Node:
            return first[index] if index < len(first) or other is None else other

        return sequence("[", "]", item, least, most, distinct=len(first))

    def _object(self, schema: Mapping[str, Any], at: str) -> Node:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        more = schema.get("additionalProperties", True)
        named = isinstance(required, list) and all(isinstance(name, str) for name in required)
        if not isinstance(properties, dict) or not named:
            raise UsageError(
                f"the object at {at} needs properties as an object and required as a list of keys"
            )
        missing = [name for name in required if name not in properties]
        if missing and more is False:
            raise UsageError(f"the object at {at} requires {missing[0]!r}, which it does not allow")
        properties = {**properties, **dict.fromkeys(missing, more)}
        if not properties and more is not False:
            return mapping(self._node(more, f"{at}/additionalProperties"))
        extra = None
        if more not in (True, False, {}):
            extra = member(keys(properties), self._node(more, f"{at}/additionalProperties"))
        members = [
            (constant(name), self._node(value, f"{at}/properties/{name}"), name in required)
            for name, value in properties.items()
        ]
        return fields(members, extra)


def _only(schema: Mapping[str, Any], known: Iterable[str], at: str) -> None:
    stray = sorted(set(schema) - set(known) - {"nullable"})
    if stray:
        beside = ", ".join(sorted(set(schema) & set(known)))
        raise UsageError(
            f"the keyword {stray[0]!r} at {at} cannot be honoured{f' beside {beside}' if beside else ''}; "
            "leave it out and check the value yourself, or say it in another way"
        )


def _bounds(schema: Mapping[str, Any], low: str, high: str, at: str) -> tuple[int, int | None]:
    least, most = schema.get(low, 0), schema.get(high)
    good = type(least) is int and least >= 0 and (most is None or (type(most) is int and most >= least))
    if not good:
        raise UsageError(f"{low} {least!r} and {high} {most!r} at {at} are no bounds of a length")
    return least, most


def _bound(schema: Mapping[str, Any], keyword: str, at: str) -> float:
    value = schema[keyword]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{keyword} at {at} is {value!r}, expected a number")
    return value


def _ordered(low: int, high: int, at: str) -> tuple[int, int]:
    low, high = max(low, -LARGEST), min(high, LARGEST)
    if low > high:
        raise UsageError(f"the schema at {at} allows no number of up to 15 digits: {low} is above {high}")
    return low, high


def _listed(schema: Mapping[str, Any]) -> str:
    return ", ".join(sorted(schema)) or "nothing"
