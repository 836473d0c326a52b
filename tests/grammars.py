"""Grammars as people write them, with texts that they hold and do not, and a plain recogniser to check by.

The recogniser tries every way through the rules as they were read, with no automaton, mask or byte in sight.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.generation.shapes.automaton import Chars, Raw
from edge.generation.shapes.gbnf import Body, Choice, Name, Repeat, Sequence, parse


@dataclass(frozen=True)
class Example:
    """A grammar and what it says of some texts."""

    source: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


GRAMMARS = {
    "yes or no": Example('root ::= "yes" | "no"', ("yes", "no"), ("", "y", "yesno", "no ", "Yes")),
    "arithmetic": Example(
        """
root   ::= (expr "=" ws number "\\n")+
expr   ::= term ([-+*/] ws term)*
term   ::= number | "(" ws expr ")" ws   # as deep as you like
number ::= [0-9]+ ws
ws     ::= [ \\t]*
""",
        ("1+1=2\n", "(1 + 2) * 3 = 9\n4=4\n", "(" * 40 + "7" + ")" * 40 + "=7\n"),
        ("1+1=2", "1+=2\n", "(1+2=3\n", "1+1)=2\n", "=1\n", ""),
    ),
    "json": Example(
        r"""
# any JSON value
root   ::= value
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
    string ":" ws value
    ("," ws string ":" ws value)*   # members
  )? "}" ws
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,3})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
""",
        ("{}", '{"a": [1, 2.5e-3, {"é😀": null}], "b":"\\u00e9\\n"}', "[" * 30 + "]" * 30, '"x" '),
        ('{"a" 1}', "[1,]", "01", '"\n"', "{", '"\\x"', "[1}", "", "tru"),
    ),
    "list": Example(
        'root ::= item+\nitem ::= "- " [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ "\\n"',
        ("- milk\n", "- é\n- b b\n"), ("", "-milk\n", "- milk", "- \n", "- a\u2028\n"),
    ),
    "chess": Example(
        r"""
root    ::= ( # moves in pairs
  "1. " move " " move "\n"
  ([1-9] [0-9]? ". " move " " move "\n")*
)
move    ::= (pawn | piece | castle) [+#]?
piece   ::= [NBKQR] [a-h]? [1-8]? "x"? square
pawn    ::= ([a-h] "x")? square ("=" [NBQR])?
castle  ::= "O-O" "-O"?
square  ::= [a-h] [1-8]
""",
        ("1. e4 e5\n", "1. e4 c5\n2. Nf3 d6\n3. O-O-O exd8=Q#\n", "1. Nbd7 Raxb1+\n"),
        ("1. e4\n", "2. e4 e5\n", "1. i4 e5\n", "1. e9 e5\n", "1. e4 e5"),
    ),
    "csv line": Example(
        r"""
root   ::= field ("," field)* "\r"? "\n"
field  ::= quoted | plain
quoted ::= "\"" ([^"] | "\"\"")* "\""
plain  ::= [^",\r\n]*
""",
        ("a,b\n", "\n", ',"x, ""y""\n",z\r\n', "é;1,\n"), ("a", 'a"b\n', '"a\n', "a\nb\n", '"a"b\n'),
    ),
    "date": Example(
        'root ::= year "-" month "-" day\nyear ::= [0-9]{4}\nmonth ::= "0" [1-9] | "1" [0-2]\n'
        'day ::= "0" [1-9] | [12] [0-9] | "3" [01]',
        ("2024-02-29", "0000-12-31"), ("2024-13-01", "24-01-01", "2024-1-01", "2024-01-32", "2024-01-011"),
    ),
    "brackets": Example(
        'root ::= ("(" root ")" | "[" root "]" | "{" root "}")*',
        ("", "()", "([]{})[]", "((((((((((((((()))))))))))))))"), ("(", ")", "(]", "()(", "{[}]"),
    ),
    "nested": Example(
        'root ::= "(" (root | [x-z]) ")"', ("(x)", "((((y))))"), ("x", "()", "((x)", "(x))", "(xy)")
    ),
    "s-expressions": Example(
        'root ::= sexp\nsexp ::= atom | "(" (sexp (" "+ sexp)*)? ")"\natom ::= [a-z+*/-] [a-z0-9-]{0,7}',
        ("x", "(+ a  (f b-1 ()))", "()"), ("", "1", "(a", "(a  )", "( a)", "abcdefghi"),
    ),
    "palindromes": Example(
        'root ::= "a" root "a" | "b" root "b" | [ab]?',
        ("", "a", "abba", "ababababa", "b" * 31), ("ab", "abab", "abbaa", "c"),
    ),
    "tags": Example(
        r"""
root ::= "<b>" body "</b>" |
         "<i>" body "</i>"
body ::= ([a-z ] | root)*
""",
        ("<b></b>", "<b>so <i>deep</i> it <b>is</b></b>"), ("<b>", "<b></i>", "<b><i></b></i>", "b"),
    ),
    "settings": Example(
        r"""
root  ::= line{1,3}
line  ::= key ("." key){0,2} " = " value "\n"
key   ::= [A-Za-z_] [A-Za-z0-9_]*
value ::= "on" | "off" | [0-9]{1,4} | "[" [\]\[\-^]{2} "]"
""",
        ("a = on\n", "a.b_1.C = 1234\nx = off\n", "k = []]]\n", "k = [-^]\n"),
        ("a.b.c.d = on\n", "1a = on\n", "a = 12345\n", "a = on\n" * 4, "k = [-]\n", ""),
    ),
    "kana": Example(
        'root ::= ([ぁ-ゟ] | [\\u30A1-\\u30ff] | "\\U0001F600" | "\\x41é")+',
        ("ひらがな", "カタカナ", "の😀Aé"), ("漢字", "", "A", "😁", "ひ漢"),
    ),
    "right recursion": Example(
        'root ::= "[" ws (item ("," ws item)*)? "]"\nitem ::= [a-z]+ ws\nws ::= ([ \\t\\n] ws)?',
        ("[]", "[ a,b ]", "[" + " " * 99 + "x" + "\n" * 99 + "]"), ("[", "[a b]", "[a,]", "[ , ]"),
    ),
    "anything": Example("root ::= .{3,}", ("abc", "a\nb", "é😀\0", "x" * 50), ("", "ab")),
    "empty": Example('root ::= "" | () | "a"{0} | (("b"?)*)+', ("", "b", "bbb"), ("a", "ba")),
}  # fmt: skip


def derives(source: str, text: str) -> bool:
    """Whether a grammar holds a text."""
    rules = parse(source)
    known: dict[tuple[Body, int], frozenset[int]] = {}

    def ends(body: Body, at: int) -> frozenset[int]:
        """Where what the body matches from `at` on may end."""
        if (body, at) not in known:
            known[body, at] = frozenset(tried(body, at))
        return known[body, at]

    def tried(body: Body, at: int) -> set[int]:
        match body:
            case Chars():
                fits = at < len(text) and any(low <= ord(text[at]) <= high for low, high in body.ranges)
                return {at + 1} if fits else set()
            case Raw():
                literal = bytes(low for low, _ in body.ranges).decode()
                return {at + len(literal)} if text.startswith(literal, at) else set()
            case Name():
                return set(ends(rules[body.text].body, at))
            case Choice():
                return {end for item in body.items for end in ends(item, at)}
            case Sequence():
                places = {at}
                for item in body.items:
                    places = {end for place in places for end in ends(item, place)}
                return places
            case Repeat():
                return repeated(body, at)

    def repeated(body: Repeat, at: int) -> set[int]:
        places, found, count = frozenset((at,)), set[int](), 0
        seen: set[tuple[frozenset[int], bool]] = set()
        while places and (places, count >= body.least) not in seen:
            seen.add((places, count >= body.least))
            found |= places if count >= body.least else set()
            if count == body.most:
                break
            places = frozenset(end for place in places for end in ends(body.item, place))
            count += 1
            if count < body.least:
                seen.clear()
        return found

    return len(text) in ends(rules["root"].body, 0)
