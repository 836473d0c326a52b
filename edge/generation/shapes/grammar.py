"""Grammars as languages: from rules to a machine.

Job: refuse rules that are missing, left-recursive or endless; make every part without recursion that is
small enough a terminal, so that most of a text is read by tables, and the rest nodes, which are shared:
nothing large is written out. Rules nest as deep as a text does. Ignorance: tokens, how GBNF is spelt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from math import inf

from edge.errors import UsageError
from edge.generation.shapes.automaton import Cat, Chars, Expression, Many, Or, Raw, compiled
from edge.generation.shapes.gbnf import Body, Choice, Name, Repeat, Rule, Sequence, names, parse, refusal
from edge.generation.shapes.pushdown import Alt, Machine, Node, Seq, Terminal

MAX_STATES = 16_000  # of all terminals of one grammar
MAX_NODES = 40_000
LARGEST = 1000  # characters of a terminal, written out
_WIDE = 8  # what a character beyond ASCII counts for: about its states
_MOST = 1500  # states of a terminal
_IN_VAIN = 500  # states that a terminal counts for which was tried and came out too large
_DEEPEST = 40  # names inside of names in one terminal
_EMPTY = Seq()


def machine(source: str) -> Machine:
    """The language of a grammar in GBNF.

    Raises:
        UsageError: it is malformed or too large, or a rule is missing, left-recursive or without an end.
    """
    try:
        rules = parse(source)
        _check(source, rules)
        return Machine(_Compiler(source, rules).root())
    except RecursionError as error:
        raise UsageError("the grammar is nested too deeply; make its rules flatter") from error


# --- what rules must hold -------------------------------------------------------------------------


def _check(source: str, rules: Mapping[str, Rule]) -> None:
    for rule in rules.values():
        for name in names(rule.body):
            if name.text not in rules:
                raise refusal(
                    source, name.at, f"no rule is named {name.text}; define it, or correct the name"
                )
    if "root" not in rules:
        at = min((rule.at for rule in rules.values()), default=0)
        raise refusal(source, at, "no rule is named root, where a text begins; add root ::= …")
    empty = _least(rules, _may_be_empty)
    try:
        TopologicalSorter({name: _first(rule.body, empty) for name, rule in rules.items()}).prepare()
    except CycleError as error:
        way = list(reversed(error.args[1]))
        raise refusal(
            source,
            rules[way[0]].at,
            f"left recursion, {' -> '.join(way)}: a rule begins with itself; put what comes first before it "
            "and repeat the rest, as in list ::= item (sep item)*",
        ) from error
    ending = _least(rules, _may_end)
    for rule in rules.values():
        if rule.name not in ending:
            raise refusal(
                source, rule.at, f"the rule {rule.name} never ends; add an alternative without itself"
            )


def _least(rules: Mapping[str, Rule], holds: Callable[[Body, Collection[str]], bool]) -> set[str]:
    """The names of rules for which `holds`, given those for which it is known to."""
    users = defaultdict(set)
    for rule in rules.values():
        for name in names(rule.body):
            users[name.text].add(rule.name)
    found: set[str] = set()
    waiting = list(rules)
    while waiting:
        rule = rules[waiting.pop()]
        if rule.name not in found and holds(rule.body, found):
            found.add(rule.name)
            waiting += users[rule.name]
    return found


def _may_be_empty(body: Body, empty: Collection[str]) -> bool:
    match body:
        case Name():
            return body.text in empty
        case Sequence():
            return all(_may_be_empty(item, empty) for item in body.items)
        case Choice():
            return any(_may_be_empty(item, empty) for item in body.items)
        case Repeat():
            return body.least == 0 or _may_be_empty(body.item, empty)
        case Raw():
            return not body.ranges
    return False


def _may_end(body: Body, ending: Collection[str]) -> bool:
    match body:
        case Name():
            return body.text in ending
        case Sequence():
            return all(_may_end(item, ending) for item in body.items)
        case Choice():
            return any(_may_end(item, ending) for item in body.items)
        case Repeat():
            return body.least == 0 or _may_end(body.item, ending)
    return True


def _first(body: Body, empty: Collection[str]) -> Iterator[str]:
    """The rules that a text of this may begin with, those after what may be empty too."""
    match body:
        case Name():
            yield body.text
        case Repeat():
            yield from _first(body.item, empty)
        case Choice():
            for item in body.items:
                yield from _first(item, empty)
        case Sequence():
            for item in body.items:
                yield from _first(item, empty)
                if not _may_be_empty(item, empty):
                    return


def _in_order(rules: Mapping[str, Rule]) -> Iterator[str]:
    """The rules without recursion, each after those that it names."""
    sorter = TopologicalSorter({name: {n.text for n in names(rule.body)} for name, rule in rules.items()})
    with suppress(CycleError):  # what no cycle holds up is still told
        sorter.prepare()
    while ready := sorter.get_ready():
        yield from ready
        sorter.done(*ready)


# --- terminals and nodes --------------------------------------------------------------------------


class _Compiler:
    """Rules that passed the check."""

    def __init__(self, source: str, rules: Mapping[str, Rule]) -> None:
        self._source, self._rules = source, rules
        self._weights: dict[str, float] = {}  # of rules without recursion, written out
        depths: dict[str, int] = {}
        for name in _in_order(rules):
            depths[name] = 1 + max((depths[inner.text] for inner in names(rules[name].body)), default=0)
            if depths[name] <= _DEEPEST:
                self._weights[name] = self._weight(rules[name].body)
        self._expressions: dict[str, Expression] = {}
        self._terminals: dict[Expression, Terminal | None] = {}
        self._nodes: dict[str, Alt] = {}
        self._waiting: list[str] = []
        self._rule = rules["root"]  # that is being compiled
        self._states = self._count = 0

    def root(self) -> Node:
        root = self._named("root")
        while self._waiting:
            self._rule = self._rules[self._waiting.pop()]
            self._nodes[self._rule.name].options.append(self._node(self._rule.body))
        return root

    def _named(self, name: str) -> Node:
        if name not in self._nodes:
            self._nodes[name] = Alt()  # a recursive rule finds itself here
            self._waiting.append(name)
        return self._nodes[name]

    def _weight(self, body: Body) -> float:
        """How many characters it has when written out; without end where a rule recurs."""
        match body:
            case Chars():
                return 1 if all(high < 0x80 for _, high in body.ranges) else _WIDE
            case Raw():
                return len(body.ranges)
            case Name():
                return self._weights.get(body.text, inf)
            case Repeat():
                return (1 + self._weight(body.item)) * (body.most or body.least + 1)
            case Sequence() | Choice():
                return sum(1 + self._weight(item) for item in body.items)

    def _expression(self, body: Body) -> Expression:
        match body:
            case Name():
                if body.text not in self._expressions:
                    self._expressions[body.text] = self._expression(self._rules[body.text].body)
                return self._expressions[body.text]
            case Repeat():
                return Many(self._expression(body.item), body.least, body.most)
            case Sequence():
                return Cat(tuple(self._expression(item) for item in body.items))
            case Choice():
                return Or(tuple(self._expression(item) for item in body.items))
        return body

    def _terminal(self, expression: Expression) -> Terminal | None:
        """None where it needs too many states: then its parts are tried."""
        if expression not in self._terminals:
            try:
                made = Terminal(compiled(expression, most=_MOST))
            except UsageError:
                made = None
            self._states += len(made.rows) if made else _IN_VAIN
            self._terminals[expression] = made
            self._limit(self._states, MAX_STATES, "states")
        return self._terminals[expression]

    def _node(self, body: Body) -> Node:
        small = isinstance(body, Chars) or self._weight(body) <= LARGEST
        if small and (found := self._terminal(self._expression(body))):
            return found
        self._count += 1
        self._limit(self._count, MAX_NODES, "parts")
        match body:
            case Name():
                return self._named(body.text)
            case Repeat():
                return self._repeated(body, small)
            case Choice():
                return Alt(*(self._node(_joined(Choice, run)) for run in self._runs(body.items, small)))
            case Sequence():
                return Seq(*(self._node(_joined(Sequence, run)) for run in self._runs(body.items, small)))
            case Raw():
                starts = range(0, len(body.ranges), LARGEST)
                return Seq(*(self._node(Raw(body.ranges[at : at + LARGEST])) for at in starts))
        raise self._too_large("characters")  # one class alone never has

    def _runs(self, items: tuple[Body, ...], tried: bool) -> list[tuple[Body, ...]]:
        """Items that may become one terminal stand together; halves, where all of them did in vain."""
        if tried:
            half = len(items) // 2
            return [run for run in (items[:half], items[half:]) if run]
        runs: list[tuple[Body, ...]] = []
        total = inf
        for item in items:
            weight = 1 + self._weight(item)
            if total + weight <= LARGEST:
                runs[-1], total = (*runs[-1], item), total + weight
            else:
                runs.append((item,))
                total = weight
        return runs

    def _repeated(self, body: Repeat, tried: bool) -> Node:
        """Block after block, each of as many times as fit into a terminal."""
        weight = 1 + self._weight(body.item)
        block = 1 if tried or 2 * weight > LARGEST else int(LARGEST // weight)
        whole = self._times(body.item, block, block)
        tail: Node
        if body.most is None and body.least:
            tail = self._node(Repeat(body.item, 0, None))
        elif body.most is None:
            tail = loop = Alt(_EMPTY)
            loop.options.append(Seq(whole, loop))
        else:
            blocks, rest = divmod(body.most - body.least, block)
            fewer = self._times(body.item, 0, block - 1)
            tail = self._times(body.item, 0, rest)
            for _ in range(blocks):
                tail = Alt(fewer, Seq(whole, tail))
                self._count += 2
        blocks, rest = divmod(body.least, block)
        self._count += blocks
        self._limit(self._count, MAX_NODES, "parts")
        return Seq(*[whole] * blocks, self._times(body.item, rest, rest), tail)

    def _times(self, item: Body, least: int, most: int) -> Node:
        if most == 0:
            return _EMPTY
        return self._node(item if least == most == 1 else Repeat(item, least, most))

    def _limit(self, count: int, most: int, what: str) -> None:
        if count > most:
            raise self._too_large(what)

    def _too_large(self, what: str) -> UsageError:
        return refusal(
            self._source, self._rule.at, f"with the rule {self._rule.name} the grammar has too many {what}; "
            "use smaller counts and fewer alternatives"
        )  # fmt: skip


def _joined(kind: type[Sequence] | type[Choice], run: tuple[Body, ...]) -> Body:
    return run[0] if len(run) == 1 else kind(run)
