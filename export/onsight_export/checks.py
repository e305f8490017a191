"""Is a converted file the network it was made of? Asked of the finished file, through what executes it on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.classifier import Classifier
from onsight_edge.errors import ModelError
from onsight_edge.files import sha256_bytes
from onsight_edge.frame import TensorInfo
from onsight_edge.metrics import correct, wilson
from onsight_export.pictures import evenly
from onsight_export.quiet import quiet
from onsight_export.reject import judge_threshold
from onsight_export.report import VariantReport
from onsight_export.variants import VARIANTS, Variant

_CHUNK = 100
_SUM_TOLERANCE = 1e-3
_LEAST_SPREAD = 0.05
_SOFTMAX_STEP = 1 / 256  # TFLite's for 8 bits, whatever was calibrated


def check_file(
    path: Path,
    variant: Variant,
    *,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.integer],
    reference: NDArray[np.float32],
    weights: int,
    float_io: bool = False,
    rejects: bool = False,
    unknown: NDArray[np.uint8] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> VariantReport:
    """Run a finished file over the test pictures and hold it against Keras.

    Args:
        path: the file, as it will stand in the bundle.
        variant: what it is meant to be.
        pixels: (N, height, width, channels) uint8.
        labels: (N,) class positions.
        reference: (N, classes) Keras's scores of the same pictures.
        weights: how many numbers the network's kernels hold; see `kernel_weights`.
        float_io: `tflite-int8` is meant to take and give float32.
        rejects: a threshold was fitted: say what it does.
        unknown: (M, height, width, channels) uint8 pictures of no known class, for that.
        progress: called with pictures done and in all.

    Raises:
        ModelError: the file cannot be the network: too small for its weights, another input than contracted,
            constant, not probabilities, or further from Keras than its number format explains.
    """
    if variant.most_pictures:
        chosen = evenly(len(pixels), variant.most_pictures)
        pixels, labels, reference = pixels[chosen], labels[chosen], reference[chosen]
    data = path.read_bytes()
    least = weights * variant.bytes_a_weight
    if len(data) < least:
        raise ModelError(
            f"{variant.name}: the conversion lost the weights: {len(data)} bytes, and {weights} weights take {least}"
        )
    with quiet():  # LiteRT announces its delegate on stderr
        opened = Classifier.open(path, trusted=True)
    with opened as classifier:
        _check_input(variant, classifier.backend.input, float_io)
        scores = np.empty_like(reference)
        for at in range(0, len(pixels), _CHUNK):
            scores[at : at + _CHUNK] = classifier.scores(pixels[at : at + _CHUNK])
            progress(min(at + _CHUNK, len(pixels)), len(pixels))
        tensors = (classifier.backend.input, classifier.backend.output)
        # a temperature makes every sum 1, whatever the network answers: asked once more without it
        raw = Classifier(replace(classifier.spec, temperature=1.0), classifier.backend)
        check_sums(variant, raw.scores(pixels[:_CHUNK]), tensors[1])
        backend = f"{classifier.backend.name} {classifier.backend.version}"
        threshold = classifier.spec.threshold
        if unknown is not None and variant.most_pictures:
            unknown = unknown[evenly(len(unknown), variant.most_pictures)]
        strange = classifier.scores(unknown) if rejects and unknown is not None else None
    check_scores(variant, scores, reference, tensors[1])
    difference = np.abs(scores - reference)
    right, total = correct(scores, labels), len(labels)
    low, high = wilson(right, total)
    return VariantReport(
        variant=variant.name,
        file=path.name,
        sha256=sha256_bytes(data),
        bytes=len(data),
        backend=backend,
        input=_tensor(tensors[0]),
        output=_tensor(tensors[1]),
        pictures=total,
        correct=right,
        accuracy=right / total,
        interval=(low, high),
        drop_points=round(100 * (correct(reference, labels) - right) / total, 6),
        agreement=float((scores.argmax(axis=1) == reference.argmax(axis=1)).mean()),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        reject=judge_threshold(threshold, scores, labels, strange) if rejects else None,
    )


def check_scores(
    variant: Variant, scores: NDArray[np.float32], reference: NDArray[np.float32], output: TensorInfo
) -> None:
    """Whether scores can be this network's at all; how good they are is `--max-drop`'s question.

    Raises:
        ModelError: not finite, not probabilities, constant, or a float variant far from Keras.
    """
    if not np.isfinite(scores).all():
        raise ModelError(f"{variant.name}: its scores are not finite numbers on the test pictures")
    check_sums(variant, scores, output)
    spread, wanted = (float((s.max(axis=0) - s.min(axis=0)).max()) for s in (scores, reference))
    if spread < _LEAST_SPREAD * wanted:
        raise ModelError(
            f"{variant.name}: it answers the same for every picture (scores vary by {spread:.4f}, "
            f"Keras's by {wanted:.4f})"
        )
    difference = float(np.abs(scores - reference).max())
    if variant.largest_difference is not None and difference > variant.largest_difference:
        raise ModelError(
            f"{variant.name}: a score is {difference:.6f} away from Keras's, at most "
            f"{variant.largest_difference} is what its number format explains"
        )


def check_sums(variant: Variant, scores: NDArray[np.float32], output: TensorInfo) -> None:
    """Whether every picture's scores sum to 1.

    Raises:
        ModelError: a sum is further from 1 than the output's rounding explains.
    """
    # a quantized output rounds every score by up to half a step; with float output the softmax inside still does
    step = output.scale or (_SOFTMAX_STEP if variant.name == "tflite-int8" else 0.0)
    tolerance = _SUM_TOLERANCE + scores.shape[1] * step / 2
    off = float(np.abs(scores.sum(axis=1) - 1).max())
    if off > tolerance:
        raise ModelError(
            f"{variant.name}: its scores are not probabilities: a sum is {off:.4f} away from 1; "
            f"does the network end in a softmax, and does spec.json say what its output is?"
        )


def check_drops(reports: list[VariantReport], max_drop_points: float) -> None:
    """Whether every variant kept its accuracy.

    Raises:
        ModelError: one lost more than was allowed; the message names each that did.
    """
    lost = [report for report in reports if report.drop_points > max_drop_points]
    if lost:
        each = ", ".join(f"{report.variant} loses {report.drop_points:.2f}" for report in lost)
        raise ModelError(
            f"{each} points of accuracy against Keras on {lost[0].pictures} test pictures, more than --max-drop "
            f"{max_drop_points:g} allows: no bundle was written; leave it out with --quant, calibrate on more "
            f"pictures with --calibration, or allow it with --max-drop"
        )


def check_agreement(reports: list[VariantReport], min_agreement: float) -> None:
    """Whether every variant names the classes that Keras names; accuracy alone can hide that other pictures are wrong.

    One picture may always differ: two scores of a picture can be equal.

    Args:
        reports: of all variants.
        min_agreement: the share wanted of 8-bit variants; for the others it is the variant's own.

    Raises:
        ModelError: one agrees on too few pictures; the message names each that does.
    """
    failed = []
    for report in reports:
        own = VARIANTS[report.variant].least_agreement
        least = min_agreement if own is None else own
        differ = round((1 - report.agreement) * report.pictures)
        if differ > max(1, int((1 - least) * report.pictures + 1e-9)):
            failed.append(f"{report.variant} on {report.agreement:.2%} (at least {least:.1%})")
    if failed:
        raise ModelError(
            f"too few test pictures get the class that Keras names: {', '.join(failed)}: no bundle was written; leave "
            f"it out with --quant, or for an 8-bit variant allow it with --min-agreement"
        )


def kernel_weights(model: Any) -> int:
    """How many numbers a Keras network's kernels hold: what no conversion may fold away, as it does with biases."""
    return sum(int(np.prod(weight.shape)) for weight in model.weights if len(weight.shape) >= 2)


def _check_input(variant: Variant, tensor: TensorInfo, float_io: bool) -> None:
    """Contract 1: raw pixels in."""
    found = (tensor.dtype, tensor.scale, tensor.zero_point)
    if variant.model_format == "onnx":
        wanted: tuple[str, float, int] = ("uint8", 0.0, 0)
    else:
        wanted = ("uint8", 1.0, 0) if variant.quantization == "int8" and not float_io else ("float32", 0.0, 0)
    if found != wanted:
        raise ModelError(
            f"{variant.name}: its input is {found[0]} with scale {found[1]} and zero point {found[2]}, "
            f"not {wanted[0]} with {wanted[1]} and {wanted[2]}: it would not take raw pixels"
        )


def _tensor(info: TensorInfo) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": info.name, "shape": list(info.shape), "dtype": info.dtype}
    return plain | ({"scale": info.scale, "zero_point": info.zero_point} if info.quantized else {})
