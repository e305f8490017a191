"""onsight: train an image classifier, quantize it, run it live on the device, and measure what it costs there.

    from onsight import Classifier, read_image

    with Classifier.open("default") as classifier:
        print(classifier.classify(read_image("photo.jpg")).top(3))

Everything here works on the device, without TensorFlow. Names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from onsight_edge.version import __version__

if TYPE_CHECKING:
    from onsight_edge.bundle import Bundle, open_model
    from onsight_edge.classifier import Classifier
    from onsight_edge.datasets import Dataset, load_dataset
    from onsight_edge.errors import OnsightError
    from onsight_edge.frame import Frame, Prediction, Result, Timings
    from onsight_edge.images import read_image
    from onsight_edge.live import LiveSummary, run_live
    from onsight_edge.sources import open_source
    from onsight_edge.spec import ModelSpec

__all__ = [
    "Bundle",
    "Classifier",
    "Dataset",
    "Frame",
    "LiveSummary",
    "ModelSpec",
    "OnsightError",
    "Prediction",
    "Result",
    "Timings",
    "__version__",
    "load_dataset",
    "open_model",
    "open_source",
    "read_image",
    "run_live",
]

_HOME = {
    "Bundle": "bundle",
    "Classifier": "classifier",
    "Dataset": "datasets",
    "Frame": "frame",
    "LiveSummary": "live",
    "ModelSpec": "spec",
    "OnsightError": "errors",
    "Prediction": "frame",
    "Result": "frame",
    "Timings": "frame",
    "load_dataset": "datasets",
    "open_model": "bundle",
    "open_source": "sources",
    "read_image": "images",
    "run_live": "live",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'onsight' has no attribute {name!r}")
    return getattr(importlib.import_module(f"onsight_edge.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
