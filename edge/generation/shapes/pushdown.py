"""Nested languages: terminals in sequence, in choice and by name, followed byte by byte.

Job: a state is the set of stacks that fit what was read; each stack is a terminal being read and what must
come after it. Ignorance: JSON Schema, GBNF, tokens.
Names (`Ref`) may refer to themselves: at most `MAX_DEPTH` deep, and a branch that could not end within that
depth is never entered, so that there is no dead end. Nodes that hold themselves nest as deep as the
text does; a node must not begin with itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from edge.errors import UsageError
from edge.generation.shapes.automaton import Automaton

MAX_DEPTH = 12  # names inside of names
_NEVER = 1 << 30


class Node:
    """A piece of a language. A machine fills in what it needs to know of it."""

    height = 0  # how deep names must nest at least to finish it
    nullable = False  # whether it may be empty
    rank = 1 << 30  # below that of all nodes that it may begin with


class Terminal(Node):
    """A regular language. With `counted`, a JSON string of `least` to `most` characters."""

    def __init__(
        self, automaton: Automaton, *, counted: bool = False, least: int = 0, most: int | None = None
    ) -> None:
        self.automaton = automaton
        self.rows: list[list[int]] = automaton.table.tolist()
        self.accepts: list[bool] = automaton.accepts.tolist()
        self.goes_on: list[bool] = (automaton.table != 0).any(axis=1).tolist()
        self.body = self.rows[automaton.start][0x22] if counted else -1  # the state between two characters
        self.least, self.most = least, most
        self.nullable = self.accepts[automaton.start]

    def step(self, state: int, count: int, byte: int) -> tuple[int, int]:
        """The next state and the characters so far; state 0 where the byte cannot come."""
        target = self.rows[state][byte]
        if self.body < 0 or not target:
            return target, 0
        if state == self.body and (count < self.least if byte == 0x22 else count == self.most):
            return 0, 0
        if target == self.body and state != self.automaton.start:
            count += 1
        return target, count if self.most is not None else min(count, self.least)


class Seq(Node):
    """One after the other."""

    def __init__(self, *items: Node) -> None:
        self.items = items


class Alt(Node):
    """Any of them; options may be added later, so that a loop can be closed."""

    def __init__(self, *options: Node) -> None:
        self.options = list(options)


class Ref(Node):
    """A definition by name."""

    def __init__(self, name: str, definitions: Mapping[str, Node]) -> None:
        self.name, self._definitions = name, definitions

    @property
    def target(self) -> Node:
        return self._definitions[self.name]


@dataclass(frozen=True, eq=False)
class Frame:
    """A piece that is still to be read, and then any of `rest`; the same content is the same object."""

    node: Node
    depth: int
    rest: Rest


Rest = frozenset[Frame]  # ways to go on: stacks that share what lies below


@dataclass(frozen=True)
class Head:
    """A terminal being read. `terminal` None: everything was read."""

    terminal: Terminal | None
    state: int = 0
    count: int = 0
    rest: Rest = frozenset()


DONE = Head(None)
_END = Frame(Seq(), 0, frozenset())


@dataclass(eq=False)
class State:
    """A set of heads; the same set is the same object."""

    heads: frozenset[Head]
    following: dict[int, State] = field(default_factory=dict)  # by byte

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return DONE in self.heads

    @property
    def final(self) -> bool:
        """Whether it must."""
        return len(self.heads) == 1 and self.complete


class Machine:
    """A language and all states met so far."""

    def __init__(self, root: Node) -> None:
        """Raises: UsageError: no text could ever end (a definition that always needs itself)."""
        _measure(root)
        self._frames: dict[tuple[int, int, Rest], Frame] = {}
        self._opened: dict[Rest, tuple[Head, ...]] = {}
        self._states: dict[frozenset[Head], State] = {}
        self._dead = State(frozenset())
        self.start = self.after(frozenset([self.frame(root, 0, frozenset([_END]))]))

    def state(self, heads: Iterable[Head]) -> State:
        """The one state of these heads."""
        held = _merged(heads)
        if held not in self._states:
            self._states[held] = State(held) if held else self._dead
        return self._states[held]

    def after(self, rest: Rest) -> State:
        """The state once a terminal has ended."""
        return self.state(self.opened(rest))

    def step(self, state: State, byte: int) -> State | None:
        """The state after one more byte; None where it cannot come."""
        found = state.following.get(byte)
        if found is None:
            found = state.following[byte] = self.state(self._stepped(state, byte))
        return found if found.heads else None

    def run(self, state: State, data: bytes) -> State | None:
        """The state after some bytes."""
        for byte in data:
            following = self.step(state, byte)
            if following is None:
                return None
            state = following
        return state

    def __len__(self) -> int:
        return len(self._states)

    def forget(self) -> None:
        """Drop the states met so far; those in use stay what they are."""
        self._states.clear()
        self._frames.clear()
        self._opened.clear()

    def _stepped(self, state: State, byte: int) -> Iterator[Head]:
        for head in state.heads:
            if head.terminal is None:
                continue
            target, count = head.terminal.step(head.state, head.count, byte)
            if target and head.terminal.goes_on[target]:
                yield Head(head.terminal, target, count, head.rest)
            if target and head.terminal.accepts[target]:
                yield from self.opened(head.rest)

    def frame(self, node: Node, depth: int, rest: Rest) -> Frame:
        """The one frame of this content."""
        key = (id(node), depth, rest)
        if key not in self._frames:
            self._frames[key] = Frame(node, depth, rest)
        return self._frames[key]

    def opened(self, rest: Rest) -> tuple[Head, ...]:
        """The terminals that can come next."""
        if rest not in self._opened:
            self._opened[rest] = tuple(self._open(rest))
        return self._opened[rest]

    def _open(self, rest: Rest) -> Iterator[Head]:
        """Each node once, after all that begin with it: however ambiguous, stacks do not multiply."""
        waiting: dict[tuple[int, int, int], tuple[Node, set[Frame]]] = {}
        order: list[tuple[int, int, int]] = []  # a heap of the keys: depth, rank, which node

        def wait(node: Node, depth: int, after: Rest) -> None:
            key = (depth, node.rank, id(node))
            if key not in waiting:
                waiting[key] = (node, set())
                heappush(order, key)
            waiting[key][1].update(after)

        for frame in _uncovered(rest):
            if frame is _END:
                yield DONE
            else:
                wait(frame.node, frame.depth, frame.rest)
        while order:
            depth, rank, _ = key = heappop(order)
            node, frames = waiting.pop(key)
            if depth + node.height > MAX_DEPTH:
                continue
            if isinstance(node, Terminal):
                if node.goes_on[node.automaton.start]:
                    yield Head(node, node.automaton.start, 0, frozenset(frames))
                continue
            for inner, deep, after in self._inside(node, depth, frozenset(frames)):
                if deep > depth or inner.rank > rank:  # else a loop went round without a byte
                    wait(inner, deep, after)

    def _inside(self, node: Node, depth: int, rest: Rest) -> Iterator[tuple[Node, int, Rest]]:
        """The nodes that may come first, each with its depth and what comes after it."""
        if isinstance(node, Seq):
            rests = [rest]
            for item in node.items[:0:-1]:
                rests.append(frozenset((self.frame(item, depth, rests[-1]),)))
            for item, after in zip(node.items, reversed(rests), strict=False):
                yield item, depth, after
                if not item.nullable:
                    break
        elif isinstance(node, Alt):
            yield from ((option, depth, rest) for option in node.options)
        elif isinstance(node, Ref):
            yield node.target, depth + 1, rest


def _uncovered(rest: Rest) -> set[Frame]:
    """The frames that may come next: those on top, and those below what may be empty."""
    found: set[Frame] = set()
    waiting = list(rest)
    while waiting:
        frame = waiting.pop()
        if frame not in found:
            found.add(frame)
            if frame.node.nullable:
                waiting += frame.rest
    return found


def _merged(heads: Iterable[Head]) -> frozenset[Head]:
    """Heads that read the same become one that goes on in any of their ways."""
    rests: dict[tuple[Terminal | None, int, int], list[Rest]] = defaultdict(list)
    for head in heads:
        rests[head.terminal, head.state, head.count].append(head.rest)
    return frozenset(Head(*read, _united(found)) for read, found in rests.items())


def _united(rests: Sequence[Rest]) -> Rest:
    return rests[0] if len(rests) == 1 else frozenset().union(*rests)


def _measure(root: Node) -> None:
    """Set height, nullable and rank of every node: least fixed points, heights from `never` downwards."""
    nodes = [node for node in _reachable(root) if not isinstance(node, Terminal)]
    for node in nodes:
        node.height, node.nullable = _NEVER, False
    changed = True
    while changed:
        changed = False
        for node in reversed(nodes):
            now = min(node.height, _height(node)), _nullable(node)
            if now != (node.height, node.nullable):
                (node.height, node.nullable), changed = now, True
    if root.height > MAX_DEPTH:
        raise UsageError(
            f"the schema has no value that ends within {MAX_DEPTH} nested $refs; let a recursive property be "
            "optional, nullable or in an array"
        )
    _rank(nodes)


def _height(node: Node) -> int:
    if isinstance(node, Seq):
        return max((item.height for item in node.items), default=0)
    if isinstance(node, Alt):
        return min((option.height for option in node.options), default=_NEVER)
    return 1 + node.target.height if isinstance(node, Ref) else 0


def _nullable(node: Node) -> bool:
    if isinstance(node, Seq):
        return all(item.nullable for item in node.items)
    if isinstance(node, Alt):
        return any(option.nullable for option in node.options)
    return isinstance(node, Ref) and node.target.nullable


def _rank(nodes: Iterable[Node]) -> None:
    """Number nodes so that each comes before those that it may begin with, but for loops and names."""
    met: set[Node] = set()
    left: list[Node] = []
    for start in nodes:
        trail = [(start, iter(_beginnings(start)))] if start not in met else []
        met.add(start)
        while trail:
            node, inner = trail[-1]
            new = next((one for one in inner if one not in met and not isinstance(one, Terminal)), None)
            if new is None:
                left.append(trail.pop()[0])
            else:
                met.add(new)
                trail.append((new, iter(_beginnings(new))))
    for rank, node in enumerate(reversed(left)):
        node.rank = rank


def _beginnings(node: Node) -> Iterator[Node]:
    if isinstance(node, Alt):
        yield from node.options
    for item in node.items if isinstance(node, Seq) else ():
        yield item
        if not item.nullable:
            return


def _reachable(root: Node) -> list[Node]:
    found, waiting = {id(root): root}, [root]
    for node in waiting:
        inner: Iterable[Node] = ()
        if isinstance(node, Seq):
            inner = node.items
        elif isinstance(node, Alt):
            inner = node.options
        elif isinstance(node, Ref):
            inner = (node.target,)
        for child in inner:
            if id(child) not in found:
                found[id(child)] = child
                waiting.append(child)
    return waiting
