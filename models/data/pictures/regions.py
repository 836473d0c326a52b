"""Connected regions of a mask, and growing, shrinking, closing and filling them.

Job: plain morphology in numpy, for pictures of about 64 pixels. Ignorance: what the regions are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (height, width)
FRAGMENT = 4  # pixels: what is thinner is a piece of a pattern
_SMALLEST = 16  # pixels of a whole region
_REACH = 3  # pixels between pieces of one pattern


def grown(mask: Mask, by: int) -> Mask:
    """With all pixels within `by` pixels, corners included."""
    for _ in range(by):
        mask = mask.copy()
        mask[1:] |= mask[:-1].copy()
        mask[:-1] |= mask[1:].copy()
        mask[:, 1:] |= mask[:, :-1].copy()
        mask[:, :-1] |= mask[:, 1:].copy()
    return mask


def shrunk(mask: Mask, by: int) -> Mask:
    """Without all pixels within `by` pixels of the outside; beyond the picture is outside."""
    return ~grown(np.pad(~mask, by, constant_values=True), by)[by:-by, by:-by]


def closed(mask: Mask, by: int) -> Mask:
    """With gaps filled that are up to 2 * `by` pixels wide."""
    return shrunk(grown(np.pad(mask, 2 * by), by), by)[2 * by : -2 * by, 2 * by : -2 * by]


def spread(seed: Mask, within: Mask, corners: bool = True) -> Mask:
    """All that is connected with the seed, by corners too or by sides only."""
    while True:
        more = seed.copy()
        more[1:] |= seed[:-1]
        more[:-1] |= seed[1:]
        base = more.copy() if corners else seed
        more[:, 1:] |= base[:, :-1]
        more[:, :-1] |= base[:, 1:]
        more &= within
        if (more == seed).all():
            return seed
        seed = more


def regions(mask: Mask) -> list[Mask]:
    """Connected regions (8 neighbours) of at least four pixels, in reading order."""
    left, found = mask.copy(), []
    while left.any():
        seed = np.zeros_like(left)
        seed.flat[int(left.argmax())] = True
        region = spread(seed, left)
        left &= ~region
        if region.sum() >= 4:
            found.append(region)
    return found


def holes(mask: Mask) -> list[Mask]:
    """Regions that the mask encloses."""
    outside = np.pad(~mask, 1, constant_values=True)
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    seed = outside.copy()
    if len(rows):  # all that is beside the box is outside
        seed[rows[0] + 1 : rows[-1] + 2, columns[0] + 1 : columns[-1] + 2] = False
    return regions((outside & ~spread(seed, outside, corners=False))[1:-1, 1:-1])


def thickness(mask: Mask) -> int:
    """The shorter side of the box around it."""
    return int(min(np.ptp(axis) + 1 for axis in np.nonzero(mask)))


def joined(pieces: list[Mask]) -> list[Mask]:
    """Thin pieces (stripes) become one with the nearest within three pixels; what stays small is left out."""
    whole = list(pieces)
    for piece in [p for p in pieces if thickness(p) <= FRAGMENT]:
        own = next(i for i, region in enumerate(whole) if (region & piece).any())
        for by in range(1, _REACH + 1):
            near = [i for i, region in enumerate(whole) if i != own and (region & grown(piece, by)).any()]
            if near:
                one = whole[own] | whole[near[0]]
                whole = [region for i, region in enumerate(whole) if i not in (own, near[0])] + [one]
                break
    big = [region for region in whole if region.sum() >= _SMALLEST and thickness(region) > FRAGMENT]
    return sorted(big, key=lambda region: int(region.argmax()))
