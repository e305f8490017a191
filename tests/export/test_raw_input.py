"""The measurement of what raw pixels cost, run for real but shortly; no figure is judged here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from onsight_benchmarks import raw_input
from onsight_benchmarks.record_file import save_json
from onsight_benchmarks.tables.page import markdown
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_export.inspect.child import read_facts


def test_a_sequential_and_a_functional_network(tiny: Any, tmp_path: Path) -> None:
    import keras

    functional = Path(shutil.copytree(tiny.run, tmp_path / "functional"))
    inputs = keras.Input(tiny.model.input_shape[1:])
    keras.Model(inputs, tiny.model(inputs)).save(functional / "nested.keras")  # its first layer is a model
    answer = inputs
    for layer in tiny.model.layers:
        answer = layer(answer)
    keras.Model(inputs, answer).save(functional / "model.keras")
    found = raw_input.measure([tiny.run, functional], iterations=20)
    assert [one.limit for one in found.targets] == [1.03, 1.03]
    assert {one.count for name in ("tiny", "functional") for one in found.results[name]["latency_ms"].values()} == {20}
    ratio = found.results["tiny"]["ratio"]
    assert 0 < ratio.low <= ratio.median <= ratio.high and found.targets[0].measured == ratio.median
    save_json(tmp_path / "raw.json", found.to_json())
    assert "functional: invoke with uint8 pixels" in markdown(tmp_path / "raw.json")
    shutil.move(functional / "nested.keras", functional / "model.keras")
    with pytest.raises(BenchmarkError, match="does not begin with a Rescaling"):
        raw_input.convert_pair(functional)


def test_only_the_pixels_differ(tiny: Any) -> None:
    pair = raw_input.convert_pair(tiny.run)
    raw, scaled = (read_facts(data, "tflite") for data in (pair.raw, pair.scaled))
    assert (raw.inputs[0].dtype, scaled.inputs[0].dtype) == ("uint8", "int8")
    assert raw.inputs[0].quantization is not None and raw.inputs[0].quantization.scales == (1.0,)
    assert raw.macs == scaled.macs and raw.parameters == scaled.parameters
    assert raw.float_operators == scaled.float_operators == 0


def test_each_run_counts_once(tiny: Any) -> None:
    with pytest.raises(UsageError, match="each only once"):
        raw_input.measure([])
