"""Which files are read, not mapped: those whose weights llama.cpp packs again for this processor.

Job: say from a header whether a file is better read than mapped. Ignorance: how anything is packed; shapes
that a kernel refuses. A wrong guess costs memory or time, never an answer.

Measured (a random 1 B Llama, Q4_0, AVX2): mapped 1176 MiB at its peak, read 669, loaded as fast; without
anything to pack again mapping loads an F16 file three times faster (0.8 against 3.3 s) and shares its pages.
Source: ggml-cpu/repack.cpp (ggml_repack_get_optimal_repack_type), amx/common.h (qtype_has_amx_kernels).
"""

from __future__ import annotations

from collections.abc import Set

from edge.formats.gguf import GgufHeader

# a flag of the processor (edge.hardware.cpu_flags): the types packed again where it is there
_PACKED: dict[str, frozenset[str]] = {
    "avx2":     frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}),
    "avx512f":  frozenset({"Q2_K"}),
    "amx_tile": frozenset({"Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"}),
    "asimddp":  frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"}),
    "arm64":    frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"}),  # macOS says no more
    "AMD64":    frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}),  # nor does Windows
}  # fmt: skip


def packs_again(header: GgufHeader, flags: Set[str]) -> bool:
    """Whether some matrix of a layer has a type that a processor with these flags packs again."""
    types = frozenset().union(*(_PACKED.get(flag, frozenset()) for flag in flags))
    return any(t.type in types and len(t.shape) > 1 and t.name.startswith("blk.") for t in header.tensors)
