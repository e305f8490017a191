"""Golden samples: frames that ride in a bundle with the scores its variants gave at the export.

Replayed through everything between a camera's frame and the scores, on the device, they tell a runtime that computes
something else, a preprocessing that has changed, or a file that was exchanged together with its manifest.

`python -m onsight_edge.golden BUNDLE...` tells how far every variant's scores are away on this device.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.errors import BackendError, IntegrityError, ModelError, OnsightError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onsight_edge.classifier import Classifier

FILE = "golden.npz"
FRAMES = 16
_SCHEMA = 1
_MOST_BYTES = 256 << 20  # unpacked; 16 frames for an input of 1000x1000 pixels take 90 MiB


@dataclass(frozen=True, slots=True)
class Golden:
    """Frames and what they must be answered with.

    Attributes:
        frames: (N, height, width, 3) uint8 in OpenCV's channel order, as a camera gives them.
        scores: by variant (N, classes) float32, what `Classifier.classify` answered where the bundle was made.
        tolerance: by variant, how far a score may be away: what another processor's rounding explains.
    """

    frames: NDArray[np.uint8]
    scores: dict[str, NDArray[np.float32]]
    tolerance: dict[str, float]


def golden_bytes(golden: Golden) -> bytes:
    """The samples as `golden.npz`; equal samples give equal bytes."""
    variants = list(golden.scores)
    body = io.BytesIO()
    np.savez_compressed(
        body,
        schema=np.array(_SCHEMA),
        frames=golden.frames,
        variants=np.array(variants, np.str_),
        scores=np.stack([golden.scores[variant] for variant in variants]),
        tolerance=np.array([golden.tolerance[variant] for variant in variants], np.float64),
    )
    return body.getvalue()


def load_golden(data: bytes, where: str = FILE) -> Golden:
    """Read what `golden_bytes` wrote. Nothing in it is ever unpickled.

    Args:
        data: the file.
        where: its name, for messages.

    Raises:
        ModelError: written by another onsight. IntegrityError: not such arrays.
    """
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise IntegrityError(f"{where} would unpack to over {_MOST_BYTES >> 20} MiB: export the bundle again")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if (schema := int(arrays["schema"])) != _SCHEMA:
                raise ModelError(f"{where}: schema {schema} is not {_SCHEMA}: written by another onsight")
            frames, variants = arrays["frames"], [str(name) for name in arrays["variants"]]
            scores, tolerance = arrays["scores"], arrays["tolerance"]
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's header parser, down to tokenize, have one each for damage
        raise IntegrityError(f"{where} is damaged ({' '.join(str(error).split())}); export the bundle again") from error
    count = len(frames) if frames.ndim == 4 else 0
    sound = (
        count > 0
        and frames.dtype == np.uint8
        and frames.shape[3] == 3
        and scores.dtype == np.float32
        and scores.ndim == 3
        and scores.shape[:2] == (len(variants), count)
        and tolerance.shape == (len(variants),)
        and tolerance.dtype == np.float64
        and bool(np.isfinite(scores).all() and np.isfinite(tolerance).all())
    )
    if not sound:
        raise IntegrityError(
            f"{where} holds frames {frames.shape} {frames.dtype} and scores {scores.shape} {scores.dtype} of "
            f"{len(variants)} variants, which do not fit together; export the bundle again"
        )
    return Golden(
        frames,
        dict(zip(variants, scores, strict=True)),
        {name: float(value) for name, value in zip(variants, tolerance, strict=True)},
    )


def replay(classifier: Classifier, golden: Golden) -> None:
    """Classify the frames and hold the scores against those of the export.

    Raises:
        ModelError: a score is further away than another processor's rounding explains, or the samples know nothing
            of this variant. BackendError: the runtime failed.
    """
    found, expected, tolerance = _answers(classifier, golden)
    away = np.abs(found - expected).max(axis=1)
    off = ~(away <= tolerance)  # what is no number is away, too
    if not off.any():
        return
    classes = classifier.spec.classes
    worst = int(away.argmax())
    here, there = int(found[worst].argmax()), int(expected[worst].argmax())
    raise ModelError(
        f"{_where(classifier)}: {classifier.backend.name} {classifier.backend.version} answers {int(off.sum())} of "
        f"{len(away)} golden samples otherwise than at the export (sample {worst}: {classes[here]} "
        f"{found[worst, here]:.3f}, expected {classes[there]} {expected[worst, there]:.3f}; at most {tolerance:.3f} "
        "away): its answers would be wrong here; try another --backend or --variant, or export the bundle again"
    )


def _answers(classifier: Classifier, golden: Golden) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    variant = classifier.model.variant if classifier.model is not None else ""
    expected = golden.scores.get(variant)
    if expected is None or expected.shape[1] != len(classifier.spec.classes):
        raise ModelError(
            f"{_where(classifier)}: the bundle's golden samples hold no scores of {variant!r}; export it again"
        )
    found = np.stack([classifier.classify(frame).scores for frame in golden.frames])
    return found, expected, golden.tolerance[variant]


def _where(classifier: Classifier) -> str:
    return str(classifier.model.path) if classifier.model is not None else "the model"


def main() -> None:
    """Print, for every variant of the bundles named, how far its scores are away here and how far they may be."""
    from onsight_edge.bundle import Bundle

    for name in sys.argv[1:]:
        for variant in Bundle.open(Path(name)).variants:
            print(f"{name} {variant}{_distance(name, variant)}")


def _distance(bundle: str, variant: str) -> str:
    from onsight_edge.classifier import Classifier

    try:
        with Classifier.open(bundle, variant=variant) as classifier:
            data = classifier.model.golden if classifier.model is not None else None
            if data is None:
                raise ModelError(f"{bundle} has no golden samples")
            found, expected, tolerance = _answers(classifier, load_golden(data))
            return f" {classifier.backend.name}: {np.abs(found - expected).max():.2g} away, at most {tolerance:g}"
    except BackendError as error:  # this device has no runtime for it
        return f": {error}"


if __name__ == "__main__":
    try:
        main()
    except OnsightError as error:
        sys.exit(f"onsight: {error}")
