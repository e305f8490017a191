"""What travels: a frame from a source, the prediction made of it, and the result that sinks receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = "unknown"
SOURCE_LOST, SOURCE_BACK, MODEL_CHANGED = "source-lost", "source-back", "model-changed"  # kinds of a Notice


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture.

    Attributes:
        image_bgr: (height, width, 3) uint8, OpenCV's channel order. Not to be written to. Sources of JPEGs decode no
            more of it than the classifier needs.
        index: counts from 0 what the source delivered, dropped frames included.
        captured_ns: `time.monotonic_ns()` when the frame arrived.
        truth: the class the picture is known to show, for sources that know it.
        name: file name or the like, for sources that have one.
        full: decodes the picture at its own size; None where `image_bgr` has it.
    """

    image_bgr: NDArray[np.uint8]
    index: int
    captured_ns: int
    truth: str | None = None
    name: str | None = None
    full: Callable[[], NDArray[np.uint8]] | None = None

    def picture(self) -> NDArray[np.uint8]:
        """The picture at its own size, (height, width, 3) uint8 BGR; decoded now where the source left that undone.

        Raises:
            DataError: it cannot be decoded.
        """
        return self.image_bgr if self.full is None else self.full()


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of one picture.

    Attributes:
        index: position of the highest score in `classes`.
        score: that score, 0..1.
        scores: (classes,) float32, sums to about 1.
        classes: the names, in the model's order.
        rejected: the score is below the spec's threshold.
    """

    index: int
    score: float
    scores: NDArray[np.float32]
    classes: tuple[str, ...]
    rejected: bool = False

    @property
    def label(self) -> str:
        """The name of the best class, or `unknown` where the score is below the threshold."""
        return UNKNOWN if self.rejected else self.classes[self.index]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` best classes with their scores, best first; of equal scores the lower index is first."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [(self.classes[i], float(self.scores[i])) for i in order]


@dataclass(frozen=True, slots=True)
class Timings:
    """Where one classification's time went, in nanoseconds."""

    preprocess_ns: int
    inference_ns: int
    postprocess_ns: int

    @property
    def total_ns(self) -> int:
        """The three stages together."""
        return self.preprocess_ns + self.inference_ns + self.postprocess_ns


@dataclass(frozen=True, slots=True)
class Decision:
    """What is held to be seen, steadier than a single prediction.

    Attributes:
        label: a class, or `unknown`.
        score: its smoothed score, 0..1; for `unknown` that of the best class.
        since_ns: `time.monotonic_ns()` of the frame that made it so.
        changed: this very result changed it: an event.
    """

    label: str
    score: float
    since_ns: int
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a run that its user should know, told once when it begins and once when it is over.

    Attributes:
        kind: a word for programs, such as `source-lost`, `source-back`, `swapped`, `dark`.
        text: a line for people: what is wrong and what to do.
        at_ns: `time.monotonic_ns()`.
        over: the trouble has passed.
    """

    kind: str
    text: str
    at_ns: int
    over: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"notice": self.kind, "text": self.text, "over": self.over}


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A prediction on its way to the sinks.

    Attributes:
        frame: the frame it was made of.
        prediction: what the model says.
        timings: where the time went.
        published_ns: `time.monotonic_ns()` when it was handed to the sinks.
        dropped: frames overwritten unseen since the source was opened.
        fps: results a second over the last second or so.
        decision: what is held to be seen, where the run decides; else None.
    """

    frame: Frame
    prediction: Prediction
    timings: Timings
    published_ns: int
    dropped: int
    fps: float
    decision: Decision | None = None

    @property
    def label(self) -> str:
        """What to show: the decision where the run decides, else the prediction; `unknown` for a rejected one."""
        return self.prediction.label if self.decision is None else self.decision.label

    @property
    def score(self) -> float:
        """The score of `label`, 0..1; of `unknown` that of the best class."""
        return self.prediction.score if self.decision is None else self.decision.score

    @property
    def age_ms(self) -> float:
        """How old the picture was when its result was published, in milliseconds."""
        return (self.published_ns - self.frame.captured_ns) / 1e6

    def to_json(self, top: int = 5) -> dict[str, Any]:
        """One line of the JSONL sink with the `top` best classes; docs/live.md describes every key."""
        prediction = self.prediction
        line: dict[str, Any] = {
            "frame": self.frame.index,
            "label": prediction.label,
            "score": round(prediction.score, 6),
            "top": [[name, round(score, 6)] for name, score in prediction.top(top)],
            "age_ms": round(self.age_ms, 3),
            "preprocess_ms": round(self.timings.preprocess_ns / 1e6, 4),
            "inference_ms": round(self.timings.inference_ns / 1e6, 4),
            "postprocess_ms": round(self.timings.postprocess_ns / 1e6, 4),
            "dropped": self.dropped,
            "fps": round(self.fps, 2),
        }
        if self.decision is not None:
            line["decision"] = self.decision.label
            line["decision_score"] = round(self.decision.score, 6)
        if self.frame.truth is not None:
            line["truth"] = self.frame.truth
        if self.frame.name is not None:
            line["name"] = self.frame.name
        return line


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A model's input or output as its file declares it.

    Attributes:
        name: in the file.
        shape: with the batch first; -1 where it is free.
        dtype: NumPy's name, `uint8`, `int8`, `int16`, `float32`, `float16`.
        scale: real = (stored - zero_point) * scale; 0.0 where the tensor is not quantized.
        zero_point: see `scale`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0

    @property
    def quantized(self) -> bool:
        """Whether the stored values are integers that stand for real ones."""
        return self.scale != 0.0
