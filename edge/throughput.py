"""How fast this machine reads memory and multiplies: measured once, remembered; what speeds follow.

Job: two numbers per machine, and from them how long a token of a model may take, as a range.
Ignorance: engines. What was measured while others kept the machine busy is used, and not remembered.

The range. A token reads every weight it meets, and kernels reach a third to the whole of the read speed.
Each layer adds 30 to 300 microseconds of waiting: that bounds small models. Each head that looks back at a
token of a half full cache takes 20 to 200 nanoseconds: that bounds long contexts. A prompt is bound by
multiplications: quantized kernels reach 0.3 to 1.5 times numpy's float32 rate; more with matrix units (AMX),
which are not foreseen here. What was measured stands beside it: `python -m benchmarks.fit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np

from edge import hardware

Range = tuple[float, float]  # low, high

_KERNELS = (1 / 3, 1.0)  # of the read speed
_LAYER = (30e-6, 300e-6)  # seconds
_LOOK = (20e-9, 200e-9)  # seconds
_PRODUCTS = (0.3, 1.5)  # of the float32 rate
_BLOCK, _BLOCKS = 32 << 20, 4  # bytes, per thread: beyond any cache
_SIDE, _REPEATS = 768, 8
_BUSY = 0.5  # processors' worth of others from which a measurement is not kept


@dataclass(frozen=True)
class Throughput:
    """What this machine does in a second, at its best moment."""

    reads: float  # bytes of memory
    flops: float  # float32 additions and multiplications


def here() -> Throughput:
    """As remembered, else measured: about a second, and 128 MB per thread for as long."""
    where, key = hardware.home() / "throughput.json", hardware.machine_key()
    known = hardware.remembered(where)
    entry = known.get(key)
    if isinstance(entry, dict) and all(isinstance(entry.get(n), float) for n in ("reads", "flops")):
        return Throughput(entry["reads"], entry["flops"])
    idle = hardware.others_now() < _BUSY
    found = Throughput(_reads(hardware.usable_cpus()), _flops())
    if idle:
        hardware.remember(where, {**known, key: asdict(found)})
    return found


def decode(read: int, layers: int, looks: int, reads: Range) -> Range:
    """Tokens per second of a reply.

    Args:
        read: bytes of weights that a token meets.
        looks: how often a head looks back at a token, over all layers.
        reads: bytes of memory per second.
    """
    slow = read / (_KERNELS[0] * reads[0]) + layers * _LAYER[1] + looks * _LOOK[1]
    fast = read / (_KERNELS[1] * reads[1]) + layers * _LAYER[0] + looks * _LOOK[0]
    return 1 / slow, 1 / fast


def prefill(weights: int, flops: float) -> Range:
    """Tokens per second of a prompt, for so many weights met by each."""
    return _PRODUCTS[0] * flops / (2 * weights), _PRODUCTS[1] * flops / (2 * weights)


def _reads(threads: int) -> float:
    blocks = [np.ones(_BLOCK // 4, np.float32) for _ in range(_BLOCKS * threads)]
    with ThreadPoolExecutor(threads) as pool:
        return len(blocks) * _BLOCK / _best(lambda: list(pool.map(np.max, blocks)))


def _flops() -> float:
    square = np.ones((_SIDE, _SIDE), np.float32)
    return 2 * _SIDE**3 / _best(lambda: square @ square)


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
