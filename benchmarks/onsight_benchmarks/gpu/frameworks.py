"""Which frameworks see a GPU, each asked in a worker of its own, which then goes on to measure."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from onsight_benchmarks.gpu.job import FRAMEWORKS, ONNXRUNTIME
from onsight_benchmarks.worker import WorkerError, WorkerProcess
from onsight_edge.errors import BenchmarkError, MissingExtraError, UsageError

MODULE = "onsight_benchmarks.gpu.worker"
AUTO, ALL = "auto", "all"
LOOK_S = 300.0
_INSTALL = {
    "jax": "pip install 'jax[cuda13]'",
    "torch": "pip install torch",
    "tensorflow": "pip install 'tensorflow[and-cuda]'",
    ONNXRUNTIME: "pip install onnxruntime-gpu",
}
_HIDDEN = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "HIP_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "KERAS_TORCH_DEVICE": "cpu",
}


class NoGpuError(BenchmarkError):
    """None of the frameworks that were looked into sees a GPU."""


@dataclass(frozen=True, slots=True, eq=False)
class Framework:
    """A framework that is going to measure.

    Attributes:
        name: of FRAMEWORKS, or `onnxruntime`.
        version: its own.
        gpu: what it sees; None in a dry run.
        worker: where it runs.
        tf32: whether its float32 arithmetic may round to TF32.
        providers: of ONNX Runtime.
    """

    name: str
    version: str
    gpu: str | None
    worker: WorkerProcess
    tf32: bool = False
    providers: tuple[str, ...] = ()


def start(name: str, *, gpu: bool) -> WorkerProcess:
    """A worker for a framework; without `gpu` it sees no GPU though there be one."""
    environment = {
        "KERAS_BACKEND": name if name in FRAMEWORKS else "numpy",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi counts
        # several frameworks share the card: none may take all of its memory at once
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    return WorkerProcess(MODULE, environment=environment | ({} if gpu else _HIDDEN))


def candidates(asked: Sequence[str], keras: bool) -> tuple[str, ...]:
    """The frameworks to look into, in order.

    Args:
        asked: `auto`, `all` or names.
        keras: whether a Keras network is measured, else .onnx files.

    Raises:
        UsageError: no such framework, or it does not execute that.
    """
    able = FRAMEWORKS if keras else (ONNXRUNTIME,)
    for name in asked:
        if name in (*FRAMEWORKS, ONNXRUNTIME) and name not in able:
            what = "a run's network; name a bundle for it" if keras else "a bundle's .onnx files; name the run for it"
            raise UsageError(f"{name} does not execute {what}")
        if name not in (AUTO, ALL, *able):
            raise UsageError(f"no framework {name!r}: expected auto, all, {', '.join((*FRAMEWORKS, ONNXRUNTIME))}")
    return able if AUTO in asked or ALL in asked else tuple(dict.fromkeys(asked))


def open_frameworks(asked: Sequence[str], keras: bool, *, dry_run: bool) -> list[Framework]:
    """Start the frameworks that see a GPU: the first of them for `auto`; every one for `all`, or of those named.

    Args:
        asked, keras: see `candidates`.
        dry_run: take them though they see none, and hide it from them if there is one.

    Raises:
        NoGpuError: none sees a GPU, or one of those named does not; the message says what was looked for, and what
            to install.
    """
    names, found, failures = candidates(asked, keras), list[Framework](), list[str]()
    if keras and importlib.util.find_spec("keras") is None:
        raise MissingExtraError("keras", "train", "measuring a run's network")
    for name in names:
        if importlib.util.find_spec(name) is None:
            failures.append(f"{name} is not installed")
            continue
        seen = _look(name, dry_run=dry_run)
        if isinstance(seen, str):
            failures.append(seen)
            continue
        found.append(seen)
        if AUTO in asked:
            break
    if found and (failures == [] or AUTO in asked or ALL in asked):
        return found
    for one in found:
        one.worker.close()
    raise NoGpuError(_none(names, failures, dry_run))


def _look(name: str, *, dry_run: bool, tf32: bool = False) -> Framework | str:
    worker = start(name, gpu=not dry_run)
    try:
        seen = worker.ask({"do": "look", "framework": name, "tf32": tf32}, LOOK_S)
    except WorkerError as error:
        worker.close()
        return f"{name} cannot be used: {error}"
    except BaseException:
        worker.close()
        raise
    if seen["gpu"] is None and not dry_run:
        worker.close()
        return f"{name} {seen['version']} {seen['why']}"
    return Framework(name, seen["version"], seen["gpu"], worker, tf32, tuple(seen["providers"]))


def with_tf32(one: Framework, *, dry_run: bool) -> Framework:
    """The same framework in another worker whose float32 arithmetic may round to TF32: it is a switch of the process.

    Raises:
        BenchmarkError: it sees no GPU any more.
    """
    seen = _look(one.name, dry_run=dry_run, tf32=True)
    if isinstance(seen, str):
        raise BenchmarkError(seen)
    return seen


def _none(names: Sequence[str], failures: Sequence[str], dry_run: bool) -> str:
    if dry_run:
        return f"nothing to try on the CPU: {'; '.join(failures)}"
    smi = "" if shutil.which("nvidia-smi") else "; nvidia-smi is not there"
    return (
        f"no GPU to measure on: {'; '.join(failures)}{smi}. Install one for this machine's GPU, such as "
        f"{_INSTALL[names[0]]}, or try the same code on the CPU: --gpu-dry-run"
    )
