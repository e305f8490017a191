"""Frames on standard input: real pipes, real files, a real process at the other end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.frame import Frame, Notice
from onsight_edge.sources import Source
from onsight_edge.sources import pipe as pipe_module
from onsight_edge.sources.jpegstream import JpegSplitter
from onsight_edge.sources.pipe import JpegPipeSource, RawPipeSource, open_pipe
from onsight_edge.sources.rawformat import FORMATS
from onsight_edge.sources.source import Reducible
from onsight_edge.sources.synthetic import SyntheticSource, read_number

SIZE = (96, 48)
BACK = {
    "bgr24": None,
    "rgb24": cv2.COLOR_BGR2RGB,
    "bgra": cv2.COLOR_BGR2BGRA,
    "rgba": cv2.COLOR_BGR2RGBA,
    "gray": cv2.COLOR_BGR2GRAY,
    "i420": cv2.COLOR_BGR2YUV_I420,
    "yuv420p": cv2.COLOR_BGR2YUV_I420,
    "nv12": cv2.COLOR_BGR2YUV_I420,
    "yuyv422": cv2.COLOR_BGR2YUV_YUYV,
}


def pictures(count: int) -> list[NDArray[np.uint8]]:
    source = SyntheticSource(None, SIZE, count)
    return [frame.image_bgr for frame in (source.read() for _ in range(count)) if frame]


def raw(picture: NDArray[np.uint8], name: str) -> bytes:
    code = BACK[name]
    encoded: NDArray[np.uint8] = picture if code is None else cv2.cvtColor(picture, code)  # type: ignore[assignment]
    if name != "nv12":
        return encoded.tobytes()
    planes = encoded.reshape(-1)
    luma, chroma = planes[: SIZE[0] * SIZE[1]], planes[SIZE[0] * SIZE[1] :].reshape(2, -1)
    return luma.tobytes() + chroma.T.tobytes()  # U and V take turns


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # closed by the test
            os.close(end)


@pytest.fixture
def from_file(tmp_path: Path) -> Iterator[Callable[[bytes], int]]:
    """Opens a file with these bytes, as `< FILE` does."""
    opened = []

    def write(data: bytes) -> int:
        (tmp_path / "data").write_bytes(data)
        opened.append(os.open(tmp_path / "data", os.O_RDONLY))
        return opened[-1]

    yield write
    for each in opened:
        os.close(each)


def drain(source: Source) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_picture_back(name: str, from_file: Callable[[bytes], int]) -> None:
    shown = pictures(3)
    data = b"".join(raw(picture, name) for picture in shown)
    source = open_pipe(f"pipe:?format={name}&size=96x48&fps=12", descriptor=from_file(data))
    assert isinstance(source, RawPipeSource)
    assert (source.live, source.fps, source.size_wh) == (False, 12, SIZE)
    frames = drain(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [read_number(frame.image_bgr) for frame in frames] == [0, 1, 2]
    for frame, picture in zip(frames, shown, strict=True):
        assert frame.image_bgr.shape == (48, 96, 3) and frame.image_bgr.dtype == np.uint8
        wanted = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        difference = np.abs((wanted if name == "gray" else picture).astype(int) - frame.image_bgr)
        # YUV of limited range and with every second colour is not exact
        assert difference.mean() < (0.5 if "yu" not in name and name not in ("i420", "nv12") else 6)
    assert source.health.skipped == 0


def test_frames_cross_from_another_process() -> None:
    script = (
        "import json, sys\n"
        "from onsight_edge.sources import open_source\n"
        "from onsight_edge.sources.synthetic import read_number\n"
        "source = open_source('-', size_wh=(96, 48))\n"
        "numbers = []\n"
        "while (frame := source.read()) is not None: numbers.append((frame.index, read_number(frame.image_bgr)))\n"
        "print(json.dumps([source.live, numbers]))\n"
    )
    data = b"".join(raw(picture, "bgr24") for picture in pictures(200))
    done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True, timeout=60)
    live, numbers = json.loads(done.stdout)
    assert live and all(index == number for index, number in numbers)
    assert numbers[-1] == [199, 199] and len(numbers) <= 200  # how many were overtaken is a matter of speed


@pytest.mark.parametrize("kind", ["raw", "mjpeg"])
def test_live_delivers_the_newest_of_what_waits_and_a_lossless_one_everything(kind: str, pipe: tuple[int, int]) -> None:
    shown = pictures(6)
    data = [jpeg(each) if kind == "mjpeg" else raw(each, "bgr24") for each in shown]
    uri = "pipe:?format=mjpeg" if kind == "mjpeg" else "pipe:?size=96x48"
    source = open_pipe(uri, descriptor=pipe[0])
    assert source.live
    os.write(pipe[1], b"".join(data[:4]) + data[4][:700])
    first = source.read()
    assert first is not None and (first.index, read_number(first.image_bgr)) == (3, 3)
    os.write(pipe[1], data[4][700:])
    second = source.read()
    assert second is not None and (second.index, read_number(second.image_bgr)) == (4, 4)
    lossless = open_pipe(uri + "&live=0", descriptor=pipe[0])
    assert not lossless.live
    os.write(pipe[1], b"".join(data))
    os.close(pipe[1])
    assert [read_number(frame.image_bgr) for frame in drain(lossless)] == [0, 1, 2, 3, 4, 5]


def test_a_writer_that_never_pauses_cannot_keep_a_frame_from_being_delivered(pipe: tuple[int, int]) -> None:
    block = b"".join(raw(picture, "gray") for picture in pictures(4))

    def write() -> None:
        try:
            while True:
                os.write(pipe[1], block)
        except OSError:
            return

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    source = open_pipe("pipe:?format=gray&size=96x48", descriptor=pipe[0])
    indices = [frame.index for frame in (source.read() for _ in range(5)) if frame]
    assert len(indices) == 5 and indices == sorted(set(indices))
    os.close(pipe[0])
    writer.join(10)
    assert not writer.is_alive()


@pytest.mark.parametrize("uri", ["pipe:?size=96x48", "pipe:?format=mjpeg"])
def test_a_short_picture_at_the_end_is_counted_and_told(uri: str, from_file: Callable[[bytes], int]) -> None:
    shown = pictures(2)
    data = [jpeg(each) if "mjpeg" in uri else raw(each, "bgr24") for each in shown]
    source = open_pipe(uri, descriptor=from_file(data[0] + data[1][:-200]))
    notices: list[Notice] = []
    source.on_notice = notices.append
    assert [read_number(frame.image_bgr) for frame in drain(source)] == [0]
    assert source.health.skipped == 1
    assert [notice.kind for notice in notices] == ["torn"]
    assert f"{len(data[1]) - 200} bytes into" in notices[0].text


@pytest.mark.parametrize(
    ("uri", "data", "told"),
    [
        ("pipe:?size=96x48", b"", r"ended after nothing: expected frames of 13824 bytes \(96x48 bgr24\), such as"),
        ("pipe:?size=96x48", b"x" * 100, "ended after 100 bytes: expected frames of 13824 bytes"),
        ("pipe:?format=mjpeg", b"", "ended after nothing: expected JPEG pictures"),
        ("pipe:?format=mjpeg", b"no picture " * 20, "ended after 1 bytes: expected JPEG pictures"),
    ],
)
def test_nothing_or_too_little_is_one_line(uri: str, data: bytes, told: str, from_file: Callable[[bytes], int]) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        drain(open_pipe(uri, descriptor=from_file(data)))
    assert "\n" not in str(caught.value)


def test_jpegs_are_reduced_torn_ones_counted_and_sizes_followed(from_file: Callable[[bytes], int]) -> None:
    small = cv2.imencode(".jpg", np.zeros((20, 30), np.uint8))[1].tobytes()  # and grey
    whole = [jpeg(picture) for picture in pictures(3)]
    source = open_pipe(
        "pipe:?format=mjpeg", descriptor=from_file(b"junk" + whole[0] + whole[1][:-300] + small + whole[2])
    )
    assert isinstance(source, JpegPipeSource) and isinstance(source, Reducible)
    source.reduction = lambda size_wh: 2 if size_wh == SIZE else 1
    frames = drain(source)
    assert [frame.image_bgr.shape for frame in frames] == [(24, 48, 3), (20, 30, 3), (24, 48, 3)]
    assert [read_number(frames[at].picture()) for at in (0, 2)] == [0, 2]
    assert source.health.skipped == 1


def test_silence_is_told_once_and_close_ends_the_wait(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_module, "SILENT_S", 0.2)
    source = open_pipe("pipe:?size=96x48", descriptor=pipe[0])
    notices: list[Notice] = []
    source.on_notice = notices.append
    answers: list[Frame | None] = []

    def read() -> None:
        answers.extend((source.read(), source.read()))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not notices and time.monotonic() < deadline:
        time.sleep(0.02)
    os.write(pipe[1], raw(pictures(1)[0], "bgr24"))
    while len(notices) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    source.close()
    thread.join(5)
    assert [(notice.kind, notice.over) for notice in notices[:3]] == [
        ("source-lost", False),
        ("source-back", True),
        ("source-lost", False),
    ]
    assert len(answers) == 2 and answers[0] is not None and answers[1] is None


def test_a_terminal_and_wrong_options_are_refused() -> None:
    main, terminal = os.openpty()
    with pytest.raises(SourceError, match="standard input is a terminal: pipe frames into it, such as ffmpeg"):
        open_pipe("pipe:?size=96x48", descriptor=terminal)
    os.close(main)
    os.close(terminal)
    with pytest.raises(SourceError, match="cannot be read: Bad file descriptor"):
        open_pipe("pipe:?size=96x48", descriptor=terminal)
    for uri, told in (
        ("-", "do not say their size: add size=WIDTHxHEIGHT"),
        ("pipe:?format=bgr25&size=8x8", "no format is called 'bgr25'; known are bgr24, "),
        ("pipe:?format=mjpeg&size=8x8", "leave the size out"),
        ("pipe:?format=nv12&size=8x7", "needs an even width and height, not 8x7"),
        ("pipe:?format=yuyv422&size=7x8", "needs an even width, not 7x8"),
        ("pipe:frames.raw?size=8x8", "reads standard input"),
        ("pipe:?size=8x8&fps=0", "above 0"),
        ("pipe:?size=8x8&rate=1", "unknown option 'rate'"),
    ):
        with pytest.raises(UsageError, match=told):
            open_pipe(uri)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_jpegs_are_found_however_the_stream_is_chopped(data: st.DataObject) -> None:
    thumbnail = jpeg(np.full((8, 8, 3), 9, np.uint8))
    plain = jpeg(np.full((16, 24, 3), 77, np.uint8))
    with_thumbnail = plain[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + plain[2:]
    noise = np.random.default_rng(0).integers(0, 256, (48, 96, 3), np.uint8)
    restarted = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1].tobytes()
    whole = [plain, with_thumbnail, restarted]
    sent = data.draw(st.lists(st.sampled_from(whole), max_size=5))
    stream = b"".join(sent)
    splitter = JpegSplitter()
    found: list[bytes] = []
    while stream:
        cut = data.draw(st.integers(1, max(1, len(stream))))
        found += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert found == sent and splitter.rest == 0


def test_a_stream_without_an_end_is_refused() -> None:
    splitter = JpegSplitter()
    splitter.feed(b"\xff\xd8\xff\xda\0\2")
    with pytest.raises(ValueError, match="longer than"):
        for _ in range(70):
            splitter.feed(b"\0" * 2**20)
