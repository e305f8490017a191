"""The heavy packages of training, imported when something really needs them."""

from __future__ import annotations

import os
from types import ModuleType

from onsight_edge.errors import MissingExtraError


def load_keras() -> ModuleType:
    """The `keras` module, on the TensorFlow backend unless $KERAS_BACKEND names another.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
    """
    # read when TensorFlow's library is loaded: without it a page of CPU hints buries the progress bar
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # off by default where the CPU lacks AVX-512, and a step of ResNet-8 takes 1.5 times as long without it there
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import keras
    except ImportError as error:
        package = error.name or "keras"
        raise MissingExtraError(package.partition(".")[0], "train", "training") from error
    return keras  # type: ignore[no-any-return]


def load_pyplot() -> ModuleType:
    """`matplotlib.pyplot` on the canvas that needs no display.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "drawing curves") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
