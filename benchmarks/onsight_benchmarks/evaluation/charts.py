"""Small charts as inline SVG. Their colours are the page's CSS variables, so that they follow light and dark.

All text in them is numbers and words of this module: names that come from a user stay in the page, which escapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from onsight_edge.calibration import Reliability

_WIDE, _HIGH, _LEFT, _TOP = 400, 300, 62, 10  # of the reliability diagram's square and its left and upper margin
_COUNTS = 56  # height of the counts below


def reliability_chart(before: Reliability, after: Reliability | None) -> str:
    """Accuracy against score: bars, the gap to the diagonal, and dots for another temperature.

    Args:
        before: of the scores as they are.
        after: of cross-fitted scores, or None.
    """
    inner_w, inner_h = _WIDE - _LEFT - 22, _HIGH - _TOP - 34
    bins = len(before.counts)

    def x(share: float) -> float:
        return _LEFT + share * inner_w

    def y(share: float) -> float:
        return _TOP + (1 - share) * inner_h

    parts = [_grid(x, y)]
    for place in range(bins):
        if not before.counts[place]:
            continue
        few = " few" if before.counts[place] < _few(before) else ""
        left, right = x(before.edges[place]) + 1, x(before.edges[place + 1]) - 1
        right_share, said = float(before.accuracy[place]), float(before.confidence[place])
        high, low = max(right_share, said), min(right_share, said)
        kind = "over" if said > right_share else "under"
        parts.append(_rect(f"bar{few}", left, y(right_share), right - left, y(0) - y(right_share)))
        parts.append(_rect(f"gap {kind}{few}", left, y(high), right - left, y(low) - y(high)))
    parts.append(f'<line class="diagonal" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}"/>')
    if after is not None:
        for place in np.flatnonzero(after.counts >= _few(after)).tolist():
            at = (x(float(after.confidence[place])), y(float(after.accuracy[place])))
            parts.append(f'<circle class="refit" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4"/>')
    parts.append(_text(_LEFT + inner_w / 2, _HIGH - 4, "the model's own score", "middle"))
    parts.append(
        f'<text x="12" y="{_TOP + inner_h / 2:.1f}" text-anchor="middle" '
        f'transform="rotate(-90 12 {_TOP + inner_h / 2:.1f})">how often it was right</text>'
    )
    base = _HIGH + _COUNTS
    most = int(before.counts.max())
    for place in range(bins):
        tall = (_COUNTS - 8) * float(before.counts[place]) / most
        left, right = x(before.edges[place]) + 1, x(before.edges[place + 1]) - 1
        parts.append(_rect("count", left, base - tall, right - left, tall))
    parts.append(_text(_LEFT - 6, base - 2, "pictures", "end"))
    return _svg(_WIDE, base + 4, parts, "Reliability diagram: accuracy against score; the table below has its figures")


def strength_chart(clean: float, shares: Sequence[float]) -> str:
    """Accuracy at strengths 0 (clean) to 5 as one line.

    Args:
        clean: accuracy 0..1 without the corruption.
        shares: accuracy at each strength.
    """
    width, height, left, top, right = 230, 124, 44, 8, 42
    points = [clean, *shares]

    def x(strength: float) -> float:
        return left + strength * (width - left - right) / (len(points) - 1)

    def y(share: float) -> float:
        return top + (1 - share) * (height - top - 20)

    parts = [
        f'<line class="grid" x1="{left}" y1="{y(share):.1f}" x2="{width - right}" y2="{y(share):.1f}"/>'
        + _text(left - 4, y(share) + 4, f"{100 * share:.0f} %", "end")
        for share in (0.0, 0.5, 1.0)
    ]
    parts.extend(_text(x(strength), height - 4, str(strength), "middle") for strength in range(len(points)))
    parts.append(f'<line class="clean" x1="{x(0):.1f}" y1="{y(clean):.1f}" x2="{width - right}" y2="{y(clean):.1f}"/>')
    line = " ".join(f"{x(strength):.1f},{y(share):.1f}" for strength, share in enumerate(points))
    area = f"{x(0):.1f},{y(0):.1f} {line} {x(len(points) - 1):.1f},{y(0):.1f}"
    parts.append(f'<polygon class="area" points="{area}"/><polyline class="line" points="{line}"/>')
    parts.extend(
        f'<circle class="dot" cx="{x(at):.1f}" cy="{y(share):.1f}" r="2.5"/>' for at, share in enumerate(points)
    )
    parts.append(
        f'<text class="end" x="{width - right + 6}" y="{y(points[-1]) + 4:.1f}">{100 * points[-1]:.0f} %</text>'
    )
    spoken = ", ".join(f"{100 * share:.1f} %" for share in points)
    return _svg(width, height, parts, f"Accuracy at strengths 0 to {len(points) - 1}: {spoken}")


def _few(found: Reliability) -> int:
    """Bins with fewer pictures say little: they are drawn pale."""
    return max(10, int(found.counts.sum()) // 1000)


def _grid(x: Callable[[float], float], y: Callable[[float], float]) -> str:
    lines = []
    for step in range(0, 101, 25):
        share = step / 100
        lines.append(f'<line class="grid" x1="{x(0):.1f}" y1="{y(share):.1f}" x2="{x(1):.1f}" y2="{y(share):.1f}"/>')
        lines.append(_text(x(0) - 6, y(share) + 4, f"{step} %", "end"))
        lines.append(_text(x(share), y(0) + 15, f"{step} %", "middle"))
    return "".join(lines)


def _rect(kind: str, left: float, top: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(height, 0):.1f}"/>'


def _text(left: float, base: float, words: str, anchor: str) -> str:
    return f'<text x="{left:.1f}" y="{base:.1f}" text-anchor="{anchor}">{words}</text>'


def _svg(width: int, height: int, parts: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
