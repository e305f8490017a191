"""A public set through Keras's own loader, in a process of its own.

Importing Keras brings a whole framework with it, hundreds of MiB that the caller would keep. And the loader
waits long for a network that is not there: the host is probed first, with a short patience, unless Keras has
the files already.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from onsight_edge.errors import DataError
from onsight_train.fetch_progress import Arrays, Reporter, folder_bytes, run_quietly

PROBE_S = 5.0
# Published SHA-256 of files that Keras downloads without checking them
FILES = {
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
}
_DOWNLOAD_BYTES = {"cifar10": 170_498_071, "fashion_mnist": 30_878_645}  # for the progress bar alone
_CACHED = {"cifar10": ("cifar-10-batches-py-target_archive",), "fashion_mnist": tuple(FILES["fashion_mnist"])}
_FOLDER = {"cifar10": "datasets", "fashion_mnist": "datasets/fashion-mnist"}

# Runs in the other process. get_file on a file that is there returns its path and downloads nothing.
_SCRIPT = """
import hashlib, json, os, sys
import numpy as np
name, folder, output = sys.argv[1], sys.argv[2], sys.argv[3]
files = json.loads(sys.argv[4])
import keras
keras.config.set_image_data_format("channels_last")
(x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
for file, known in files.items():
    with open(keras.utils.get_file(file, origin="", cache_subdir=folder), "rb") as opened:
        found = hashlib.sha256(opened.read()).hexdigest()
    if found != known:
        sys.exit(f"{file} is not the published one: SHA-256 {found}, expected {known}")
np.savez(output, x_train=x_train, y_train=y_train.ravel(), x_test=x_test, y_test=y_test.ravel())
"""


def from_keras(name: str, folder: Path, report: Reporter) -> Arrays:
    """Load the set as `keras.datasets` does.

    Args:
        name: of the set, and of its module in `keras.datasets`.
        folder: a temporary folder to work in.
        report: told of the progress.

    Returns:
        x_train, y_train, x_test, y_test: uint8; pictures RGB or grey.

    Raises:
        DataError: Keras is not installed, its host cannot be reached, or the download failed.
    """
    source = _loader_source(name)
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / _FOLDER[name]
    if not all((home / file).is_file() for file in _CACHED[name]):
        report(f"looking for {name}'s host", None, None)
        probe(_url(source, name))
    before, total = folder_bytes(home), _DOWNLOAD_BYTES[name]
    what, output = f"fetching {name} with Keras", folder / "keras.npz"
    done = run_quietly(
        [sys.executable, "-c", _SCRIPT, name, _FOLDER[name], str(output), json.dumps(FILES.get(name, {}))],
        tick=lambda: report(what, min(folder_bytes(home) - before, total), total),
        timeout_s=1800,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    if done.returncode != 0 or not output.is_file():
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise DataError(f"its loader failed: {lines[-1] if lines else f'status {done.returncode}'}")
    with np.load(output, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def probe(url: str, patience_s: float = PROBE_S) -> None:
    """Ask whether `url` is there, through the system's proxy if it has one.

    Raises:
        DataError: no answer within `patience_s` seconds, name look-up included, or a refusal.
    """
    answer: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=patience_s):
                answer.append("")
        except (OSError, ValueError) as error:
            answer.append(str(getattr(error, "reason", None) or error))

    # a resolver may take far longer than any timeout that urlopen knows
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience_s)
    if not answer:
        raise DataError(f"no answer from its host within {patience_s:.0f} s")
    if answer[0]:
        raise DataError(f"its host cannot be reached ({answer[0]})")


def _loader_source(name: str) -> str:
    spec = importlib.util.find_spec("keras")  # finds it without importing it
    if spec is None or not spec.submodule_search_locations:
        raise DataError("Keras is not installed (pip install 'onsight[train]')")
    path = Path(next(iter(spec.submodule_search_locations))) / "src" / "datasets" / f"{name}.py"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"this Keras has no loader for {name}: {error.strerror}: {path}") from error


def _url(source: str, name: str) -> str:
    """The address that Keras's loader downloads from, out of its source."""
    found = re.search(r'\b(?:origin|base) = "(https://[^"]+)"', source)
    if found is None:
        raise DataError("this Keras's loader does not tell where it downloads from")
    url = found.group(1)
    return url + next(iter(FILES[name])) if url.endswith("/") else url
