"""A .keras file, read as what it is, a zip archive of JSON and HDF5, without Keras: no layer in it is ever built.

Format: https://github.com/keras-team/keras/blob/master/keras/src/saving/saving_lib.py
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator
from typing import Any

from onsight_edge.errors import ModelError
from onsight_export.inspect.facts import FileFacts, Operator, Tensor

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MOST_CONFIG = 64 << 20
_DEEPEST = 20  # models within models


def read_keras(data: bytes) -> FileFacts:
    """All that a .keras file says of itself; what its layers cost, only Keras can tell.

    Args:
        data: the whole file.

    Raises:
        ModelError: not a .keras file.
        Exception: whatever the HDF5 library raises on mangled bytes, if it does not crash; run it in a child process.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = set(archive.namelist())
    except zipfile.BadZipFile as error:
        hdf5 = " but HDF5, Keras 2's format: save it again with Keras 3" if data[:4] == b"\x89HDF" else ""
        raise ModelError(f"it is not a .keras file: no zip archive{hdf5}") from error
    if missing := [name for name in (_CONFIG, _METADATA) if name not in names]:
        raise ModelError(f"it is not a .keras file: there is no {missing[0]} in it")
    config, metadata = _json(archive, _CONFIG), _json(archive, _METADATA)
    warnings, weights = [], list[Tensor]()
    if _WEIGHTS in names:
        weights = list(_weights(archive.read(_WEIGHTS)))
    else:
        warnings.append(f"it has no {_WEIGHTS}: the layers alone")
    layers = list(_layers(config, "", 0))
    kinds = [layer["class_name"] for layer in layers]
    if "Lambda" in kinds:
        warnings.append("it has Lambda layers: Python code of whoever made it, which runs where the file is loaded")
    own = sorted({str(layer["registered_name"]) for layer in layers if layer.get("registered_name")})
    if own:
        warnings.append(f"it has layers of its maker's own, and loads only with their code: {', '.join(own)}")
    trained = [tensor for tensor in weights if not _is_state(tensor.name)]
    inputs = _inputs(config)
    return FileFacts(
        format="keras",
        about=(
            ("Keras", str(metadata.get("keras_version", "?"))),
            ("saved", str(metadata.get("date_saved", "?"))),
            ("kind", str(config.get("class_name"))),
            ("name", str(_dict(config.get("config")).get("name", ""))),
        ),
        inputs=tuple(inputs),
        outputs=tuple(
            Tensor(str(name), "unknown", None) for name in _ends(_dict(config.get("config")).get("output_layers"))
        ),
        tensors=tuple(weights),
        operators=tuple(
            Operator(str(layer["class_name"]), str(_dict(layer.get("config")).get("name", "")), _policy(layer), None)
            for layer in layers
        ),
        parameters=sum(_size(tensor) for tensor in trained),
        weight_bytes=sum(tensor.stored or 0 for tensor in trained),
        warnings=tuple(warnings),
    )


def _layers(node: dict[str, Any], prefix: str, depth: int) -> Iterator[dict[str, Any]]:
    """Layers in the order of the file, those of nested models opened."""
    inner = _dict(node.get("config")).get("layers")
    for layer in inner if isinstance(inner, list) and depth < _DEEPEST else ():
        if not isinstance(layer, dict) or "class_name" not in layer:
            continue
        config = _dict(layer.get("config"))
        name = f"{prefix}{config.get('name', '')}"
        if "layers" in config:
            yield from _layers(layer, f"{name}/", depth + 1)
        elif layer["class_name"] != "InputLayer":
            yield {**layer, "config": {**config, "name": name}}


def _inputs(config: dict[str, Any]) -> Iterator[Tensor]:
    inner = _dict(config.get("config"))
    layers = [layer for layer in inner.get("layers") or () if isinstance(layer, dict)]
    wanted = _ends(inner.get("input_layers"))
    for layer in layers:
        own = _dict(layer.get("config"))
        if layer.get("class_name") == "InputLayer" and (not wanted or own.get("name") in wanted):
            yield Tensor(str(own.get("name")), str(own.get("dtype", "unknown")), _sides(own.get("batch_shape")))


def _weights(data: bytes) -> Iterator[Tensor]:
    import h5py  # type: ignore[import-untyped]

    found: list[Tensor] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shape = tuple(int(side) for side in item.shape or ())
            found.append(Tensor(name, str(item.dtype), shape, int(item.dtype.itemsize) * math.prod(shape)))

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(note)
    return iter(found)


def _is_state(name: str) -> bool:
    """Whether a value belongs to the training or to random layers rather than to the network."""
    return name.startswith("optimizer/") or "seed_generator" in name


def _size(tensor: Tensor) -> int:
    return math.prod(side for side in tensor.shape or () if isinstance(side, int))


def _policy(layer: dict[str, Any]) -> str:
    policy = _dict(layer.get("config")).get("dtype")
    name = _dict(_dict(policy).get("config")).get("name") if isinstance(policy, dict) else policy
    return str(name or "unknown")


def _ends(value: Any) -> list[Any]:
    """Names of the layers at which a model begins or ends: `[name, 0, 0]`, or a list or dict of such."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list) or not value:
        return []
    return [value[0]] if isinstance(value[0], str) else [one[0] for one in value if isinstance(one, list) and one]


def _sides(shape: Any) -> tuple[int | str, ...] | None:
    if not isinstance(shape, list):
        return None
    return tuple(side if isinstance(side, int) else -1 for side in shape)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _MOST_CONFIG:
        raise ModelError(f"its {name} is over {_MOST_CONFIG >> 20} MiB")
    value = json.loads(archive.read(name))
    if not isinstance(value, dict):
        raise ModelError(f"it is not a .keras file: its {name} holds no object")
    return value
