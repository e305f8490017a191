"""From a Keras network to .tflite files, by TensorFlow's converter."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import ModelError
from onsight_export.quiet import quiet
from onsight_export.run import import_tensorflow
from onsight_export.variants import Variant

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def saved_model(model: keras.Model, *, free_batch: bool = False) -> Iterator[Path]:
    """Yield a folder with `model` as a SavedModel, the converter's surest way in.

    `TFLiteConverter.from_concrete_functions` takes the same network without complaint and leaves the weights out.

    Args:
        model: takes float pixels 0..255.
        free_batch: whether the files take any number of pictures at a time. One is what a device runs: a free batch
            makes the converter compute `Flatten`'s shape in the graph (three operators that no accelerator takes),
            and splits the network into two delegated parts.

    Raises:
        ModelError: it cannot be saved; the disk of the temporary folder may be full.
    """
    tf = import_tensorflow()
    signature = [tf.TensorSpec((None if free_batch else 1, *model.inputs[0].shape[1:]), tf.float32, name="image")]
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        try:
            with quiet():
                model.export(folder, verbose=False, input_signature=signature)
        except Exception as error:  # TensorFlow's file system has exception classes of its own
            reason = " ".join(str(error).split())[-300:]
            raise ModelError(f"cannot save the network for conversion in {folder}: {reason}") from error
        yield Path(folder)


def convert(folder: Path, variant: Variant, calibration: NDArray[np.uint8] | None = None) -> bytes:
    """One .tflite file, without metadata yet.

    Args:
        folder: what `saved_model` yields.
        variant: a `tflite-` one other than `tflite-int8`, which `quantize` makes.
        calibration: (N, height, width, channels) uint8 training pictures, for `tflite-int16x8`.

    Raises:
        ModelError: the converter refused; its own words stand on stderr.
    """
    tf = import_tensorflow()
    try:
        with quiet():
            converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
            _configure(converter, tf, variant.quantization, calibration)
            data: bytes = converter.convert()
    except Exception as error:  # the converter raises ValueError, RuntimeError and classes of its own
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{variant.name}: TensorFlow's converter failed: {reason}; --quant can leave it out"
        ) from error
    return data


def _configure(converter: Any, tf: Any, quantization: str, calibration: NDArray[np.uint8] | None) -> None:
    if quantization == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif quantization == "int16x8":
        assert calibration is not None
        converter.representative_dataset = lambda: ([picture[np.newaxis].astype(np.float32)] for picture in calibration)
        operators = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [operators]
