"""`--arch module:function`: a network that the user wrote, checked before anything is trained with it."""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from onsight_edge.errors import ModelError
from onsight_train.archs.architecture import Architecture, Shape
from onsight_train.frameworks import load_keras

_CLOSE = 1e-3  # scores that differ by less are alike: sums in float16, and in another order
_LONGEST = 200  # characters of somebody else's error that still make one line


def find_user_arch(name: str) -> Architecture:
    """The architecture `module:function`; the current folder is put in front of the places modules come from.

    `function(input_shape, classes, dropout)` gets (height, width, channels), the number of classes and a share 0..1,
    and returns an uncompiled `keras.Model`: raw pixels 0..255 in, probabilities out, made of Keras's own layers alone,
    so that `model.keras` loads without the module. `build` checks all of that by building it, running it on two
    random pictures and loading it again from a file.

    Raises:
        ModelError: no such module or function, or importing it fails.
        MissingExtraError: Keras is not installed.
    """
    module_name, _, function_name = name.partition(":")
    a_file = module_name.endswith(".py") or "/" in module_name
    if a_file or not all(part.isidentifier() for part in (*module_name.split("."), function_name)):
        hint = " (the module's name, no file name)" if a_file else ""
        raise ModelError(f"arch {name!r} must be module:function, such as nets:build{hint}")
    load_keras()  # before the module may import it, so that it starts with our settings
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()  # the file may be younger than the last look into the folder
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise ModelError(f"arch {name}: there is no module {module_name} in {folder} or installed") from error
        raise ModelError(f"arch {name}: importing {module_name} failed: {_said(error)}") from error
    except (Exception, SystemExit) as error:  # whatever a stranger's module does
        raise ModelError(f"arch {name}: importing {module_name} failed: {_said(error)}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        here = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module_name]
        known = f"it has {', '.join(here[:10])}" if here else "it has none"
        what = "no function" if function is None else "no function but a value called"
        raise ModelError(f"arch {name}: {module_name} has {what} {function_name}: {known}")
    return Architecture(
        name,
        f"your own, {module_name}:{function_name}",
        recipe="standard",
        smallest=1,
        construct=_Checked(name, function),
    )


class _Checked:
    """Builds by the user's function; what comes out is checked the first time for every kind of pictures."""

    def __init__(self, name: str, function: Callable[[Shape, int, float], Any]) -> None:
        self._name, self._function = name, function
        self._sound: set[tuple[Shape, int, bool]] = set()

    def __call__(self, input_shape: Shape, classes: int, dropout: float) -> Any:
        try:
            model = self._function(input_shape, classes, dropout)
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"arch {self._name} failed for input_shape={input_shape}, classes={classes}, dropout={dropout:g}: "
                f"{_said(error)}"
            ) from error
        kind = (input_shape, classes, dropout > 0)
        if kind not in self._sound:
            drawn = random.getstate()  # Keras draws from it when it loads the model: the check leaves no trace
            complaint = next(_complaints(model, input_shape, classes), None)
            random.setstate(drawn)
            if complaint:
                raise ModelError(f"arch {self._name} {complaint}")
            self._sound.add(kind)
        return model


def _complaints(model: Any, input_shape: Shape, classes: int) -> Iterator[str]:
    keras = load_keras()
    if not isinstance(model, keras.Model):
        kind = type(model)
        yield f"returned {kind.__module__}.{kind.__qualname__}, expected a keras.Model".replace("builtins.", "")
        return
    if not model.built:
        yield "returned a model without an input: begin it with keras.Input(input_shape)"
        return
    expected = ((None, *input_shape), (None, classes))
    for side, shape, wanted in zip(("takes", "gives"), _shapes(model), expected, strict=True):
        if shape != wanted:
            yield f"{side} {shape}, expected {wanted}"
            return
    if model.compiled:
        yield "returned a compiled model: leave compile() out, the recipe chooses optimizer and loss"
    for layer in model.layers:
        if layer.name.startswith("_"):
            yield f"has a layer named {layer.name!r}: names that begin with _ cannot be exported"
    pictures = np.random.default_rng(0).integers(0, 256, (2, *input_shape)).astype(np.float32)
    try:
        scores = _scores(model, pictures)
    except Exception as error:  # whatever a layer's call does
        yield f"cannot classify a random picture: {_said(error)}"
        return
    if not np.isfinite(scores).all() or scores.min() < 0 or np.abs(scores.sum(axis=1) - 1).max() > _CLOSE:
        row = scores[0]
        yield (
            f"gives no probabilities: the {classes} scores of a random picture lie between {row.min():.3g} and "
            f"{row.max():.3g} and sum to {row.sum():.3g}, expected 0 to 1 and a sum of 1: end with a softmax"
        )
    yield from _reload_complaints(model, pictures, scores)


def _reload_complaints(model: Any, pictures: Any, scores: Any) -> Iterator[str]:
    advice = "build it of Keras's own layers alone"
    for part in _strangers(model):
        yield f"has {part}, without which model.keras does not load: {advice}"
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            again = load_keras().saving.load_model(path, compile=False)
        same = np.abs(_scores(again, pictures) - scores).max() < _CLOSE
    except Exception as error:  # whatever a layer's get_config or from_config does
        yield f"cannot be saved and loaded again: {_said(error)}: {advice}"
        return
    if not same:
        yield f"answers otherwise once saved and loaded again: {advice}"


def _strangers(model: Any) -> Iterator[str]:
    """Classes and functions in a model's configuration that do not come with Keras."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            module, name = value.get("module"), value.get("class_name")
            if isinstance(module, str) and name == "function":
                # Keras writes no module for functions, and looks for their names among its own
                if not hasattr(load_keras().activations, str(value.get("config"))):
                    yield f"the function {value.get('config')}"
            elif name == "__lambda__":
                yield "a lambda"
            elif "class_name" in value and "registered_name" in value and not _is_keras(module):
                yield f"{module}.{name}"
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from walk(item)

    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # a class without get_config ends this: saving it says what is missing
        yield from walk(load_keras().saving.serialize_keras_object(model))


def _is_keras(module: object) -> bool:
    return module is None or module == "builtins" or str(module).partition(".")[0] == "keras"


def _shapes(model: Any) -> tuple[Any, Any]:
    found = []
    for side in ("input_shape", "output_shape"):
        try:
            shape = getattr(model, side)
        except (AttributeError, ValueError):  # a subclassed model knows neither
            shape = None
        found.append(tuple(shape) if isinstance(shape, tuple | list) else shape)
    return (found[0], found[1])


def _scores(model: Any, pictures: Any) -> Any:
    return np.asarray(load_keras().ops.convert_to_numpy(model(pictures, training=False)), np.float32)


def _said(error: BaseException) -> str:
    """An exception in one line, with the place in the user's files that raised it."""
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {text}"  # names file and line itself
    files = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    here, ours = Path.cwd(), Path(__file__).parents[1]
    theirs = [
        (path.name, line)
        for path, line in files
        if here in path.parents and ours not in path.parents and "site-packages" not in path.parts
    ]
    place = " ({}, line {})".format(*theirs[-1]) if theirs else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
