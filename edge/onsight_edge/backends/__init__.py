"""What executes a model, one module a runtime, chosen here and nowhere else by constructing it.

A runtime that is installed may still be unusable (tflite-runtime beside NumPy 2 imports and then fails), so a
candidate counts only once it holds the model.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from onsight_edge.backends.backend import Backend, Resizable
from onsight_edge.errors import BackendError, MissingExtraError, UnsupportedModelError, UsageError

# backend -> (module, the format it executes); the order is the order of trying
_BACKENDS = {
    "litert": ("onsight_edge.backends.litert", "tflite"),
    "litert-builtin": ("onsight_edge.backends.litert", "tflite"),
    "tflite-runtime": ("onsight_edge.backends.litert", "tflite"),
    "onnxruntime": ("onsight_edge.backends.onnxruntime", "onnx"),
    "opencv": ("onsight_edge.backends.opencv", "onnx"),
}
# there to be measured beside the others: taken only when they are named
FOR_COMPARING = ("litert-builtin", "opencv")
BACKENDS = tuple(_BACKENDS)
FORMATS = ("tflite", "onnx")
DEFAULT_THREADS = 1  # small networks lose more to hand-over than they gain; `onsight tune` tells

__all__ = [
    "BACKENDS",
    "DEFAULT_THREADS",
    "FORMATS",
    "FOR_COMPARING",
    "Backend",
    "Resizable",
    "backend_format",
    "backends_for",
    "open_backend",
]


def backends_for(model_format: str) -> tuple[str, ...]:
    """Names of the backends that execute a format and may be taken unnamed, in the order of trying."""
    return tuple(
        name for name, (_, executes) in _BACKENDS.items() if executes == model_format and name not in FOR_COMPARING
    )


def backend_format(backend: str) -> str | None:
    """The format a backend executes; None for `auto`.

    Raises:
        UsageError: no backend of that name.
    """
    if backend == "auto":
        return None
    if backend not in _BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; known are auto, {', '.join(BACKENDS)}")
    return _BACKENDS[backend][1]


def open_backend(
    model: Path | bytes, *, model_format: str | None = None, backend: str = "auto", threads: int | None = None
) -> Backend:
    """Load a model into a runtime.

    Args:
        model: a file, or its bytes (then `model_format` must be given). Check its digest first:
            of 65 byte-corrupted .tflite files 20 loaded and answered.
        model_format: `tflite` or `onnx`; by default the file's suffix.
        backend: one of BACKENDS, or `auto` for the first that takes the model.
        threads: for one inference; default 1.

    Raises:
        MissingExtraError: the runtime is not installed.
        UnsupportedModelError: not one input and one output.
        BackendError: the runtime refuses the model; the message quotes it.
    """
    if isinstance(model, Path):
        model_format = model_format or model.suffix.lstrip(".").lower()
        model = model.read_bytes()
    if model_format not in FORMATS:
        raise UsageError(f"no backend executes {model_format!r} files; expected .tflite or .onnx")
    executes = backend_format(backend)
    if executes is not None and executes != model_format:
        raise UsageError(f"{backend} executes {executes} files, this one is {model_format}")
    threads = DEFAULT_THREADS if threads is None else threads
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    candidates = backends_for(model_format) if backend == "auto" else (backend,)
    missing: MissingExtraError | None = None
    refusals: list[str] = []
    for name in candidates:
        module = importlib.import_module(_BACKENDS[name][0])
        try:
            opened: Backend = module.open_runtime(name, model, threads)
            return opened
        except MissingExtraError as error:
            missing = missing or error
        except UnsupportedModelError:
            raise
        except BackendError as error:
            refusals.append(str(error))
    if refusals:
        raise BackendError("; ".join(refusals))
    assert missing is not None
    raise missing
