"""No mangled bundle reaches an interpreter, and no mangled bare file reaches this process's own."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from onsight_edge import contact
from onsight_edge.archive import write_archive
from onsight_edge.bundle import DEFAULT_MODEL, Bundle, open_model, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.errors import ModelError, NoChildError, OnsightError
from onsight_edge.files import cache_folder
from onsight_edge.golden import FILE, Golden, golden_bytes

LEAST = 91
Mangle = Callable[[Path], None]


@pytest.fixture
def sound(shipped: Path, write_colours_onnx: Callable[[Path], Path]) -> Path:
    """A bundle with two variants, a report and golden samples."""
    write_colours_onnx(shipped / "onnx-float32.onnx")
    frames = np.zeros((16, 40, 48, 3), np.uint8)
    names = ("tflite-int8", "onnx-float32")
    (shipped / FILE).write_bytes(
        golden_bytes(Golden(frames, dict.fromkeys(names, np.zeros((16, 10), np.float32)), dict.fromkeys(names, 0.1)))
    )
    files = {"tflite-int8": "tflite-int8.tflite", "onnx-float32": "onnx-float32.onnx"}
    spec = Bundle.open(DEFAULT_MODEL).spec
    write_manifest(shipped, name="two", spec=spec, variants=files, extra=["report.json"], golden=FILE)
    return shipped


@pytest.fixture
def no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever constructs a runtime, here or in a child process, fails the test."""

    def seen(*arguments: object, **named: object) -> None:
        raise AssertionError("an interpreter saw it")

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter.__init__", seen)
    monkeypatch.setattr("onsight_edge.backends.litert.open_runtime", seen)
    monkeypatch.setattr("onsight_edge.backends.onnxruntime.open_runtime", seen)
    monkeypatch.setattr("onsight_edge.trial.subprocess.Popen", seen)


def folder_mangles(folder: Path) -> Iterator[tuple[str, Mangle]]:
    random = np.random.default_rng(91)
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        size = (folder / name).stat().st_size
        for at in random.integers(0, size, 12):
            yield f"byte {at} of {name} flipped", flip(name, int(at), 1 << int(random.integers(0, 8)))
        for length in (0, 1, size // 2, size - 1):
            yield f"{name} cut to {length}", cut(name, length)
        yield f"{name} longer", grow(name)
        yield f"{name} gone", lambda at, name=name: (at / name).unlink()  # type: ignore[misc]
        for other in names:
            if other > name:
                yield f"{name} and {other} swapped", swap(name, other)
    yield "another model", lambda at: (at / "tflite-int8.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(500))  # type: ignore[misc]
    yield "the manifest of another export", foreign_manifest


def flip(name: str, at: int, bits: int) -> Mangle:
    def mangle(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[at] ^= bits
        (folder / name).write_bytes(data)

    return mangle


def cut(name: str, length: int) -> Mangle:
    return lambda folder: os.truncate(folder / name, length)


def grow(name: str) -> Mangle:
    def mangle(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b"\n")

    return mangle


def swap(name: str, other: str) -> Mangle:
    def mangle(folder: Path) -> None:
        (folder / name).rename(folder / "third")
        (folder / other).rename(folder / name)
        (folder / "third").rename(folder / other)

    return mangle


def foreign_manifest(folder: Path) -> None:
    """Sound in itself, and of files that have the same names."""
    report = (folder / "report.json").read_bytes()
    (folder / "report.json").write_bytes(report.replace(b"0.8", b"0.9"))
    bundle, files = Bundle.open(DEFAULT_MODEL), {"tflite-int8": "tflite-int8.tflite"}
    write_manifest(folder, name="other", spec=bundle.spec, variants=files, extra=["report.json"])
    (folder / "report.json").write_bytes(report)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Classifier.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_mangled_folder_is_refused_before_an_interpreter_sees_it(
    sound: Path, tmp_path: Path, no_interpreter: None
) -> None:
    with pytest.raises(AssertionError, match="an interpreter saw it"):  # the wall of this test stands
        Classifier.open(sound)
    mangles = list(folder_mangles(sound))
    assert len(mangles) >= LEAST
    for number, (what, mangle) in enumerate(mangles):
        folder = Path(shutil.copytree(sound, tmp_path / f"{number}.bundle"))
        mangle(folder)
        assert refused(folder), what
        shutil.rmtree(folder)


def test_every_mangled_zip_is_refused_before_an_interpreter_sees_it(
    sound: Path, tmp_path: Path, no_interpreter: None
) -> None:
    """Flipped and cut as a file; and packed anew, by us and by another program, with mangled content."""
    path = tmp_path / "x.bundle.zip"
    write_archive(sound, path)
    with pytest.raises(AssertionError, match="an interpreter saw it"):
        Classifier.open(path)
    whole = path.read_bytes()
    random = np.random.default_rng(19)
    places = [*random.integers(0, len(whole), 60), *random.integers(len(whole) - 600, len(whole), 40), *range(30)]
    for at in map(int, places):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(random.integers(0, 8)))]) + whole[at + 1 :])
        assert refused(path), f"byte {at} flipped"
        path.write_bytes(whole[:at])
        assert refused(path), f"cut to {at}"
    for number, (what, mangle) in enumerate(folder_mangles(sound)):
        folder = Path(shutil.copytree(sound, tmp_path / f"{number}.bundle"))
        mangle(folder)
        write_archive(folder, path)
        assert refused(path), what
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in folder.iterdir():
                archive.write(file, file.name)
        assert refused(path), what
        shutil.rmtree(folder)


@pytest.fixture
def bare(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "cache"))
    return shipped / "tflite-int8.tflite"


def count_children(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    in_child = contact.in_child

    def counted(module: str, data: bytes, *arguments: str, **limits: float) -> bytes:
        asked.append(arguments[1])
        return in_child(module, data, *arguments, **limits)  # type: ignore[arg-type]

    monkeypatch.setattr(contact, "in_child", counted)
    return asked


def test_a_bare_file_is_tried_once_by_a_child(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_children(monkeypatch)
    for _ in range(2):
        Classifier.open(bare).close()
    assert asked == ["auto"]
    Classifier.open(bare, backend="litert").close()
    assert asked == ["auto", "litert"]
    bare.write_bytes(bare.read_bytes() + b"\0")  # another file
    open_model(bare)
    assert asked == ["auto", "litert", "auto"]


def test_neither_a_bundle_nor_a_trusted_file_is_tried(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_children(monkeypatch)
    Classifier.open(bare.parent).close()
    Classifier.open(bare, trusted=True).close()
    assert not asked


def test_another_version_of_the_runtime_is_another_trial(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count_children(monkeypatch)
    open_model(bare)
    monkeypatch.setattr(contact, "_runtimes", lambda model_format, backend: ["ai_edge_litert-99.dist-info"])
    open_model(bare)
    assert asked == ["auto", "auto"]


def test_a_cache_that_cannot_be_written_to_costs_only_time(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSIGHT_CACHE", str(bare / "no folder"))
    asked = count_children(monkeypatch)
    for _ in range(2):
        open_model(bare)
    assert asked == ["auto", "auto"]


def test_a_user_without_a_home_has_no_cache_and_no_crash(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("ONSIGHT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    asked = count_children(monkeypatch)
    Classifier.open(bare).close()
    assert asked == ["auto"]
    with pytest.raises(OnsightError, match="name a folder with ONSIGHT_CACHE"):
        cache_folder()


def test_where_no_child_can_be_started_the_file_is_loaded_all_the_same(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*arguments: object, **limits: object) -> bytes:
        raise NoChildError("cannot start Python as a process of its own")

    monkeypatch.setattr(contact, "in_child", cannot)
    with pytest.warns(RuntimeWarning, match="without a trial"), Classifier.open(bare) as classifier:
        assert classifier.backend.name == "litert"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 11)", "os.abort()", "bytearray(1 << 44)", "time.sleep(60)"])
def test_a_file_that_kills_its_interpreter_ends_in_one_line(
    bare: Path, tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever bytes do that to today's runtime: a runtime stands here that any bytes do that to."""
    (tmp_path / "fake" / "ai_edge_litert").mkdir(parents=True)
    (tmp_path / "fake" / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "fake" / "ai_edge_litert" / "interpreter.py").write_text(
        f"import os, time\nclass Interpreter:\n    def __init__(self, **named):\n        {end}\n"
    )
    monkeypatch.setattr(contact, "SECONDS", 2.0)
    monkeypatch.syspath_prepend(tmp_path / "fake")
    message = r"tflite-int8\.tflite is damaged, or no model for this device: it |litert does not take .*: MemoryError"
    with pytest.raises(OnsightError, match=message) as caught:
        open_model(bare)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_mangled_bare_files_end_in_an_answer_or_one_line(bare: Path) -> None:
    """The tables of a flatbuffer stand near its end, where a change leads the reader furthest."""
    whole = bare.read_bytes()
    random = np.random.default_rng(65)
    refusals = 0
    for at in random.integers(len(whole) - 25_000, len(whole) - 5_000, 12):
        bare.write_bytes(whole[:at] + b"\x7f\x7f\x7f\x7f" + whole[at + 4 :])
        try:
            Classifier.open(bare).close()
        except OnsightError as error:
            refusals += 1
            assert "\n" not in str(error)
    assert refusals >= 3


def test_what_a_runtime_prints_is_no_answer(
    colours_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime prints what it raises where a name in the file is no UTF-8."""
    pytest.importorskip("onnxruntime")
    path = colours_bundle / "onnx-float32.onnx"
    whole = path.read_bytes()
    for broken in (whole.replace(b"pixels", b"pi\x8aels"), whole.replace(b"scores", b"sc\x8ares")):
        path.write_bytes(broken)
        for trusted in (False, True):
            with pytest.raises(OnsightError, match=r"onnxruntime (does not take|failed)") as caught:
                Classifier.open(path, trusted=trusted)
            assert "\n" not in str(caught.value) and "EP Error" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_another_word_in_front_of_an_answer_is_harmless(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fake" / "ai_edge_litert").mkdir(parents=True)
    (tmp_path / "fake" / "ai_edge_litert" / "__init__.py").write_text("print('welcome')")
    (tmp_path / "fake" / "ai_edge_litert" / "interpreter.py").write_text(
        "class Interpreter:\n    def __init__(self, **named):\n        raise ValueError('not mine')\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "fake")
    with pytest.raises(OnsightError, match="not mine"):
        open_model(bare)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
@pytest.mark.parametrize("name", ["x.tflite", "x.onnx", "x.bundle.zip"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ModelError, match="is neither a file nor a folder"):
        open_model(tmp_path / name)


def test_a_file_larger_than_memory_is_one_line(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(path: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_much)
    with pytest.raises(ModelError, match="larger than the memory that is left"):
        open_model(bare)
