"""A SavedModel, TensorFlow's own folder format, as a Keras network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onsight_edge.errors import ModelError
from onsight_export.quiet import quiet
from onsight_export.run import import_tensorflow

if TYPE_CHECKING:
    import keras

GRAPH = "saved_model.pb"
_SIGNATURES = ("serving_default", "serve")  # TensorFlow's and Keras's customary names


def load_saved_model(folder: Path) -> keras.Model:
    """The network in a SavedModel's serving signature: what `model.export` and `tf.saved_model.save` write.

    Its layers are not known any more: it is one layer, `saved_model`, with the weights of all.

    Args:
        folder: holds `saved_model.pb`. Loading one executes what is in it: take none from strangers.

    Returns:
        One input (batch, height, width, channels) float32, of which height and width may be free, and one output.

    Raises:
        ModelError: damaged, without a serving signature, or with one that does not take and give one tensor.
    """
    import_tensorflow()
    import keras

    with quiet():
        layer = function = None
        reason = ""
        for name in _SIGNATURES:
            try:
                layer = keras.layers.TFSMLayer(str(folder), call_endpoint=name, name="saved_model")
            except Exception as error:  # TensorFlow's loader raises whatever its file system and protobuf raise
                reason = reason or (str(error).strip().splitlines() or [type(error).__name__])[0]
                continue
            function = layer.call_endpoint_fn
            break
        if layer is None or function is None:
            raise ModelError(f"cannot load the SavedModel {folder}: {reason[:200]}")
        shape, dtype = _input(folder, function)
        image = keras.Input(shape, name="image")
        answer: Any = layer(keras.ops.cast(image, dtype))
        if isinstance(answer, dict):
            answer = next(iter(answer.values()))
        return keras.Model(image, answer, name="saved_model_on_pictures")


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a SavedModel's graph and variables.

    Raises:
        ModelError: one cannot be read.
    """
    found = hashlib.sha256()
    try:
        for path in sorted([folder / GRAPH, *(folder / "variables").glob("*")]):
            found.update(f"{path.relative_to(folder).as_posix()}\n{path.stat().st_size}\n".encode())
            found.update(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read {error.filename}: {error.strerror}") from error
    return found.hexdigest()


def _input(folder: Path, function: Any) -> tuple[tuple[int | None, ...], str]:
    """Shape without the batch, and dtype, of a signature's only input."""
    positional, named = function.structured_input_signature
    inputs, outputs = [*positional, *named.values()], function.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(f"{folder}: its signature has {len(inputs)} inputs and {len(outputs)} outputs, not 1 and 1")
    shape = inputs[0].shape.as_list() if inputs[0].shape.rank is not None else []
    if len(shape) != 4:
        raise ModelError(f"{folder}: its input has shape {shape}, not (batch, height, width, channels)")
    if shape[0] is not None:
        raise ModelError(f"{folder}: its signature takes exactly {shape[0]} pictures: save it with a free batch (None)")
    return tuple(shape[1:]), inputs[0].dtype.name
