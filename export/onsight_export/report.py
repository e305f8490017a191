"""What an export found out, as it stands in a bundle's `report.json` (docs/bundle.md describes every key)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 2
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a variant's threshold does.

    Attributes:
        threshold: answers scored below it are `unknown`.
        false_rejects: share of the test pictures, all of known classes, that it makes `unknown`.
        accuracy_accepted: of the others; None where it leaves none.
        false_accepts: share of the pictures named with `--unknowns`, none of a known class, that are given one
            nevertheless; None where none were named.
    """

    threshold: float
    false_rejects: float
    accuracy_accepted: float | None
    false_accepts: float | None


@dataclass(frozen=True, slots=True)
class VariantReport:
    """One variant, checked on the test pictures through the edge package's Classifier.

    Attributes:
        variant: such as `tflite-int8`.
        file: its name in the bundle.
        sha256, bytes: of the file.
        backend: what executed it, with version.
        input, output: dtype, and scale and zero point where the tensor is quantized.
        pictures: how many it was checked on; fewer than `ExportReport.pictures` for `tflite-int16x8`, which is slow.
        correct: those whose class it found.
        accuracy: that as a share, 0..1.
        interval: Wilson's 95 % interval of `accuracy`.
        drop_points: Keras's accuracy on the same pictures minus this one, in percentage points; negative where it
            gained.
        agreement: share of pictures on which it names the class that Keras names.
        largest_difference, mean_difference: of the scores from Keras's, absolute, over all pictures and classes.
        reject: None where no threshold was fitted.
    """

    variant: str
    file: str
    sha256: str
    bytes: int
    backend: str
    input: dict[str, Any]
    output: dict[str, Any]
    pictures: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    drop_points: float
    agreement: float
    largest_difference: float
    mean_difference: float
    reject: Rejection | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the integer variants' ranges come from, and what candidates were compared on.

    Attributes:
        split: always `train`: ranges taken from test pictures would flatter the test.
        pictures: how many there were to take from, class-balanced; how many an int8 variant took stands in `int8`.
        seed: of their choice.
        added: further pictures that `tflite-int16x8` took, so that its input covers 0..255.
        int16x8_pictures: how many of the others it took; its ranges are min-max.
        compared_on: `validation`, or `train` where the data set has no validation part.
        compared_pictures: how many of those there were; none of them was calibrated on.
    """

    split: str
    pictures: int
    seed: int
    added: tuple[str, ...]
    int16x8_pictures: int
    compared_on: str
    compared_pictures: int


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A whole export.

    Attributes:
        onsight: its version.
        name: the run's, or the file's or folder's without suffix.
        command: as it was typed, empty where export was called from Python.
        source: `kind` (`run`, `keras`, `saved-model`), SHA-256 of the network, parameter count.
        dataset: name, SHA-256, split the variants were checked on, pictures in it.
        pictures: how many of them were used.
        keras: the network's own `correct`, `accuracy` and `interval` on the same pictures.
        max_drop_points: what a variant was allowed to lose.
        min_agreement: share of pictures on which an 8-bit variant had to name Keras's class.
        opset: of the ONNX files.
        batch: `1` or `dynamic`, by format.
        layout: of the ONNX files' input, `nhwc` or `nchw`.
        calibration: None where no integer variant was asked for.
        int8: how each int8 variant came to its ranges, a `quantize.Int8Report` as JSON values.
        reject: share of known validation pictures that the thresholds were to accept; 0 where none were fitted.
        unknowns: name and number of the pictures of no known class, or None.
        golden: what the bundle's golden samples show, `synthetic` or `test`.
        variants: one each, in the order they were made.
        versions: of Python and the libraries.
    """

    onsight: str
    name: str
    command: str
    source: dict[str, Any]
    dataset: dict[str, Any]
    pictures: int
    keras: dict[str, Any]
    max_drop_points: float
    min_agreement: float
    opset: int
    batch: dict[str, str]
    layout: str
    calibration: Calibration | None
    int8: dict[str, dict[str, Any]]
    reject: float
    unknowns: dict[str, Any] | None
    golden: str
    variants: tuple[VariantReport, ...]
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"schema": SCHEMA, **asdict(self)}
