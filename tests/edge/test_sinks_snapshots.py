"""Snapshots of unsure frames: which, how often, where, within which budget, and that data sets can be made of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.datasets import load_dataset
from onsight_edge.errors import SinkError
from onsight_edge.frame import Frame, Prediction, Result, Timings
from onsight_edge.sinks import RunInfo
from onsight_edge.sinks.snapshots import SnapshotsSink

CLASSES = ("cat", "dog", "../escape")
LIVE = RunInfo("0", True, 20.0, (160, 160), "m", CLASSES, run="run")


def result(index: int, scores: tuple[float, ...], seconds: float, image: np.ndarray | None = None) -> Result:
    if image is None:
        image = np.random.default_rng(index).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        image = cv2.resize(image, (160, 160), interpolation=cv2.INTER_NEAREST)
    frame = Frame(image, index, 10**12 + round(seconds * 1e9))
    values = np.array(scores, np.float32)
    best = int(values.argmax())
    prediction = Prediction(best, float(values[best]), values, CLASSES, rejected=True)
    return Result(frame, prediction, Timings(1, 2, 3), frame.captured_ns, 0, 20.0)


def feed(sink: SnapshotsSink, *results: Result) -> list[int]:
    """As a worker does; which were taken."""
    taken = []
    for one in results:
        if sink.picks(one):
            sink.write(one)
            taken.append(one.frame.index)
    return taken


def index_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]


def test_unsure_frames_are_saved_by_class_with_a_line_each(tmp_path: Path) -> None:
    sink = SnapshotsSink(tmp_path / "s", below=0.6, margin=0.2, every_s=1.0)
    sink.open(LIVE)
    taken = feed(
        sink,
        result(0, (0.9, 0.1, 0.0), 0.0),  # sure
        result(1, (0.5, 0.4, 0.1), 0.1),  # below
        result(2, (0.1, 0.5, 0.4), 0.5),  # too soon
        result(3, (0.35, 0.62, 0.03), 2.0),  # above, and leads well
        result(4, (0.45, 0.61, 0.0), 3.0),  # above, and leads by too little
        result(5, (0.2, 0.3, 0.5), 4.5),  # a class that no folder can be called after
    )
    sink.close()
    assert taken == [1, 4, 5]
    lines = index_of(tmp_path / "s")
    assert [(line["label"], line["why"]) for line in lines] == [
        ("cat", "score"),
        ("dog", "margin"),
        ("../escape", "score"),
    ]
    assert [str(line["file"]).split("/")[0] for line in lines] == ["cat", "dog", "class 2"]
    for line in lines:
        picture = cv2.imread(str(tmp_path / "s" / str(line["file"])))
        assert picture is not None and picture.shape == (160, 160, 3)
    assert lines[0]["top"] == [["cat", 0.5], ["dog", 0.4], ["../escape", 0.1]] and lines[0]["run"] == "run"
    assert sink.report().counts == {"saved": 3, "removed": 0}


def test_what_looks_like_the_last_one_is_not_saved_again(tmp_path: Path) -> None:
    sink = SnapshotsSink(tmp_path, every_s=1.0)
    sink.open(LIVE)
    grey = np.full((160, 160, 3), 100, np.uint8)
    noisy = (grey + np.random.default_rng(0).integers(-3, 4, grey.shape)).astype(np.uint8)
    someone = grey.copy()
    someone[40:120, 40:100] = 220
    unsure = (0.5, 0.4, 0.1)
    taken = feed(
        sink,
        result(0, unsure, 0, grey),
        result(1, unsure, 100, noisy),
        result(2, unsure, 200, someone),
        result(3, unsure, 300, grey),
    )
    sink.close()
    assert taken == [0, 2, 3]


def test_the_budget_removes_the_oldest_but_nothing_that_somebody_moved(tmp_path: Path) -> None:
    sink = SnapshotsSink(tmp_path, every_s=1.0)
    sink.open(LIVE)
    feed(sink, *(result(index, (0.5, 0.4, 0.1), 2.0 * index) for index in range(3)))
    sink.close()
    first, second, third = (tmp_path / str(line["file"]) for line in index_of(tmp_path))
    (tmp_path / "dog").mkdir()
    labelled = tmp_path / "dog" / first.name
    shutil.move(first, labelled)  # somebody knew better
    size = second.stat().st_size
    sink = SnapshotsSink(tmp_path, every_s=1.0, budget_bytes=int(2.5 * size))
    sink.open(LIVE)
    feed(sink, *(result(index, (0.5, 0.4, 0.1), 2.0 * index) for index in range(10, 13)))
    assert sink.report().counts == {"saved": 3, "removed": 3}
    sink.close()
    assert labelled.exists() and not second.exists() and not third.exists()
    assert len(list((tmp_path / "cat").iterdir())) == 2


def test_a_data_set_can_be_made_of_them(tmp_path: Path) -> None:
    sink = SnapshotsSink(tmp_path, every_s=0.5)
    sink.open(LIVE)
    for index in range(8):
        feed(sink, result(index, (0.5, 0.4, 0.1) if index % 2 else (0.4, 0.5, 0.1), float(index)))
    sink.close()
    found = load_dataset(str(tmp_path))
    assert found.classes == ("cat", "dog")


def test_a_damaged_index_and_a_full_disk_are_no_end(tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text('{"file": "../../etc/passwd"}\n{"file": "cat/gone.jpg"}\n[]\nnot JSON\n{"fil')
    sink = SnapshotsSink(tmp_path, budget_bytes=1)
    sink.open(LIVE)
    (tmp_path / "cat").write_text("no folder")
    unsure = result(0, (0.5, 0.4, 0.1), 0)
    for _ in range(2):  # it is picked again, so that a worker's next try does not pass for success
        assert sink.picks(unsure)
        with pytest.raises(SinkError):
            sink.write(unsure)
        sink.recover()
    (tmp_path / "cat").unlink()
    assert feed(sink, unsure) == [0]
    sink.close()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkError, match="cannot write"):
        SnapshotsSink(tmp_path / "file" / "s").open(LIVE)
