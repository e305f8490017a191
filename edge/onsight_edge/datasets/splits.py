"""Which picture goes where: stratified, seeded, and the same on every machine.

The draws use PCG64's raw output, whose stream NumPy guarantees to keep (NEP 19); that of
`Generator.permutation` may change with a release.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError

Indices = NDArray[np.int64]
# so that one seed gives unrelated draws for unrelated purposes
_PURPOSES = {"test": 1, "validation": 2, "limit": 3, "calibration": 4}


def draws(count: int, seed: int, purpose: str) -> NDArray[np.uint64]:
    """`count` random 64-bit numbers, a function of the seed and the purpose alone.

    Raises:
        DataError: the seed is negative.
    """
    if seed < 0:
        raise DataError(f"the seed must be 0 or more, not {seed}")
    bits = np.random.PCG64(np.random.SeedSequence([seed, _PURPOSES[purpose]]))
    return np.asarray(bits.random_raw(count), np.uint64)


def split_off(
    labels: NDArray[np.int64], fraction: float, seed: int, purpose: str, groups: Indices | None = None
) -> tuple[Indices, Indices]:
    """Divide pictures into a part that stays and a part that is split off, class by class.

    Of a class of n pictures, n * fraction go, rounded; at least one goes and one stays where the class has two
    and the fraction is not 0. Pictures of one group (copies of each other) go together; then the counts hold
    for distinct pictures.

    Args:
        labels: (N,) class numbers.
        fraction: 0..1, 1 excluded.
        seed: same seed, same split.
        purpose: `test` or `validation`.
        groups: (N,) equal numbers for copies of one picture; None where there are none.

    Returns:
        Positions that stay and positions that go, each ascending.

    Raises:
        DataError: the fraction or the seed is out of range.
    """
    if not 0.0 <= fraction < 1.0:
        raise DataError(f"the {purpose} part must be at least 0 and less than 1, not {fraction}")
    if groups is None:
        distinct, owner = np.arange(len(labels)), np.arange(len(labels))
    else:
        _, distinct, owner = np.unique(groups, return_index=True, return_inverse=True)
        # by first appearance, whatever the group numbers are: draws must not depend on those
        order = np.argsort(distinct, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        distinct, owner = distinct[order], place[owner.reshape(-1)]
    kinds, keys = labels[distinct], draws(len(distinct), seed, purpose)
    goes = np.zeros(len(distinct), bool)
    for label in np.unique(kinds):
        members = np.flatnonzero(kinds == label)
        count = math.floor(len(members) * fraction + 0.5)
        if fraction > 0:
            count = max(count, 1)
        count = min(count, len(members) - 1)
        goes[members[np.argsort(keys[members], kind="stable")[:count]]] = True
    leaving = goes[owner]
    return np.flatnonzero(~leaving), np.flatnonzero(leaving)


def limited(labels: NDArray[np.int64], limit: int, seed: int) -> Indices:
    """Positions of at most `limit` pictures, ascending, each class in its share and, if it can be, with one at least.

    Raises:
        DataError: the limit is not positive.
    """
    if limit < 1:
        raise DataError(f"the limit must be at least 1 picture a split, not {limit}")
    if limit >= len(labels):
        return np.arange(len(labels))
    present, counts = np.unique(labels, return_counts=True)
    exact = counts * (limit / len(labels))
    quota = np.floor(exact).astype(np.int64)
    if limit >= len(present):
        quota = np.maximum(quota, 1)
    while quota.sum() > limit:
        quota[np.argmax(quota)] -= 1
    for place in np.argsort(quota - exact, kind="stable")[: limit - int(quota.sum())]:
        quota[place] += 1
    keys = draws(len(labels), seed, "limit")
    chosen = []
    for label, count in zip(present, quota, strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(keys[members], kind="stable")[:count]])
    return np.sort(np.concatenate(chosen))


def balanced(labels: NDArray[np.int64], classes: int, count: int, seed: int) -> Indices:
    """Positions of `count` pictures, class after class in turn, until the pictures are used up.

    A class that runs out is passed over, so that the others fill its places.

    Raises:
        DataError: the count is not positive.
    """
    if count < 1:
        raise DataError(f"at least 1 picture must be asked for, not {count}")
    keys = draws(len(labels), seed, "calibration")
    rank = np.empty(len(labels), np.int64)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        rank[members[np.argsort(keys[members], kind="stable")]] = np.arange(len(members))
    return np.lexsort((labels, rank))[:count]
