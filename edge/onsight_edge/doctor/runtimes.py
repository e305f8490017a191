"""Runtimes, constructed with a model in them and executed: an import alone proves nothing.

tflite-runtime beside NumPy 2 imports and fails when an interpreter is built; ONNX Runtime lists a CUDA provider that
it then cannot load, and goes on with the processor without a word.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.backends import open_backend
from onsight_edge.doctor.finding import Finding, pip
from onsight_edge.errors import MissingExtraError, ModelError, NoChildError, OnsightError
from onsight_edge.trial import in_child

if TYPE_CHECKING:
    from onsight_edge.backends import Backend

Opener = Callable[[str, bytes, str], "Backend"]
_ONNX_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
_SECONDS = 60.0
_MEMORY_MIB = 1 << 16  # address space: the libraries of a GPU alone take several GiB of it
_NUMPY_1 = "numpy<2' 'opencv-python-headless<4.12"


def tiny_onnx() -> bytes:
    """An ONNX file of one Relu, (1, 4) float32 to the same: the smallest that any ONNX Runtime executes.

    Encoded by hand after onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), since `onnx` is no
    package for a device.
    """

    def tensor(name: str) -> bytes:  # ValueInfoProto: name 1, type 2 (tensor_type 1: elem_type 1, shape 2)
        shape = b"".join(_field(1, _number(1, size)) for size in (1, 4))
        return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))

    node = _field(1, b"in") + _field(2, b"out") + _field(4, b"Relu")
    graph = _field(1, node) + _field(2, b"tiny") + _field(11, tensor("in")) + _field(12, tensor("out"))
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 13))  # ir_version, graph, opset_import


def check_runtimes(
    installed: Mapping[str, str], tflite: bytes, *, jetson: bool = False, open_: Opener | None = None
) -> tuple[Finding, ...]:
    """Construct and execute every runtime that is installed.

    Args:
        installed: distributions with their versions.
        tflite: a small .tflite model.
        jetson: whether this is a Jetson, where the processor alone is not what one bought.
        open_: loads (backend, model, format); by default a child process tries it first, where one can be started.
    """
    opener = _open if open_ is None else open_
    litert, works = _tflite("litert", tflite, opener)
    found = list(litert)
    legacy, _ = _tflite("tflite-runtime", tflite, opener, installed.get("numpy", ""), works)
    found += legacy
    found += _onnx(installed, opener, jetson)
    return tuple(found)


def _tflite(
    name: str, model: bytes, open_: Opener, numpy: str = "", litert_works: bool = False
) -> tuple[tuple[Finding, ...], bool]:
    try:
        backend = open_(name, model, "tflite")
        what = f"{name} {backend.version} constructed and executed a model ({backend.detail})"
        backend.close()
        return (Finding("runtime", "ok", what),), True
    except MissingExtraError:
        if name != "litert":
            return (), False
        return (Finding("runtime", "problem", "LiteRT is not installed", pip("install 'ai-edge-litert>=2.1'")),), False
    except OnsightError as error:
        if name == "litert":
            mend = pip("install --force-reinstall ai-edge-litert")
        elif litert_works:
            mend = pip("uninstall -y tflite-runtime")
        else:
            mend = pip(f"install '{_NUMPY_1}'")
        beside = f" (NumPy {numpy}; its last release was built against NumPy 1)" if numpy and name != "litert" else ""
        return (Finding("runtime", "problem", f"{name} cannot be used: {error}{beside}", mend),), False


def _onnx(installed: Mapping[str, str], open_: Opener, jetson: bool) -> tuple[Finding, ...]:
    several = [name for name in _ONNX_DISTRIBUTIONS if name in installed]
    if len(several) > 1:
        keep = next((name for name in several if name != "onnxruntime"), several[0])
        mend = f"{pip('uninstall -y ' + ' '.join(several))} && {pip('install ' + keep)}"
        what = f"{' and '.join(several)} are installed and own the same folder: one overwrites the other's files"
        return (Finding("runtime", "problem", what, mend),)
    try:
        backend = open_("onnxruntime", tiny_onnx(), "onnx")
        used, version = backend.detail, backend.version
        backend.close()
    except MissingExtraError:
        what = "ONNX Runtime is not installed; only .onnx files need it"
        return (Finding("runtime", "ok", what, pip("install onnxruntime")),)
    except OnsightError as error:
        name = several[0] if several else "onnxruntime"
        mend = pip(f"install --force-reinstall {name}")
        return (Finding("runtime", "problem", f"onnxruntime cannot be used: {error}", mend),)
    what = f"onnxruntime {version} constructed and executed a model; it really uses {used}"
    return (Finding("runtime", "ok", what), *check_providers(used, _available_providers(), jetson))


def check_providers(used: str, available: tuple[str, ...], jetson: bool) -> tuple[Finding, ...]:
    """Whether a GPU that ONNX Runtime was built for is used.

    Args:
        used: what a constructed session really uses, see `backends.onnxruntime.describe_providers`.
        available: what the installed build has.
        jetson: whether this is a Jetson.
    """
    if not used.startswith("CPUExecutionProvider"):
        return ()
    if "CUDAExecutionProvider" in available:
        what = "ONNX Runtime offers CUDA and fell back to the processor: CUDA's or cuDNN's libraries do not load"
        mend = "sudo apt install -y nvidia-jetpack" if jetson else pip("install 'onnxruntime-gpu[cuda,cudnn]'")
        return (Finding("runtime", "warning", what, mend),)
    if jetson:
        what = (
            "this ONNX Runtime has no CUDA provider, so the Jetson's GPU is idle: no wheel on PyPI has one for "
            "aarch64; take the onnxruntime-gpu that belongs to your JetPack (docs/install.md)"
        )
        return (Finding("runtime", "warning", what, pip("uninstall -y onnxruntime")),)
    return ()


def check_self_test() -> Finding:
    """The shipped model answers its golden samples as where it was exported: from the frame to the scores."""
    try:
        from onsight_edge.classifier import Classifier
        from onsight_edge.golden import load_golden, replay

        with Classifier.open("default") as classifier:
            data = classifier.model.golden if classifier.model is not None else None
            if data is None:
                return Finding("self-test", "problem", "the shipped model lost its golden samples", _AGAIN)
            golden = load_golden(data)
            replay(classifier, golden)
            used = f"{classifier.backend.name} {classifier.backend.version}"
            return Finding("self-test", "ok", f"{used} answers all {len(golden.frames)} golden samples as it should")
    except (OnsightError, ImportError) as error:
        return Finding("self-test", "problem", " ".join(str(error).split()), _AGAIN)


_AGAIN = pip("install --force-reinstall .")


def _open(name: str, model: bytes, model_format: str) -> Backend:
    """Load and execute a model; first in a child process, which a wheel for another processor may kill."""
    try:
        refused = in_child(__name__, model, name, model_format, seconds=_SECONDS, memory_mib=_MEMORY_MIB).decode()
        if refused:
            raise ModelError(refused) if not refused.startswith("missing") else MissingExtraError(name, "", name)
    except NoChildError:
        pass  # a frozen program, or emulated: then this process takes the risk
    backend = open_backend(model, model_format=model_format, backend=name)
    _execute(backend)
    return backend


def _execute(backend: Backend) -> None:
    shape = tuple(abs(size) for size in backend.input.shape)
    backend.infer(np.zeros(shape, backend.input.dtype))


def _available_providers() -> tuple[str, ...]:
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2, len(data))) + data  # all of ours are shorter than 128 bytes


def _number(number: int, value: int) -> bytes:
    return bytes((number << 3, value))


def main() -> None:
    """The child: NAME FORMAT, the model on standard input; answers why not, or nothing."""
    name, model_format = sys.argv[1:]
    try:
        _execute(open_backend(sys.stdin.buffer.read(), model_format=model_format, backend=name))
    except MissingExtraError:
        print("missing", end="")
    except OnsightError as error:
        print(error, end="")


if __name__ == "__main__":
    main()
