"""GBNF: what a grammar holds, by hand and against a plain recogniser; no prefix is a dead end; what cannot be
honoured is refused with its place."""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import json
import math
import random
from pathlib import Path

import llama_cpp.llama_cpp as native
import pytest

from edge.errors import UsageError
from edge.generation.shapes import gbnf, grammar
from edge.generation.shapes.grammar import machine
from edge.generation.shapes.masks import Language, Matcher, Pieces
from edge.generation.shapes.pushdown import Machine, Rest, State
from tests.grammars import GRAMMARS, Example, derives

MERGED = [
    "yes",
    "no",
    "{}",
    '":',
    '", "',
    "1. ",
    "((",
    "))",
    "]]",
    "</b>",
    "- ",
    "\r\n",
    "e4 ",
    "ab",
    "  ",
    "12",
]
PIECES = [bytes([i]) for i in range(256)] + [piece.encode() for piece in [*MERGED, "é", "ひら", "😀"]]
VOCABULARY = Pieces(PIECES.__getitem__, range(len(PIECES)))


def holds(language: Machine, text: str) -> bool:
    end = language.run(language.start, text.encode())
    return end is not None and end.complete


def depth(state: State) -> int:
    """How many pieces must still come, at least."""
    known: dict[Rest, int] = {}

    def below(rest: Rest) -> int:
        if rest not in known:
            known[rest] = min((1 + below(frame.rest) for frame in rest), default=0)
        return known[rest]

    return min(below(head.rest) for head in state.heads)


def completion(language: Machine, state: State, most: int = 20_000) -> bytes:
    """Bytes that end a text from here; the shallowest stacks are tried first."""
    order = itertools.count()
    waiting = [(depth(state), next(order), state, b"")]
    seen = {id(state)}
    while waiting:
        _, _, state, data = heapq.heappop(waiting)
        if state.complete:
            return data
        for byte in range(256):
            following = language.step(state, byte)
            if following is not None and id(following) not in seen:
                seen.add(id(following))
                heapq.heappush(
                    waiting, (depth(following) + len(data), next(order), following, data + bytes([byte]))
                )
        assert len(seen) < most
    raise AssertionError("a dead end")


@pytest.mark.parametrize("name", GRAMMARS)
@pytest.mark.parametrize("largest", [1, 6, grammar.LARGEST])
def test_what_a_grammar_holds_and_what_not(name: str, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same language, whether its parts become terminals or nodes."""
    monkeypatch.setattr(grammar, "LARGEST", largest)
    example, language = GRAMMARS[name], machine(GRAMMARS[name].source)
    assert [text for text in example.good if not holds(language, text)] == []
    assert [text for text in example.bad if holds(language, text)] == []


@pytest.mark.parametrize("name", GRAMMARS)
def test_random_choices_among_the_allowed_stay_in_the_grammar_and_can_always_end(name: str) -> None:
    source = GRAMMARS[name].source
    language = Language(machine(source), VOCABULARY)
    for seed in range(4):
        rng, matcher, data = random.Random(seed), Matcher(language), b""
        for _ in range(rng.randrange(25)):
            ids = matcher.mask.ids.tolist()
            if not ids:
                break
            token = rng.choice(ids if rng.random() < 0.7 else [i for i in ids if i >= 256] or ids)
            matcher.accept(token)
            data += PIECES[token]
        text = (data + completion(language.machine, matcher._state)).decode()
        assert derives(source, text), text
        if name == "json":
            json.loads(text)


@pytest.mark.parametrize("name", GRAMMARS)
def test_masks_are_what_following_every_piece_says(name: str) -> None:
    rng, language = random.Random(name), Language(machine(GRAMMARS[name].source), VOCABULARY)
    matcher = Matcher(language)
    for _ in range(25):
        state, mask = matcher._state, sorted(matcher.mask.ids.tolist())
        assert mask == [i for i, p in enumerate(PIECES) if language.machine.run(state, p) is not None]
        if not mask:
            break
        matcher.accept(rng.choice(mask))


def random_body(rng: random.Random, names: list[str], deep: int = 3) -> str:
    kind = rng.randrange(9 if deep else 3)
    if kind < 3:
        return rng.choice(['"a"', '"b"', '"ab"', '""', "[ab]", "[^a]", ".", *names])
    parts = [random_body(rng, names, deep - 1) for _ in range(rng.randrange(1, 4))]
    if kind < 5:
        return f"({' | '.join(parts)})"
    if kind < 7:
        return f"({' '.join(parts)})"
    return f"({parts[0]})" + rng.choice(["*", "+", "?", "{2}", "{1,}", "{0,3}", "{2,4}"])


def random_grammar(rng: random.Random) -> str:
    names = ["root", "x", "y-2"][: rng.randrange(1, 4)]
    return "\n".join(f"{name} ::= {random_body(rng, names, 4)}" for name in names)


def made(source: str, refusal: str) -> Machine | None:
    """The machine of a grammar; None where it is refused for this."""
    with contextlib.suppress(UsageError):
        return machine(source)
    with pytest.raises(UsageError, match=refusal):
        machine(source)
    return None


TEXTS = ["".join(text) for size in range(6) for text in itertools.product("ab", repeat=size)]


@pytest.mark.parametrize("block", range(6))
def test_random_grammars_hold_what_the_plain_recogniser_says(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar, "LARGEST", (1, 8, 1000)[block % 3])
    kept = 0
    for seed in range(30):
        source = random_grammar(random.Random(1000 * block + seed))
        language = made(source, r"left recursion|never ends")
        if language is None:
            continue
        kept += 1
        wrong = [text for text in TEXTS if holds(language, text) != derives(source, text)]
        assert wrong == [], source
        for text in TEXTS[:15]:
            state = language.run(language.start, text.encode())
            assert state is None or completion(language, state) is not None, (source, text)
    assert kept > 7


def test_a_grammar_that_is_ambiguous_everywhere_stays_small() -> None:
    language = machine('root ::= x*\nx ::= "a" x? "b" | "a" x? "c" | x2 | ""\nx2 ::= "a" x? [bc]')
    end = language.run(language.start, b"a" * 60 + b"bc" * 30)
    assert end is not None
    assert end.complete
    assert len(end.heads) < 12
    doubled = "\n".join(f"a{i} ::= (a{i + 1} a{i + 1})?" for i in range(60)).replace("a0 ::", "root ::")
    assert holds(machine(doubled + '\na60 ::= "x" | "y" root "z"'), "xxyxxzx")


def test_a_text_may_nest_far_deeper_than_the_stack_of_python() -> None:
    assert holds(machine('root ::= "(" root ")" | "x"'), "(" * 3000 + "x" + ")" * 3000)


@pytest.mark.parametrize(("part", "weight"), [("[^x]", 900), ("([ab] [ab])", 2000), ('("(" root ")")', 40)])
def test_counts_that_no_single_terminal_holds_are_still_exact(part: str, weight: int) -> None:
    least, most = weight - 7, weight
    one = "(a)" if "root" in part else "ab" if "(" in part else "é"
    language = machine(f'root ::= "a" | {part}{{{least},{most}}}')
    found = [count for count in (least - 1, least, most - 1, most, most + 1) if holds(language, one * count)]
    assert found == [least, most - 1, most]


def test_a_pattern_that_would_explode_as_a_table_becomes_nodes() -> None:
    language = machine('root ::= [ab]* "a" [ab]{20}')
    assert holds(language, "b" * 9 + "a" + "ab" * 10)
    assert not holds(language, "b" * 10 + "ab" * 10)


def test_line_ends_comments_and_spaces_may_stand_where_llama_cpp_has_them() -> None:
    source = (
        '# c\r\n\r\nroot\t::= # c\r\n ( "a" # c\r\n\r\n b ) { 1 , 2 } |\r\n  # c\r\n b\r\nb ::= [#] "#"?# c'
    )
    language = machine(source)
    assert [text for text in ("a#", "a##a#", "##", "a", "a#a#a#") if holds(language, text)] == [
        "a#",
        "a##a#",
        "##",
    ]


@pytest.mark.parametrize(
    ("source", "place", "named"),
    [
        ("", "line 1, column 1", "no rule is named root"),
        ('\n\n  item ::= "a"', "line 3, column 3", "no rule is named root"),
        ('root ::= "a" other', "line 1, column 14", "no rule is named other"),
        ('root ::= "a"\nx ::=\n  ("b" |\n\tgone)', "line 4, column 2", "gone"),
        ('root ::= "a"\nroot ::= "b"', "line 2, column 1", "second time"),
        ('root ::= root "a" | "b"', "line 1, column 1", "left recursion, root -> root"),
        ('root ::= "a" | x\nx ::= y "b"\ny ::= x | "c"', "line 2, column 1", "left recursion, x -> y -> x"),
        ('root ::= "a" x\nx ::= n [0-9]* x "b" | "c"\nn ::= "z"?', "line 2, column 1", "x -> x"),
        ('root ::= "a"\nx ::= ("b"? ("c"* | y))+ x\ny ::= "d"', "line 2, column 1", "left recursion"),
        ('root ::= "a" | "b" x\nx ::= "c" x', "line 2, column 1", "x never ends"),
        ('root ::= x\nx ::= "c" y{1,2}\ny ::= [d] x+', "line 1, column 1", "never ends"),
        ('root ::= "a\\q"', "line 1, column 12", r"\\q is no escape"),
        ('root ::=\r\n  "\\u12"', "line 2, column 4", "4"),
        ('root ::= "\\ud800"', "line 1, column 11", "surrogate"),
        ('root ::= [\\U00110000]', "line 1, column 11", "10FFFF"),
        ('root ::= "\\x4', "line 1, column 11", "hexadecimal"),
        ('root ::= "a', "line 1, column 10", "literal is open"),
        ("root ::= [a\n]", "line 1, column 10", "class is open"),
        ("root ::= []", "line 1, column 10", "matches nothing"),
        ("root ::= [^]", "line 1, column 10", "matches nothing"),
        ("root ::= [^\\x00-\\U0010FFFF]", "line 1, column 10", "matches nothing"),
        ("root ::= [0z-a]", "line 1, column 12", "backwards"),
        ('root ::= "a" (("b")', "line 1, column 14", "nothing closes"),
        ('root ::= ("a"\nb ::= "c"', "line 1, column 10", "nothing closes"),
        ('root ::= "a")', "line 1, column 13", r"'\)'"),
        ('root ::= "a"\n  | "b"', "line 2, column 3", "line before"),
        ('root ::= "a"\n "b"', "line 2, column 2", "name of a rule"),
        ('root ::= "a"\nb "c"', "line 2, column 3", "::="),
        ('root = "a"', "line 1, column 6", "::="),
        ("root ::= 'a'", "line 1, column 10", "double quotes"),
        ("root ::= <think>", "line 1, column 10", "token"),
        ("root ::= !<[7]>", "line 1, column 10", "token"),
        ("root ::= *", "line 1, column 10", "before it"),
        ('root ::= "a" | {2}', "line 1, column 16", "before it"),
        ('root ::= "a"{,3}', "line 1, column 13", "no count"),
        ('root ::= "a"{2 3}', "line 1, column 13", "no count"),
        ('root ::= "a"{3,2}', "line 1, column 13", "out of order"),
        ('root ::= "a"{2001}', "line 1, column 13", "2000"),
        ('root ::= "a" & "b"', "line 1, column 14", "'&'"),
        ("root ::= " + "(" * 101 + '"a"' + ")" * 101, "line 1, column 110", "100 deep"),
        ("root ::= \ud800", "line 1, column 10", "no character"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_with_its_place(source: str, place: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as refused:
        machine(source)
    assert f"the grammar, {place}: " in str(refused.value)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("root ::= " + "[ab]" * (1 << 15), "65536"),
        ('root ::= "' + "".join(map(str, range(5000))) + '"', "too many states"),
        ("root ::= " + "(" * 90 + '"a" root? "b"' + "){0,2000}" * 90, "too many parts"),
        ("root ::= [a]" + "*" * 20_000, "more than 100 repetitions"),
    ],
)
def test_a_grammar_that_would_grow_without_bound_is_refused_soon(source: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        machine(source)


def test_what_is_small_as_a_graph_needs_not_be_written_out() -> None:
    doubled = "\n".join(f"a{i} ::= a{i + 1} a{i + 1}" for i in range(500)).replace("a0 ::", "root ::")
    language = machine(doubled + '\na500 ::= "x"')  # 2**500 letters, each of which can be followed
    assert language.run(language.start, b"x" * 500) is not None
    assert not holds(language, "x" * 500)
    chain = "\n".join(f'a{i} ::= a{i + 1} | "{i}"' for i in range(2000)).replace("a0 ::", "root ::")
    assert holds(machine(chain + '\na2000 ::= "x"'), "1999")
    assert machine('root ::= ((("a"{2000}){2000}){2000}){2000}') is not None


@pytest.mark.parametrize("seed", range(200))
def test_malformed_grammars_are_refused_or_honoured_but_never_crash(seed: int) -> None:
    rng = random.Random(seed)
    example: Example = rng.choice(list(GRAMMARS.values()))
    source = list(example.source)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(source))
        source[at : at + rng.randrange(3)] = rng.choice('"\\[](){}|*+?^-.:=#\n x9é')
    language = made("".join(source), "the grammar, line")
    assert language is None or language.start.heads


def test_the_notation_is_read_as_written() -> None:
    rules = gbnf.parse('root ::= "a" [^b] x_1* # c\nx_1 ::= "\\x41\\u00e9\\U0001F600\\t\\"\\]"')
    assert list(rules) == ["root", "x_1"]
    assert bytes(low for low, _ in rules["x_1"].body.ranges).decode() == 'Aé😀\t"]'  # type: ignore[union-attr]


def test_llama_cpp_says_the_same(tiny_bundle: Path) -> None:
    """Each example through llama.cpp's own grammar sampler, byte by byte."""
    parameters = native.llama_model_default_params()
    parameters.vocab_only = True
    model = native.llama_model_load_from_file(str(tiny_bundle / "decoder.gguf").encode(), parameters)
    vocabulary = native.llama_model_get_vocab(model)
    piece, tokens, end = ctypes.create_string_buffer(16), dict[int, int](), 0
    for token in range(native.llama_vocab_n_tokens(vocabulary)):
        if native.llama_vocab_is_eog(vocabulary, token):
            end = token
        elif native.llama_token_to_piece(vocabulary, token, piece, 16, 0, False) == 1:
            tokens.setdefault(piece.raw[0], token)

    def theirs(source: str, text: str) -> bool:
        sampler = native.llama_sampler_init_grammar(vocabulary, source.encode(), b"root")
        for token in [*(tokens[byte] for byte in text.encode()), end]:
            one = (native.llama_token_data * 1)(native.llama_token_data(token, 1.0, 0.0))
            native.llama_sampler_apply(
                sampler, ctypes.byref(native.llama_token_data_array(one, 1, -1, False))
            )
            if one[0].logit == -math.inf:
                break
            if token != end:
                native.llama_sampler_accept(sampler, token)
        native.llama_sampler_free(sampler)
        return bool(one[0].logit != -math.inf)

    try:
        for name, example in GRAMMARS.items():
            texts = [text for text in (*example.good, *example.bad) if "\0" not in text]
            assert [text for text in texts if theirs(example.source, text)] == [
                text for text in example.good if text in texts
            ], name
    finally:
        native.llama_model_free(model)
