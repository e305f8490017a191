"""Which variants there are, what they are called on the command line, and what each must hold true."""

from __future__ import annotations

from dataclasses import dataclass

from onsight_edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Variant:
    """One format x quantization.

    Attributes:
        name: such as `tflite-int8`.
        bytes_a_weight: what one weight of a kernel takes in the file, at least.
        largest_difference: how far a score may be from Keras's; None where the weights or activations are
            rounded to 8 bits, which `--max-drop` judges.
        least_agreement: share of the pictures on which it must name the class that Keras names; None where
            `--min-agreement` says.
        calibrated: needs training pictures to find the ranges of its activations.
        most_pictures: check it on so many test pictures at most; 0 for all. For what no runtime has fast kernels for.
    """

    name: str
    bytes_a_weight: int
    largest_difference: float | None
    least_agreement: float | None = None
    calibrated: bool = False
    most_pictures: int = 0

    @property
    def model_format(self) -> str:
        """`tflite` or `onnx`."""
        return self.name.split("-")[0]

    @property
    def quantization(self) -> str:
        """`float32`, `float16`, `dynamic`, `int8` or `int16x8`."""
        return self.name.split("-")[1]

    @property
    def file_name(self) -> str:
        """What the file is called in a bundle: `tflite-int8.tflite`."""
        return f"{self.name}.{self.model_format}"


# float32 files compute what Keras computes in another order: 1e-6 is usual, 1e-4 is a mistake. float16 rounds
# weights (and, in ONNX, activations) to 11 bits, which moves a score near a decision by a few hundredths.
_ALL = (
    Variant("tflite-float32", 4, 1e-4, 0.999),
    Variant("tflite-float16", 2, 0.05, 0.99),
    Variant("tflite-dynamic", 1, None),
    Variant("tflite-int8", 1, None, calibrated=True),
    # LiteRT's kernels for 16-bit activations are the portable ones: 20 to 60 times slower than float32
    Variant("tflite-int16x8", 1, None, calibrated=True, most_pictures=2000),
    Variant("onnx-float32", 4, 1e-4, 0.999),
    Variant("onnx-float16", 2, 0.05, 0.99),
    Variant("onnx-int8", 1, None, calibrated=True),
)
VARIANTS = {variant.name: variant for variant in _ALL}


def parse_quant(text: str) -> tuple[Variant, ...]:
    """The variants that `--quant` names.

    Args:
        text: comma-separated: `all`, a variant (`tflite-int8`), a format (`onnx`), or a quantization (`int8`
            means `tflite-int8` and `onnx-int8`).

    Returns:
        Each once, in the order of VARIANTS.

    Raises:
        UsageError: nothing named, or a name that is none of these.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError(f"no variant named; known are all, {', '.join(VARIANTS)}")
    chosen: set[str] = set()
    for word in words:
        matches = {v.name for v in _ALL if word in ("all", v.name, v.model_format, v.quantization)}
        if not matches:
            short = sorted({v.quantization for v in _ALL} | {v.model_format for v in _ALL})
            raise UsageError(
                f"unknown variant {word!r}; known are all, {', '.join(VARIANTS)}, or in short {', '.join(short)}"
            )
        chosen |= matches
    return tuple(variant for variant in _ALL if variant.name in chosen)
