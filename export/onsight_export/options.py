"""How to export: what `onsight export`'s flags say, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from onsight_edge.errors import UsageError
from onsight_export.quantize.types import ESTIMATORS
from onsight_export.variants import VARIANTS, Variant

DEFAULT_MAX_DROP = 1.0
DEFAULT_REJECT = 0.95
DEFAULT_MIN_AGREEMENT = 0.9
DEFAULT_OPSET = 17
OPSETS = range(13, 19)  # what tf2onnx writes; per-channel quantization needs 13

Batch = Literal["1", "dynamic"]
Layout = Literal["nhwc", "nchw"]
Range = Literal["0..255", "0..1", "-1..1"]
Golden = Literal["synthetic", "test"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes:
        variants: which; see `parse_quant`.
        max_drop_points: percentage points of accuracy that a variant may lose against Keras.
        calibration: how many training pictures the integer variants are calibrated on; None: as many as measuring
            on validation pictures shows to be best.
        estimator: how their values become ranges, one of `quantize.ESTIMATORS`; None: chosen by measuring.
        sensitivity: measure what every layer costs in 8 bits.
        keep_float: Keras layers that the int8 variants leave in float.
        seed: of the choice of those, and of the split of data that comes unsplit where the source is no run.
        opset: of the ONNX files.
        limit: check on so many test pictures only, evenly spread; 0 for all.
        data: the data set; for a run only where it lies now, if not where it was trained from.
        spec: a ModelSpec's JSON file that describes a .keras file or a SavedModel; its mean and std say what that
            expects.
        range: what it expects instead, one of `fold.RANGES`; None tries whether it is 0..255.
        command: what was typed, for the report.
        batch: `1` or `dynamic`; None gives TFLite files a batch of 1 and leaves that of ONNX files free.
        layout: of the ONNX files' input: (batch, height, width, channels), or channels before height.
        float_io: `tflite-int8` takes and gives float32 (pixels 0..255 still) instead of uint8.
        golden: what the bundle's golden samples show: `synthetic` frames, which hold none of the user's pictures, or
            pictures of the `test` part.
        min_agreement: share of the pictures on which an 8-bit variant must name the class that Keras names.
        reject: share of the known validation pictures that each variant's threshold still accepts; 0 fits none. A
            threshold that the source's spec has is left as it is.
        unknowns: a data set of no known class, for the report.
    """

    variants: tuple[Variant, ...] = tuple(VARIANTS.values())
    max_drop_points: float = DEFAULT_MAX_DROP
    calibration: int | None = None
    estimator: str | None = None
    sensitivity: bool = False
    keep_float: tuple[str, ...] = ()
    seed: int = 0
    opset: int = DEFAULT_OPSET
    limit: int = 0
    data: str | None = None
    spec: Path | None = None
    range: Range | None = None
    command: str = ""
    batch: Batch | None = None
    layout: Layout = "nhwc"
    float_io: bool = False
    min_agreement: float = DEFAULT_MIN_AGREEMENT
    golden: Golden = "synthetic"
    reject: float = DEFAULT_REJECT
    unknowns: str | None = None

    def __post_init__(self) -> None:
        if not self.variants:
            raise UsageError("no variant asked for")
        if self.calibration is not None and self.calibration < 1:
            raise UsageError(f"calibration needs at least 1 picture, not {self.calibration}")
        if self.opset not in OPSETS:
            raise UsageError(f"opset must be {OPSETS[0]}..{OPSETS[-1]}, not {self.opset}")
        if self.limit < 0:
            raise UsageError(f"limit must be 0 (all test pictures) or more, not {self.limit}")
        if self.batch not in (None, *get_args(Batch)):
            raise UsageError(f"batch must be {' or '.join(get_args(Batch))}, not {self.batch!r}")
        if self.layout not in get_args(Layout):
            raise UsageError(f"layout must be {' or '.join(get_args(Layout))}, not {self.layout!r}")
        if self.golden not in get_args(Golden):
            raise UsageError(f"golden must be {' or '.join(get_args(Golden))}, not {self.golden!r}")
        integer = any(variant.quantization == "int8" for variant in self.variants)
        if not integer and (self.estimator or self.sensitivity or self.keep_float or self.float_io):
            raise UsageError("estimator, sensitivity, keep-float and float-io are for int8 variants: none is asked for")
        if self.range not in (None, *get_args(Range)):
            raise UsageError(f"range must be {', '.join(get_args(Range))}, not {self.range!r}")
        if self.estimator not in (None, *ESTIMATORS):
            raise UsageError(f"estimator must be {', '.join(ESTIMATORS)}, not {self.estimator!r}")
        if not self.max_drop_points >= 0:  # NaN, too
            raise UsageError(f"max_drop_points must be 0 or more, not {self.max_drop_points}")
        if not 0 <= self.reject <= 1:
            raise UsageError(f"reject is the share of known pictures to accept, 0..1, not {self.reject}")
        if not 0 <= self.min_agreement <= 1:
            raise UsageError(f"min_agreement must be 0..1, not {self.min_agreement}")

    def free_batch(self, model_format: str) -> bool:
        """Whether files of a format, `tflite` or `onnx`, take any number of pictures at a time."""
        return model_format == "onnx" if self.batch is None else self.batch == "dynamic"


def default_out(source: Path) -> Path:
    """Where a bundle goes unless told otherwise: `NAME.bundle` beside the run, the file or the folder."""
    source = source.resolve()
    return source.with_name((source.stem if source.suffix == ".keras" else source.name) + ".bundle")
