"""What a worker is asked to measure: plain values that travel as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onsight_edge.spec import ModelSpec

PRECISIONS = ("float32", "tf32", "bfloat16")
FRAMEWORKS = ("jax", "torch", "tensorflow")
"""Keras's backends, the one that `auto` prefers first."""
ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True, slots=True)
class Job:
    """One subject of a worker's.

    Attributes:
        path: the .keras or .onnx file, absolute.
        sha256: of that file.
        spec: of the model, as JSON.
        precision: of PRECISIONS for a Keras network; of an .onnx file its own, such as `int8`.
        batch: pictures a call.
        provider: ONNX Runtime's execution provider; empty for Keras.
    """

    path: str
    sha256: str
    spec: str
    precision: str
    batch: int
    provider: str = ""

    @property
    def model_spec(self) -> ModelSpec:
        """The spec."""
        return ModelSpec.from_json(json.loads(self.spec), Path(self.path).name)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; `Job(**values)` gives it back."""
        return asdict(self)
