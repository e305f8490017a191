"""Bad input: one clear line on stderr, exit status 1, nothing half-written. Each case runs the real command."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.bundle import DEFAULT_MODEL
from onsight_edge.spec import ModelSpec

Onsight = Callable[..., str]


@pytest.fixture
def onsight(tmp_path: Path) -> Onsight:
    """Runs the command in `tmp_path`; returns its one error line after checking that it is one."""

    def run(*arguments: str | Path, status: int = 1, progress: bool = False, largest: int | None = None) -> str:
        def limit() -> None:
            if largest is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

        before = tree(tmp_path)
        done = subprocess.run(
            [sys.executable, "-m", "onsight", *map(str, arguments)],
            cwd=tmp_path,
            # no bytecode: under the limit it would be cut off and stay so
            env={**os.environ, "ONSIGHT_CACHE": str(tmp_path / "no-cache"), "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=limit,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr + done.stdout
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert progress or len(lines) == 1, done.stderr  # work that began may have said so
        assert [line for line in lines if line.startswith("onsight: ")] == lines[-1:], done.stderr
        assert "Traceback" not in done.stderr
        assert tree(tmp_path) == before, "something half-written was left behind"
        return lines[-1]

    return run


def tree(folder: Path) -> set[str]:
    """All below a folder, but for the bare model files that are remembered to have passed their first contact."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if name != "no-cache" and not name.startswith("no-cache/first-contact")}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A class folder of two classes."""
    rng = np.random.default_rng(0)
    for name, shade in (("dark", 40), ("light", 210)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(10):
            image = np.clip(rng.normal(shade, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "pictures" / name / f"{number}.png"), image)
    return tmp_path / "pictures"


def test_a_missing_picture(onsight: Onsight) -> None:
    assert "nothing.jpg: No such file" in onsight("predict", "nothing.jpg")


def test_a_text_file_named_jpg(onsight: Onsight, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("this is not a picture")
    assert "text.jpg: is not a JPEG, PNG, BMP or WebP picture" in onsight("predict", "text.jpg")


def test_the_good_pictures_beside_a_bad_one_are_classified(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "onsight", "predict", "empty.jpg", photo.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("photo.png: ")
    assert "empty.jpg: the file is empty" in done.stderr


def test_damaged_pictures_are_one_line_each(onsight: Onsight, tmp_path: Path, photo: Path) -> None:
    whole = photo.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for name, data in (("flipped.png", bytes(flipped)), ("cut.png", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(data)
        assert f"{name}: is not a JPEG, PNG, BMP or WebP picture, or is damaged" in onsight("predict", name)
        assert name in onsight("bench", "--iterations", "1", "--fresh", "0", "--image", name)


def test_a_jpeg_that_decodes_in_part_is_classified_without_noise(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = bytearray(cv2.imencode(".jpg", image)[1].tobytes())
    data[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xd9"  # the end, too early
    (tmp_path / "part.jpg").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "onsight", "predict", "part.jpg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("part.jpg: ")


def test_picture_names_that_are_no_utf8(tmp_path: Path, photo: Path) -> None:
    try:
        photo.rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    for option in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "onsight", "predict", b"caf\xe9.png", *option],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        name = json.loads(done.stdout)["images"][0]["file"] if option else done.stdout.decode().split(":")[0]
        assert name == "caf\\xe9.png"


def test_a_missing_model(onsight: Onsight, photo: Path) -> None:
    assert "no model at nothing.tflite" in onsight("predict", "nothing.tflite", photo)


def test_a_truncated_tflite(onsight: Onsight, tmp_path: Path, photo: Path) -> None:
    data = (DEFAULT_MODEL / "tflite-int8.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(data[: len(data) // 2])
    assert "cut.tflite does not say what its classes are" in onsight("predict", "cut.tflite", photo)
    ModelSpec("x", tuple("abcdefghij"), (32, 32)).save(tmp_path / "spec.json")
    assert "does not take this model" in onsight("predict", "cut.tflite", photo, "--spec", "spec.json")


def test_a_bundle_with_one_byte_changed(onsight: Onsight, tmp_path: Path, photo: Path) -> None:
    bundle = tmp_path / "changed.bundle"
    shutil.copytree(DEFAULT_MODEL, bundle)
    data = bytearray((bundle / "tflite-int8.tflite").read_bytes())
    data[len(data) // 3] ^= 0x10
    (bundle / "tflite-int8.tflite").write_bytes(data)
    assert "is not the file that was exported" in onsight("predict", bundle, photo)
    assert "is not the file that was exported" in onsight("run", bundle, "--source", photo)


def test_a_class_folder_with_one_class(onsight: Onsight, pictures: Path) -> None:
    shutil.rmtree(pictures / "light")
    assert "at least two" in onsight("data", pictures)
    assert "at least two" in onsight("train", pictures, "--out", "run")


def test_wrong_picture_sizes_in_npz(onsight: Onsight, tmp_path: Path) -> None:
    labels = np.array([0, 1] * 5)
    np.savez(
        tmp_path / "sizes.npz",
        x_train=np.zeros((10, 16, 16, 3), np.uint8),
        y_train=labels,
        x_test=np.zeros((10, 24, 16, 3), np.uint8),
        y_test=labels,
    )
    line = onsight("train", "sizes.npz", "--out", "run")
    assert "16" in line and "24" in line
    np.savez(tmp_path / "flat.npz", x_train=np.zeros((10, 768), np.uint8), y_train=labels)
    assert "(10, 768)" in onsight("data", "flat.npz")


def test_an_unknown_arch(onsight: Onsight, pictures: Path) -> None:
    line = onsight("train", pictures, "--arch", "resnet9", "--out", "run")
    assert "unknown arch 'resnet9'" in line and "resnet8" in line


def test_a_data_set_that_is_not_there(onsight: Onsight) -> None:
    assert "nowhere" in onsight("train", "nowhere", "--out", "run")


def test_camera_99(onsight: Onsight) -> None:
    assert "99" in onsight("run", "--source", "99")


def test_a_video_that_is_text(onsight: Onsight, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    assert "clip.mp4" in onsight("run", "--source", "clip.mp4")


def test_an_output_folder_that_cannot_be_written(onsight: Onsight, tmp_path: Path, pictures: Path, photo: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot write file/" in onsight("train", pictures, "--out", "file/run")
    assert "file/" in onsight("data", pictures, "--sheet", "file/sheet.png")
    assert "file/" in onsight("run", "--source", photo, "--mp4", "file/out.mp4")
    assert "file/" in onsight("run", "--source", photo, "--jsonl", "file/out.jsonl")
    assert "file/" in onsight("bench", "--iterations", "1", "--fresh", "0", "--out", "file/record.json")


def test_exporting_what_is_no_run(onsight: Onsight, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in onsight("export", "empty")
    assert "nothing" in onsight("export", "nothing")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", mount], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_full_disk(onsight: Onsight, small_disk: Path, pictures: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 200_000)
    train = ("train", pictures, "--imgsz", "32", "--epochs", "1", "--out", small_disk / "run")
    assert "No space left" in onsight(*train, progress=True)
    assert "disk/" in onsight("data", pictures, "--sheet", small_disk / "sheet.png", "--size", "128")
    assert "out.mp4" in onsight("run", "--source", "synthetic://?frames=3&fps=0", "--mp4", small_disk / "out.mp4")


def test_files_that_may_not_grow(onsight: Onsight, pictures: Path) -> None:
    """A limit on the size of files stands in for the full disk where mounting one needs root."""
    assert "cannot write sheet.png: " in onsight("data", pictures, "--sheet", "sheet.png", largest=2000)
    assert "cannot write" in onsight("data", pictures, "--no-sheet", "--out", ".", largest=100)
    record = ("bench", "--iterations", "10", "--fresh", "0", "--out", "record.json")
    assert "cannot write record.json: " in onsight(*record, largest=2000)


def test_a_run_whose_files_may_not_grow(onsight: Onsight, pictures: Path) -> None:
    pytest.importorskip("tensorflow")
    train = ("train", pictures, "--epochs", "1", "--out", "run")
    assert "cannot write run" in onsight(*train, progress=True, largest=4000)


def test_a_model_that_answers_no_numbers(onsight: Onsight, tmp_path: Path, photo: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "broken",
        [helper.make_tensor_value_info("pixels", kind.FLOAT, [1, 4, 4, 3])],
        [helper.make_tensor_value_info("scores", kind.FLOAT, [1, 2])],
        [onnx.numpy_helper.from_array(np.full((48, 2), np.nan, np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "broken.onnx")
    ModelSpec("broken", ("a", "b"), (4, 4)).save(tmp_path / "spec.json")
    spec = ("--spec", "spec.json", "--json")
    assert "answered nan" in onsight("predict", "broken.onnx", photo, *spec)
    assert "answered nan" in onsight("bench", "broken.onnx", "--iterations", "10", "--fresh", "0", *spec)


def test_called_wrongly_exits_with_2(onsight: Onsight, photo: Path) -> None:
    assert "no picture named" in onsight("predict", "default", status=2)
    assert "describes a bare model file" in onsight("predict", DEFAULT_MODEL, photo, "--spec", "x.json", status=2)
