"""Random walks through masks always end in JSON that an independent validator accepts."""

from __future__ import annotations

import contextlib
import gc
import json
import random
from typing import Any

import pytest

from edge.errors import UsageError
from edge.generation.shapes import pattern
from edge.generation.shapes.automaton import Automaton, compiled
from edge.generation.shapes.json_schema import machine
from edge.generation.shapes.masks import Language, Matcher, Pieces
from edge.generation.shapes.pushdown import Machine, Terminal
from tests.json_validator import valid

MERGED = [
    b'", "',
    b'":',
    b'{"',
    b'"}',
    b"hello",
    b" wor",
    b'ld"',
    b"}}",
    b"12",
    b", ",
    b'["',
    b"true",
    b"\xc3\xa9",
    b'\\"',
    b"  ",
    b'":"',
    b"null,",
    b"\\u00",
    b"]}",
    b'"]',
    b"-1",
    b".5",
    b"e1",
    b"\xe2\x82",
    b"name",
    b"abc",
    b'""',
    b"},{",
    b"},",
    b": ",
    b'": ',
    b'{"a":1}',
]
PIECES = [bytes([i]) for i in range(256)] + MERGED
VOCABULARY = Pieces(PIECES.__getitem__, range(len(PIECES)))

SCHEMAS: dict[str, Any] = {
    "strings": {"type": "string"},
    "short": {"type": "string", "minLength": 2, "maxLength": 4},
    "long": {"type": "string", "minLength": 30},
    "empty": {"type": "string", "maxLength": 0},
    "pattern": {"type": "string", "pattern": '^[a-c"]{2,3}(x|\\d+)?$'},
    "loose pattern": {"type": "string", "pattern": "b|^z", "maxLength": 5, "minLength": 3},
    "integers": {"type": "integer"},
    "range": {"type": "integer", "minimum": -12, "exclusiveMaximum": 1234},
    "half-open": {"type": "integer", "exclusiveMinimum": 99.5},
    "negative": {"type": "integer", "minimum": -1000, "maximum": -7},
    "numbers": {"type": "number"},
    "probability": {"type": "number", "minimum": 0, "maximum": 1},
    "signed": {"type": "number", "minimum": -3, "maximum": 2},
    "below": {"type": "number", "maximum": -2},
    "scalars": {"type": ["boolean", "null", "integer"]},
    "enum": {"enum": ["a", 'b"é\n', 3, None, True, 2.5, {"k": [1]}]},
    "typed enum": {"type": "string", "enum": ["a", 3, "b"]},
    "const": {"const": {"x": "y"}},
    "anything": {},
    "list": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4},
    "open list": {"type": "array", "items": {"enum": [1, 22]}, "minItems": 1},
    "empty list": {"type": "array", "items": False},
    "tuple": {
        "type": "array",
        "prefixItems": [{"const": 1}, {"type": "boolean"}],
        "minItems": 1,
        "items": False,
    },
    "tuple and more": {"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "maxItems": 3},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "object": {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            'b"\n': {"type": "string", "maxLength": 3},
            "c": {"const": 0},
        },
        "required": ["c"],
        "additionalProperties": False,
    },
    "all optional": {"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}},
    "extra": {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": {"const": True}},
    "nothing named": {"type": "object", "required": ["k"], "additionalProperties": {"const": 1}},
    "no members": {"type": "object", "additionalProperties": False},
    "nullable": {
        "type": "object",
        "properties": {"a": {"type": "integer", "nullable": True}},
        "required": ["a"],
    },
    "union": {
        "anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "boolean"}}, {"type": "null"}]
    },
    "tagged": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"k": {"const": "a"}, "n": {"type": "integer"}},
                "required": ["k", "n"],
            },
            {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]},
        ]
    },
    "tree": {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "required": ["v"],
                "additionalProperties": False,
                "properties": {
                    "v": {"type": "integer", "minimum": 0, "maximum": 9},
                    "in": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2},
                },
            }
        },
    },
    "chain": {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
        "additionalProperties": False,
    },
    "all of one": {"allOf": [{"type": "boolean"}]},
}


def walk(schema: Any, seed: int, most: int = 3000) -> str:
    """A text that random choices among the allowed ids write."""
    rng, matcher, data = random.Random(seed), Matcher(Language(machine(schema), VOCABULARY)), b""
    while not matcher.final and len(data) < most:
        mask = matcher.mask
        if mask.complete and (not len(mask.ids) or rng.random() < 0.3):
            break
        ids = mask.ids.tolist()
        closing = [i for i in ids if PIECES[i][-1:] in (b'"', b"]", b"}")]
        token = rng.choice(closing if closing and rng.random() < 0.2 else ids)  # or strings would hardly end
        matcher.accept(token)
        data += PIECES[token]
    assert matcher.mask.complete, data
    return data.decode()


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_choices_among_the_allowed_write_valid_json(name: str) -> None:
    for seed in range(6):
        text = walk(SCHEMAS[name], seed)
        assert valid(json.loads(text), SCHEMAS[name]), text


def random_schema(rng: random.Random, depth: int = 3) -> dict[str, Any]:
    kinds = ["string", "integer", "number", "boolean", "null", "enum"]
    kind = rng.choice(kinds + ["object", "array", "anyOf"] * 2 if depth else kinds)
    if kind == "string":
        least = rng.randrange(4)
        return {"type": kind, "minLength": least, "maxLength": least + rng.randrange(6)}
    if kind == "integer":
        low = rng.randrange(-2000, 2000)
        return {"type": kind, "minimum": low, "maximum": low + rng.choice((0, 7, 5000))}
    if kind == "enum":
        return {"enum": rng.sample([0, 1, "", "é", 'q"', None, False, [1, 2], {"a": {}}], 3)}
    if kind == "anyOf":
        return {"anyOf": [random_schema(rng, depth - 1) for _ in range(rng.randrange(1, 4))]}
    if kind == "array":
        least = rng.randrange(3)
        return {
            "type": kind,
            "items": random_schema(rng, depth - 1),
            "minItems": least,
            "maxItems": least + 2,
        }
    if kind == "object":
        names = rng.sample(["a", "ab", "é", 'x"y', "", "n"], rng.randrange(5))
        return {
            "type": kind,
            "properties": {name: random_schema(rng, depth - 1) for name in names},
            "required": [name for name in names if rng.random() < 0.5],
            "additionalProperties": False,
        }
    return {"type": kind}


@pytest.mark.parametrize("seed", range(40))
def test_random_schemas_are_kept(seed: int) -> None:
    schema = random_schema(random.Random(seed))
    text = walk(schema, seed, 20_000)
    assert valid(json.loads(text), schema), (schema, text)


def allows(schema: Any, text: str) -> bool:
    """Whether the language holds a text, byte by byte."""
    language = machine(schema)
    end = language.run(language.start, text.encode())
    return end is not None and end.complete


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (SCHEMAS["range"], ["-12", "0", "9", "1233"], ["-13", "1234", "01", "-0", "1.0", "12345", " 1"]),
        (
            SCHEMAS["probability"],
            ["0", "1", "1.0", "0.25", "0.999"],
            ["1.1", "-0.1", "2", "1e-1", ".5", "0."],
        ),
        (SCHEMAS["signed"], ["-3", "-2.9", "-0.5", "1.9", "2"], ["-3.1", "2.1", "3"]),
        (SCHEMAS["numbers"], ["-1.5e-3", "10", "0.1"], ["1e999", "01", "+1", "NaN", "1.", "Infinity"]),
        (SCHEMAS["short"], ['"ab"', '"é€😀"', '"\\n\\u00e9"'], ['"a"', '"abcde"', '"a\nb"', '"\\ud800aa"']),
        (SCHEMAS["pattern"], ['"ab"', '"a\\"cx"', '"abc123"'], ['"ab1x"', '"d"', '"\\u0061b"', '"abcc"']),
        (
            SCHEMAS["object"],
            ['{"c":0}', '{"a": 1, "c": 0}'],
            ["{}", '{"c":0,"a":1}', '{"c":0,"d":1}', '{"a":1}'],
        ),
        (
            SCHEMAS["all optional"],
            ["{}", '{"b":2}', '{"a":1,"c":3}'],
            ['{"b":2,}', '{,"b":2}', '{"a":1 ,"c":3}'],
        ),
        (
            SCHEMAS["extra"],
            ['{"a":1,"b":true}', '{"b":true}', '{"aa":true}'],
            ['{"a":true}', '{"a":1,"a":true}'],
        ),
        (SCHEMAS["tagged"], ['{"k":"b"}', '{"k":"a","n":1}'], ['{"k":"a"}', '{"k":"c"}']),
        (SCHEMAS["typed enum"], ['"a"', '"b"'], ["3", '"c"', "a"]),
        (
            {"type": "string", "format": "date"},
            ['"2024-02-28"'],
            ['"2024-02-30"', '"2024-13-01"', '"24-01-01"'],
        ),
    ],
)
def test_what_a_schema_allows_and_what_not(schema: Any, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not allows(schema, text)] == []
    assert [text for text in bad if allows(schema, text)] == []


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "string", "contentEncoding": "base64"}, "contentEncoding"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "contains": {}}, "contains"),
        ({"type": "object", "patternProperties": {}}, "patternProperties"),
        ({"type": "object", "minProperties": 1}, "minProperties"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "#/properties/a"),
        ({"type": "number", "multipleOf": 3}, "multipleOf"),
        ({"type": "number", "minimum": 0.5}, "minimum 0.5"),
        ({"type": "number", "exclusiveMinimum": 0}, "exclusiveMinimum"),
        ({"type": "string", "minimum": 3}, "minimum"),
        ({"type": "string", "format": "email"}, "email"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "string", "pattern": "(a)\\1"}, r"\\1"),
        ({"type": "string", "pattern": "^ab$", "minLength": 3}, "matches nothing"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength 3"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "3 is above 2"),
        ({"type": "whatever"}, "whatever"),
        ({"type": "object", "anyOf": [{}]}, "'type'"),
        ({"if": {}, "then": {}}, "'if'"),
        ({"minLength": 1, "minItems": 1}, "no type"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
        ({"oneOf": [{"type": "object"}, {"properties": {"a": {}}, "type": "object"}]}, "oneOf"),
        ({"allOf": [{}, {}]}, "allOf"),
        ({"$ref": "other.json"}, "other.json"),
        ({"$ref": "#/$defs/none"}, "points at nothing"),
        ({"$ref": "#"}, "ends within"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "ends within"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "'a'"),
        ({"enum": []}, "at least one"),
        ({"type": "array", "maxItems": 10**9}, "1000000000"),
        ({"type": "array", "items": [{}]}, "expected an object"),
        (False, "nothing matches"),
        ({"const": float("nan")}, "plain JSON"),
        ({"const": "\ud800"}, "plain JSON"),
        ({"enum": ["x" * 300_000]}, "300"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(schema: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        machine(schema)


@pytest.mark.parametrize("keyword", [
    "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties", "required",
    "additionalProperties",
    "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "nullable", "$defs", "title",
])  # fmt: skip
def test_malformed_schemas_are_refused_or_honoured_but_never_crash(keyword: str) -> None:
    values: list[Any] = [
        None,
        True,
        -1,
        2.5,
        1e300,
        "",
        "x",
        "string",
        [],
        [[]],
        [{}],
        [None],
        {},
        {"a": 1},
        {"a": []},
    ]
    for value in values:
        for beside in ({}, {"type": "string"}, {"type": "object"}, {"type": "array"}, {"type": "integer"}):
            with contextlib.suppress(UsageError):
                machine({**beside, keyword: value})


def test_a_nullable_const_is_not_disjoint_from_null() -> None:
    with pytest.raises(UsageError, match="oneOf"):
        machine({"oneOf": [{"const": 1, "nullable": True}, {"const": None}]})


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: Any = {}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(UsageError):
        machine(schema)


def test_masks_are_what_following_every_piece_says() -> None:
    """The vectorised mask against the plain path: each piece, byte by byte."""
    for name in ("object", "short", "tree", "anything", "extra", "signed", "loose pattern"):
        rng, language = random.Random(name), Language(machine(SCHEMAS[name]), VOCABULARY)
        matcher = Matcher(language)
        for _ in range(60):
            state, mask = matcher._state, sorted(matcher.mask.ids.tolist())
            assert mask == [i for i, p in enumerate(PIECES) if language.machine.run(state, p) is not None]
            if not mask:
                break
            matcher.accept(rng.choice(mask))


def test_a_vocabulary_that_cannot_write_the_answer_is_refused_not_looped() -> None:
    poor = Pieces(lambda i: b"a", range(1))
    with pytest.raises(UsageError, match="vocabulary cannot write"):
        _ = Matcher(Language(machine({"type": "integer"}), poor)).mask


def test_an_id_outside_of_the_language_is_refused() -> None:
    matcher = Matcher(Language(machine({"type": "integer"}), VOCABULARY))
    with pytest.raises(ValueError, match="leaves the language"):
        matcher.accept(ord("a"))


def test_what_a_language_left_behind_goes_with_it() -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, Automaton) for one in gc.get_objects())

    def used(number: int) -> None:
        terminal = Terminal(compiled(pattern.parse(f"word {number}", whole=True)))
        _ = Matcher(Language(Machine(terminal), VOCABULARY)).mask

    used(0)
    before = alive()
    for number in range(1, 20):
        used(number)
    assert alive() == before
