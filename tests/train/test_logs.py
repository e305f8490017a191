"""What a training tells others: JSON lines, TensorBoard's files, the bar."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onsight_edge.errors import OnsightError
from onsight_train.eventfile import EventFile
from onsight_train.history import Epoch
from onsight_train.logs import EventLines, TensorBoard, Watchers
from onsight_train.prefetch import prefetched
from onsight_train.progress import TrainingProgress

ROW = Epoch(3, 0.5, 0.75, 0.625, 0.875, 0.0125, 12.0)


def events(folder: Path) -> list[Any]:
    """Every event as TensorFlow's own reader gives it, which checks both checksums of each."""
    tensorflow = pytest.importorskip("tensorflow")
    return [
        event for path in sorted(folder.iterdir()) for event in tensorflow.compat.v1.train.summary_iterator(str(path))
    ]


def scalars(folder: Path) -> dict[tuple[int, str], float]:
    return {(e.step, value.tag): value.simple_value for e in events(folder) for value in e.summary.value}


def test_tensorflow_reads_what_tensorboard_is_given(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    board.epoch(ROW)
    board.close()
    assert scalars(tmp_path / "train") == {
        (2, "epoch_loss"): 0.5,
        (2, "epoch_accuracy"): 0.75,
        (2, "epoch_learning_rate"): pytest.approx(0.0125),
    }
    assert scalars(tmp_path / "validation") == {(2, "epoch_loss"): 0.625, (2, "epoch_accuracy"): 0.875}
    first = events(tmp_path / "train")[0]
    assert first.file_version == "brain.Event:2"


def test_a_training_that_goes_on_takes_back_what_was_logged_after(tmp_path: Path) -> None:
    TensorBoard(tmp_path).close()
    TensorBoard(tmp_path, 300).close()
    started = [event for event in events(tmp_path / "train") if event.session_log.status == 1]
    assert [event.step for event in started] == [0, 300]  # TensorBoard drops what came before with such a step


def test_the_checksum_is_crc_32c(tmp_path: Path) -> None:
    """RFC 3720, B.4: 32 bytes of zeros."""
    from onsight_train.eventfile import _masked

    crc = 0x8A9136AA
    assert _masked(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_an_event_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OnsightError, match=r"cannot write .*events\.out\.tfevents.*Not a directory"):
        EventFile(tmp_path / "file" / "train")
    file = EventFile(tmp_path / "full")
    file._file.close()
    file._file = Path("/dev/full").open("wb")  # noqa: SIM115
    with pytest.raises(OnsightError, match="No space left"):
        file.scalars(1, {"loss": 1.0})


def test_lines_of_json() -> None:
    stream = io.StringIO()
    lines = EventLines(stream, Path("runs/a"))
    watcher = Watchers([lines])
    watcher.batch(2, 4, 0.1, 0.2)
    watcher.epoch(ROW)
    watcher.saved(3, 0, 0.25)
    epoch, checkpoint = (json.loads(line) for line in stream.getvalue().splitlines())
    assert epoch["event"] == "epoch" and epoch["run"] == "runs/a" and epoch["val_accuracy"] == 0.875
    assert {"epoch", "loss", "accuracy", "val_loss", "lr", "seconds", "whole", "time"} < set(epoch)
    assert checkpoint["event"] == "checkpoint" and (checkpoint["epoch"], checkpoint["step"], checkpoint["seconds"]) == (
        4,
        0,
        0.25,
    )


def test_lines_that_cannot_be_written() -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115
    with pytest.raises(OnsightError, match="events to /dev/full: No space left"):
        EventLines(full, Path("a")).write("begin")
    with contextlib.suppress(OSError):
        full.close()


def test_an_interrupted_epoch_does_not_look_whole(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress(9, 40, 2, 0) as progress:
        progress.epoch(ROW)
        progress.batch(3, 11, 0.5, 0.5)
        progress.epoch(Epoch(4, 0.5, 0.75, 0.625, 0.875, 0.0125, 12.0, whole=False))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("epoch 3/9  loss 0.5000")
    assert second.startswith("epoch 4/9, ended after 12 of 40 steps  loss")


def test_made_ahead_in_order_and_errors_where_they_belong() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise OnsightError("no more")

    with prefetched(iter(range(100)), 2) as items:
        assert list(items) == list(range(100))
    with prefetched(broken()) as items:
        assert [next(items) for _ in range(5)] == list(range(5))
        with pytest.raises(OnsightError, match="no more"):
            next(items)
    with prefetched(iter(range(10**9)), 2) as items:
        next(items)  # leaving ends the thread; nobody waits for the rest
