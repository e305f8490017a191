"""The heavy packages of training, imported when something really needs them."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from types import ModuleType

from onsight_edge.errors import MissingExtraError


def load_keras() -> ModuleType:
    """The `keras` module, on the TensorFlow backend unless $KERAS_BACKEND names another.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
    """
    # read when TensorFlow's library is loaded: without it a page of CPU hints buries the progress bar
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # off by default where the CPU lacks AVX-512 (AVX2 only), and training is slower without it there, too
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with _stderr_silent():
            import keras
    except ImportError as error:
        package = error.name or "keras"
        raise MissingExtraError(package.partition(".")[0], "train", "training") from error
    # its advice on retracing is for authors of loops: every network that is trained or judged traces anew
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return keras  # type: ignore[no-any-return]


@contextlib.contextmanager
def _stderr_silent() -> Iterator[None]:
    # TensorFlow's C++ logs to the descriptor before it has read its log level
    if "keras" in sys.modules:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def require_training() -> None:
    """Refuse before any work what a training would miss at its end.

    Raises:
        MissingExtraError: Keras, its backend or matplotlib is not installed.
    """
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    for package in ("keras", backend, "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "train", "training")


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
