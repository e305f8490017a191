"""First contact with a bare model file: nobody vouches for its bytes, so a child process loads and executes it first.

Of 65 byte-corrupted .tflite files 20 loaded and answered, and others took the interpreter's process with them. What has
passed here once is remembered by its digest and the runtime's version, so that it costs a process start only once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from onsight_edge import errors
from onsight_edge.errors import BackendError, ModelError, NoChildError, OnsightError
from onsight_edge.files import cache_folder, canonical_json, sha256_bytes, write_json
from onsight_edge.trial import in_child
from onsight_edge.version import __version__

if TYPE_CHECKING:
    from onsight_edge.spec import ModelSpec

SECONDS = 60.0  # a large network's first inference on a small board
_MEMORY_MIB = 2048  # Python, NumPy and a runtime take a few hundred
_COPIES = 6  # of the model: its bytes here and there, unpacked weights, repacked weights
# backend -> (what is imported, how its distributions' names begin)
_PACKAGES = {
    "litert": ("ai_edge_litert", "ai_edge_litert"),
    "litert-builtin": ("ai_edge_litert", "ai_edge_litert"),
    "tflite-runtime": ("tflite_runtime", "tflite_runtime"),
    "onnxruntime": ("onnxruntime", "onnxruntime"),
    "opencv": ("cv2", "opencv"),
}


def first_contact(data: bytes, sha256: str, model_format: str, spec: ModelSpec, backend: str, where: str) -> None:
    """Let a child process load a model file and execute it twice, unless this file has passed before.

    Where no process can be started a warning says so, and nothing is tried; where the runtime is not installed, the
    caller's own attempt says so.

    Args:
        data, sha256: the file.
        model_format: `tflite` or `onnx`.
        spec: what it expects.
        backend: which runtime is going to execute it, or `auto`.
        where: the file's name, for messages.

    Raises:
        ModelError: it killed the child, hung, or needed too much memory. BackendError, UnsupportedModelError: the
            runtime refused it.
    """
    passed: Path | None = None
    with contextlib.suppress(OSError, OnsightError):  # no home folder: nothing is remembered
        passed = cache_folder() / "first-contact" / f"{_key(sha256, model_format, spec, backend)}.json"
        if passed.exists():
            return
    width, height = spec.input_size_wh
    memory_mib = _MEMORY_MIB + _COPIES * (len(data) >> 20)
    arguments = (model_format, backend, str(width), str(height), spec.colour)
    try:
        answer = in_child(__name__, data, *arguments, seconds=SECONDS, memory_mib=memory_mib).decode()
    except NoChildError as error:
        warnings.warn(f"{where} is loaded without a trial in a child process: {error}", RuntimeWarning, stacklevel=2)
        return
    except ModelError as error:
        raise ModelError(f"{where} is damaged, or no model for this device: {error}; copy or export it again") from None
    kind, _, message = answer.partition("\n")
    if kind == "MissingExtraError":
        return
    if kind:
        raise getattr(errors, kind)(f"{where}: {message}")
    if passed is None:
        return
    with contextlib.suppress(OnsightError):  # a cache that cannot be written to costs the next start a process again
        write_json(passed, {"sha256": sha256, "onsight": __version__, "runtimes": _runtimes(model_format, backend)})


def main() -> None:
    """The child: FORMAT BACKEND WIDTH HEIGHT COLOUR, the file on standard input.

    Answers nothing where all is well, else the error's class and its message.
    """
    import numpy as np

    from onsight_edge.backends import open_backend
    from onsight_edge.preprocess import Preprocessor
    from onsight_edge.spec import ModelSpec

    model_format, backend, width, height, colour = sys.argv[1:]
    data = sys.stdin.buffer.read()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a runtime's Python part may print, too
            opened = open_backend(data, model_format=model_format, backend=backend)
            spec = ModelSpec("any", ("any", "other"), (int(width), int(height)), colour=colour)  # type: ignore[arg-type]
            encode = Preprocessor(spec, opened.input).encode
            noise = np.random.default_rng(0).integers(0, 256, (int(height), int(width), spec.channels), dtype=np.uint8)
            for pixels in (np.zeros_like(noise), noise):
                opened.infer(encode(pixels))
    except (ModelError, BackendError) as error:
        print(f"{type(error).__name__}\n{error}", end="")


def _key(sha256: str, model_format: str, spec: ModelSpec, backend: str) -> str:
    machine = os.uname().machine if hasattr(os, "uname") else sys.platform
    what = [
        sha256,
        backend,
        machine,
        __version__,
        list(spec.input_size_wh),
        spec.colour,
        _runtimes(model_format, backend),
    ]
    return sha256_bytes(canonical_json(what).encode())


def _runtimes(model_format: str, backend: str) -> list[str]:
    """The installed runtimes that may execute the file, with their versions, such as `ai_edge_litert-2.3.0.dist-info`.

    Read from the names beside the package: importlib.metadata would cost a start 10 ms, and ONNX Runtime's
    distribution has several names.
    """
    from onsight_edge.backends import backends_for

    found: list[str] = []
    for name in backends_for(model_format) if backend == "auto" else (backend,):
        package, distributions = _PACKAGES[name]
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            beside = Path(spec.origin).parent.parent
            found += sorted(path.name for path in beside.glob(f"{distributions}*.dist-info"))
    return found


if __name__ == "__main__":
    main()
