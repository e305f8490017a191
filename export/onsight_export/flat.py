"""A Keras network without models within it: transfer learning makes a layer of a whole backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import keras


def flat(model: keras.Model) -> keras.Model:
    """The same layers without models within the model."""
    import keras

    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return model

    def called(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            (made,) = arguments
            for inner in layer.layers:
                made = called(inner, made)
            return made
        # Keras has no public name for Functional; networks of other kinds stay one layer
        if any(kind.__name__ == "Functional" for kind in type(layer).__mro__):
            return flat(layer).call(*arguments)
        return layer(*arguments, **keywords)

    with quiet():
        cloned: keras.Model = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=called)
    return cloned
