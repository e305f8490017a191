"""`--roi`, `--rotate` and `--flip`: which part of a frame is looked at, and which way up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onsight_edge.errors import UsageError
from onsight_edge.spec import Flip, ModelSpec, Rotate

ROI_FORM = "X,Y,W,H: left, top, width and height as shares 0..1 of the frame, or in pixels"
Roi = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Looking:
    """What was asked for in place of what a spec says; None: nothing.

    Attributes:
        roi: left, top, width, height as they were typed; in pixels where one of them is above 1.
        rotate, flip: see ModelSpec.
    """

    roi: Roi | None = None
    rotate: Rotate | None = None
    flip: Flip | None = None

    @property
    def needs_size(self) -> bool:
        """Whether the region is in pixels, so that a frame's size must be known."""
        return self.roi is not None and max(self.roi) > 1

    def applied(self, spec: ModelSpec, frame_wh: tuple[int, int] | None) -> ModelSpec:
        """`spec` with what was asked for.

        Args:
            spec: the model's own.
            frame_wh: width and height of the frames in pixels, None where nobody knows.

        Raises:
            UsageError: the region does not lie in the frame, or is in pixels of a frame whose size is not known.
        """
        if self.roi is not None:
            spec = replace(spec, roi=self.shares(frame_wh))
        if self.rotate is not None:
            spec = replace(spec, rotate=self.rotate)
        if self.flip is not None:
            spec = replace(spec, flip=self.flip)
        return spec

    def shares(self, frame_wh: tuple[int, int] | None) -> Roi | None:
        """The region as shares 0..1 of the frame; None for all of it, or where none was asked for.

        Raises:
            UsageError: as `applied` raises it.
        """
        if self.roi is None:
            return None
        left, top, width, height = self.roi
        typed = ",".join(f"{number:g}" for number in self.roi)
        whole_w, whole_h = 1.0, 1.0
        if self.needs_size:
            if frame_wh is None:
                raise UsageError(
                    f"--roi {typed} is in pixels, but the size of these frames is not known beforehand: "
                    "give shares 0..1 of the frame"
                )
            whole_w, whole_h = float(frame_wh[0]), float(frame_wh[1])
        shares = (left / whole_w, top / whole_h, width / whole_w, height / whole_h)
        if shares[0] + shares[2] > 1 + 1e-9 or shares[1] + shares[3] > 1 + 1e-9:
            size = f"{whole_w:g}x{whole_h:g} frame" if self.needs_size else "frame, whose sides are 1"
            raise UsageError(f"--roi {typed} ends outside the {size}")
        return None if shares == (0, 0, 1, 1) else shares


def parse_roi(text: str) -> Roi:
    """The four numbers of `--roi`.

    Raises:
        UsageError: not four numbers, a negative one, or nothing in it.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
        left, top, width, height = numbers
    except ValueError as error:
        raise UsageError(f"--roi {text}: expected {ROI_FORM}") from error
    if not all(0 <= number < 1e6 for number in numbers) or width == 0 or height == 0:  # nan is neither
        raise UsageError(f"--roi {text}: expected {ROI_FORM}, not negative and not empty")
    return left, top, width, height
