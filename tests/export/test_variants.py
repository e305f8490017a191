"""Names of variants."""

from __future__ import annotations

import pytest

from onsight_edge import bundle
from onsight_edge.errors import UsageError
from onsight_export.variants import VARIANTS, parse_quant


def names(text: str) -> list[str]:
    return [variant.name for variant in parse_quant(text)]


def test_every_variant_is_one_the_edge_knows() -> None:
    assert set(VARIANTS) == set(bundle.VARIANTS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("all", list(VARIANTS)),
        ("tflite-int8", ["tflite-int8"]),
        ("onnx-int8, tflite-int8,", ["tflite-int8", "onnx-int8"]),
        ("int8", ["tflite-int8", "onnx-int8"]),
        ("onnx", ["onnx-float32", "onnx-float16", "onnx-int8"]),
        ("FLOAT16", ["tflite-float16", "onnx-float16"]),
        ("int8,tflite-int8", ["tflite-int8", "onnx-int8"]),
    ],
)
def test_quant_names_variants(text: str, wanted: list[str]) -> None:
    assert names(text) == wanted


@pytest.mark.parametrize("text", ["", " , ", "int4", "tflite-int8,onnx-int16x8"])
def test_an_unknown_variant_is_a_usage_error_that_lists_the_known(text: str) -> None:
    with pytest.raises(UsageError, match="tflite-dynamic"):
        parse_quant(text)
