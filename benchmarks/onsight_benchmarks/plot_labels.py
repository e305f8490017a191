"""Where names stand beside points so that none covers another. Pure geometry, in pixels, y upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_DISTANCES = (9.0, 16.0, 26.0, 38.0, 52.0, 70.0)
# right first, as one reads; then left, half up and down, the corners, above and below, and between
_SIDES = (
    *((1.0, 0.0), (-1.0, 0.0), (1.0, 0.5), (1.0, -0.5), (-1.0, 0.5), (-1.0, -0.5)),
    *((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, 1.0), (0.0, -1.0)),
    *((0.5, 1.0), (0.5, -1.0), (-0.5, 1.0), (-0.5, -1.0)),
)
_AIR = 2.0
_LEADER_FROM = 14.0  # a name further from its point needs a line to it
_LEADER_STEP = 5.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.top - self.bottom)


def leader(point: tuple[float, float], box: Box) -> tuple[float, float] | None:
    """Where on a name's box a line from its point ends; None where it stands so near that it needs none."""
    x, y = point
    end = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
    return end if math.dist(end, point) > _LEADER_FROM else None


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes_wh: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    bounds: Box,
) -> list[Box]:
    """A box for each name, near its point.

    Every place around a point is tried, near ones first; the first that covers nothing is taken, else the one that
    covers least. The line that leads to a distant name counts as part of it.

    Args:
        points: what is named.
        sizes_wh: width and height of each name.
        taken: what must stay visible: markers, error bars.
        bounds: the names should stand within it.

    Returns:
        As many boxes, each of its name's size.
    """
    placed: list[Box] = []
    lines: list[Box] = []
    for (x, y), (width, height) in zip(points, sizes_wh, strict=True):
        best: tuple[float, Box] | None = None
        for distance in _DISTANCES:
            for side_x, side_y in _SIDES:
                # diagonal places are as far away as straight ones
                reach = distance if 0.0 in (side_x, side_y) else distance * 0.75
                left = x + side_x * reach - width * (1 - side_x) / 2
                bottom = y + side_y * reach - height * (1 - side_y) / 2
                box = Box(left, bottom, left + width, bottom + height)
                wide = Box(box.left - _AIR, box.bottom - _AIR, box.right + _AIR, box.top + _AIR)
                covered = sum(wide.overlap(other) for other in (*placed, *lines, *taken))
                covered += sum(dot.overlap(other) for dot in _dots((x, y), box) for other in placed)
                covered += 3 * (wide.area - wide.overlap(bounds))
                if best is None or covered < best[0] - 1e-9:
                    best = (covered, box)
            if best is not None and best[0] <= 1e-9:
                break
        assert best is not None
        placed.append(best[1])
        lines += _dots((x, y), best[1])
    return placed


def _dots(point: tuple[float, float], box: Box) -> list[Box]:
    """A leader as a row of small boxes."""
    end = leader(point, box)
    if end is None:
        return []
    steps = max(1, round(math.dist(point, end) / _LEADER_STEP))
    found = []
    for step in range(steps):
        x = point[0] + (end[0] - point[0]) * step / steps
        y = point[1] + (end[1] - point[1]) * step / steps
        found.append(Box(x - 2, y - 2, x + 2, y + 2))
    return found
