"""`import onsight` is a promise: a name leaves it only on purpose."""

from __future__ import annotations

import subprocess
import sys

import onsight


def test_public_names_are_pinned() -> None:
    assert onsight.__all__ == [
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


def test_each_public_name_is_there() -> None:
    for name in onsight.__all__:
        assert getattr(onsight, name) is not None


def test_importing_onsight_alone_loads_neither_numpy_nor_opencv() -> None:
    script = "import sys, onsight; print([m for m in ('numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
