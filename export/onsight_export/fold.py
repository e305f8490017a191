"""Normalisation moved into a network: what it was trained on goes in front of it, and it takes raw pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onsight_edge.errors import ModelError
from onsight_edge.spec import ModelSpec
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import keras

# what people call a range -> mean and std of the spec: the network is fed (pixel - mean) / std
RANGES = {"0..255": (0.0, 1.0), "0..1": (0.0, 255.0), "-1..1": (127.5, 127.5)}


def takes_raw_pixels(model: keras.Model, spec: ModelSpec) -> keras.Model:
    """A network that takes float pixels 0..255 in the spec's size, any number of pictures at a time.

    The layers are shared with `model`, one after the other as they were: no model within the model, so that layers
    keep their names in what is converted. A network that takes this already is returned as it is.

    Args:
        model: takes (pixel - mean) / std. One input, one output.
        spec: says mean, std and size.

    Raises:
        ModelError: the network does not take pictures of that size.
    """
    import keras

    width, height = spec.input_size_wh
    shape = (height, width, spec.channels)
    if spec.raw_pixels and tuple(model.inputs[0].shape) == (None, *shape):
        return model
    with quiet():
        taken = {layer.name for layer in model.layers}
        image = keras.Input(shape, name=_free("image", taken))
        fed: Any = image
        if not spec.raw_pixels:
            scale, offset = _scale_and_offset(spec)
            fed = keras.layers.Rescaling(scale, offset, name=_free("onsight_range", taken))(image)
        try:
            answer = _called(model, fed)
        except Exception as error:  # layers raise ValueError, TypeError and TensorFlow's own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(f"the network does not take pictures of {width}x{height}: {reason[:200]}") from error
        return keras.Model(image, answer, name=f"{model.name}_on_pixels")


def _free(name: str, taken: set[str]) -> str:
    """`name`, with underscores behind it until no layer is called that: Keras refuses two of one name."""
    while name in taken:
        name += "_"
    return name


def _scale_and_offset(spec: ModelSpec) -> tuple[Any, Any]:
    """Of (pixel - mean) / std = pixel * scale + offset: numbers, or lists with one a channel."""
    count = max(len(spec.mean), len(spec.std))
    means, stds = (values * count if len(values) == 1 else values for values in (spec.mean, spec.std))
    scales = [1 / std for std in stds]
    offsets = [-mean / std for mean, std in zip(means, stds, strict=True)]
    return (scales[0], offsets[0]) if count == 1 else (scales, offsets)


def _called(model: keras.Model, fed: Any) -> Any:
    """The network's answer to `fed`, its layers called one by one where its kind allows."""
    import keras

    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            fed = layer(fed)
        return fed
    functional = any(kind.__name__ == "Functional" for kind in type(model).__mro__)  # Keras has no public name for it
    found = model.call(fed) if functional else model(fed)
    if isinstance(found, dict):
        (found,) = found.values()
    return found[0] if isinstance(found, (list, tuple)) else found
