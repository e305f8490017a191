"""How right every variant is, and which are right enough: from the export's report, or measured here on labelled
pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.model_facts import REPORT
from onsight_edge.bundle import DEFAULT_MODEL, Bundle
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BenchmarkError
from onsight_edge.metrics import correct

MAX_DROP_POINTS = 1.0  # what `onsight export` allows where it is not told otherwise
TOO_SLOW = 4.0  # so many times slower than one that is right enough: its accuracy decides nothing
_CHUNK = 50


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How right one variant is.

    Attributes:
        accuracy: share of the pictures, 0..1.
        drop_points: percentage points below the reference; None where there is none.
        pictures: how many.
        of: where it comes from: `report`, or the name of the data set it was measured on here.
    """

    accuracy: float
    drop_points: float | None
    pictures: int
    of: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures to measure on: (N, height, width, channels) uint8 as the model takes them, and (N,) class positions."""

    name: str
    sha256: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reported:
    """What the export's report says.

    Attributes:
        variants: variant -> its accuracy.
        keras: the network's own accuracy on those pictures; None without a report.
        dataset_sha256: of the data set whose test pictures they are; None without a report, or where `--limit` left
            pictures out.
        max_drop_points: what the export allowed a variant to lose.
    """

    variants: Mapping[str, Accuracy]
    keras: float | None = None
    dataset_sha256: str | None = None
    max_drop_points: float = MAX_DROP_POINTS


@dataclass(frozen=True, slots=True)
class Floor:
    """The least a variant must reach.

    Attributes:
        max_drop_points: at most so many percentage points below the reference; None: not asked for.
        min_accuracy: at least this share; None: not asked for.
    """

    max_drop_points: float | None
    min_accuracy: float | None

    def objection(self, known: Accuracy) -> str | None:
        """Why a variant is not right enough; None where it is."""
        if self.min_accuracy is not None and known.accuracy < self.min_accuracy:
            return f"accuracy {known.accuracy:.2%}, at least {self.min_accuracy:.2%} asked for"
        if self.max_drop_points is None or known.drop_points is None:
            return None
        if known.drop_points > self.max_drop_points + 1e-6:  # a report's points are rounded to six digits
            return f"loses {known.drop_points:.2f} points, at most {self.max_drop_points:g} allowed"
        return None


def read_report(model: str | Path) -> Reported:
    """What a bundle's report says; nothing where there is none, or it is no report of this schema.

    Raises:
        ModelError: no such bundle.
    """
    path = DEFAULT_MODEL if str(model) == "default" else Path(model)
    if not path.is_dir() and path.suffix.lower() != ".zip":
        return Reported({})
    bundle = Bundle.open(path)
    if REPORT not in bundle.files:
        return Reported({})
    try:
        report: dict[str, Any] = json.loads(bundle.read(bundle.files[REPORT]))
        variants = {
            str(one["variant"]): Accuracy(
                float(one["accuracy"]), float(one["drop_points"]), int(one["pictures"]), "report"
            )
            for one in report["variants"]
        }
        whole = report["pictures"] == report["dataset"]["test_pictures"]
        return Reported(
            variants,
            float(report["keras"]["accuracy"]),
            str(report["dataset"]["sha256"]) if whole else None,
            float(report["max_drop_points"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return Reported({})


def measure_accuracies(
    variants: Mapping[str, tuple[Classifier, float]],
    data: Labelled,
    floor: Floor,
    reported: Reported,
    tell: Callable[[str, float], None],
) -> dict[str, Accuracy]:
    """Measure the variants on labelled pictures, those that may be worth it.

    The reference of `drop_points` is Keras's accuracy where the report has it of these very pictures, else the most
    accurate variant measured.

    Args:
        variants: variant -> an opened classifier and the seconds that its fastest call takes here.
        data: the pictures.
        floor: what will be asked of them: a variant far slower than one that reaches it is not measured.
        reported: what the report says.
        tell: told what is being done, and its share.

    Returns:
        Variant -> accuracy, of those measured.
    """
    keras = reported.keras if reported.dataset_sha256 == data.sha256 else None
    found: dict[str, float] = {}
    order = sorted(variants, key=lambda name: (not name.endswith("float32") and keras is None, variants[name][1]))
    for name in order:
        known = _against(found, keras, data)
        right = [variants[other][1] for other, one in known.items() if floor.objection(one) is None]
        classifier, seconds = variants[name]
        if right and seconds > TOO_SLOW * min(right):
            continue
        hits = 0
        for start in range(0, len(data.labels), _CHUNK):
            tell(f"accuracy of {name}", start / len(data.labels))
            scores = classifier.scores(data.images[start : start + _CHUNK])
            hits += correct(scores, data.labels[start : start + _CHUNK])
        found[name] = hits / len(data.labels)
    return _against(found, keras, data)


def check_floor(floor: Floor, variants: Sequence[str], known: Mapping[str, Accuracy]) -> None:
    """Refuse a floor that nothing can be held against.

    Raises:
        BenchmarkError: an accuracy was asked for, and none of any variant is known.
    """
    if not known and (floor.max_drop_points is not None or floor.min_accuracy is not None):
        raise BenchmarkError(
            f"nothing is known of the accuracy of {', '.join(variants)}: a bundle that onsight export wrote has a "
            f"report; measure it here with --data, or leave --max-drop and --min-accuracy out"
        )


def _against(found: Mapping[str, float], keras: float | None, data: Labelled) -> dict[str, Accuracy]:
    reference = keras if keras is not None else max(found.values(), default=0.0)
    return {
        name: Accuracy(share, round(100 * (reference - share), 6), len(data.labels), data.name)
        for name, share in found.items()
    }
