"""The family, from pico to two trillion parameters, in one table.

Job: sizes of every member and what follows from them: parameters, KV bytes per token, memory by precision, the machine it needs.
Ignorance: torch, files. `python -m models.family` prints the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.vocabulary import VOCABULARY_SIZE

GIB = 1024**3


@dataclass(frozen=True)
class Experts:
    """Mixture of experts: routed experts in every `every`-th layer, one active beside one shared expert."""

    count: int
    every: int  # 1 = each layer
    hidden: int  # of one expert
    dense_hidden: int  # of the layers between


@dataclass(frozen=True)
class Member:
    """One row: the shape of the decoder."""

    name: str
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    vocabulary: int
    context: int
    head: int = 0  # size of one head; 0 = width / heads
    tied: bool = True
    experts: Experts | None = None
    machine: str = ""
    published: tuple[float, float] | None = None  # (total, active) where only these are public

    @property
    def head_size(self) -> int:
        return self.head or self.width // self.heads

    @property
    def _outside_mlp(self) -> int:
        attention = 2 * self.width * self.head_size * (self.heads + self.kv_heads) + 2 * self.width
        return self.layers * attention + self.width + self.width * self.vocabulary * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights."""
        if self.published:
            return round(self.published[0])
        if self.experts is None:
            return self._outside_mlp + self.layers * 3 * self.width * self.hidden
        e, routed = self.experts, self.layers // self.experts.every
        sparse = (
            3 * self.width * e.hidden * (e.count + 1) + self.width * e.count
        )  # + 1: the shared expert; + the router
        return self._outside_mlp + routed * sparse + (self.layers - routed) * 3 * self.width * e.dense_hidden

    @property
    def active(self) -> int:
        """Weights that one token meets: one routed and the shared expert."""
        if self.published:
            return round(self.published[1])
        if self.experts is None:
            return self.parameters
        e, routed = self.experts, self.layers // self.experts.every
        return (
            self._outside_mlp + routed * (6 * self.width * e.hidden + self.width * e.count)
            + (self.layers - routed) * 3 * self.width * e.dense_hidden
        )  # fmt: skip

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values in f16."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_size

    def memory(self, bits: float) -> float:
        """Bytes of the weights at `bits` per weight."""
        return self.parameters * bits / 8


BITS = {"f16": 16.0, "int8": 8.5, "int4": 4.5}  # Q8_0 and Q4_0: one f16 scale per 32 weights

# pico: ../shared/native-model.md's table. 1B, 3B: config.json of Llama 3.2 1B/3B; 8B: of Llama 3.1 8B.
# Scout, Maverick: config.json of Llama-4-Scout-17B-16E and Llama-4-Maverick-17B-128E (text_config).
# Behemoth: Meta's announcement of 5 April 2025 (288 B active, 16 experts, nearly 2 T in all); its shape is not public.
FAMILY = (
    Member("pico-14m", 256, 10, 4, 2, 1024, VOCABULARY_SIZE, 1024, machine="any phone or board"),
    Member("pico-34m", 512, 8, 8, 4, 1536, VOCABULARY_SIZE, 2048, machine="any phone or board"),
    Member("pico-52m", 512, 14, 8, 4, 1536, VOCABULARY_SIZE, 2048, machine="any phone or board"),
    Member("1b", 2048, 16, 32, 8, 8192, 128_256, 131_072, machine="phone, 4 GB"),
    Member("3b", 3072, 28, 24, 8, 8192, 128_256, 131_072, machine="phone, 8 GB"),
    Member("8b", 4096, 32, 32, 8, 14_336, 128_256, 131_072, tied=False, machine="laptop, 16 GB"),
    Member("scout-109b-a17b", 5120, 48, 40, 8, 8192, 202_048, 10_485_760, head=128, tied=False,
           experts=Experts(16, 1, 8192, 16_384), machine="workstation, 96 GB"),
    Member("maverick-400b-a17b", 5120, 48, 40, 8, 8192, 202_048, 1_048_576, head=128, tied=False,
           experts=Experts(128, 2, 8192, 16_384), machine="server, 256 GB"),
    Member("behemoth-2t-a288b", 0, 0, 1, 0, 0, 0, 0, published=(2e12, 288e9), machine="several servers; a teacher"),
)  # fmt: skip


def member(name: str) -> Member:
    """The row of that name.

    Raises:
        KeyError: no such member; the message lists all.
    """
    for row in FAMILY:
        if row.name == name:
            return row
    raise KeyError(f"no member {name!r}; the family is {', '.join(m.name for m in FAMILY)}")


def table() -> str:
    """The family as a Markdown table."""
    lines = [
        "| member | parameters | active | KV bytes/token | f16 | int8 | int4 | runs on |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for m in FAMILY:
        sizes = " | ".join(_bytes(m.memory(bits)) for bits in BITS.values())
        kv = f"{m.kv_bytes_per_token:,}" if m.kv_bytes_per_token else "not public"
        lines.append(
            f"| {m.name} | {_count(m.parameters)} | {_count(m.active)} | {kv} | {sizes} | {m.machine} |"
        )
    return "\n".join(lines)


def _count(n: int) -> str:
    for unit, size in (("T", 1e12), ("B", 1e9)):
        if n >= size * 0.95:
            return f"{n / size:.3g} {unit}"
    return f"{n / 1e6:.1f} M"


def _bytes(n: float) -> str:
    for unit, size in (("TiB", GIB * 1024), ("GiB", GIB)):
        if n >= size / 10:
            return f"{n / size:.3g} {unit}"
    return f"{n / 1024**2:.1f} MiB"


if __name__ == "__main__":
    print(table())
