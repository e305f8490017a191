"""Video files, pictures, synthetic frames, pacing, and what `open_source` makes of a URI."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from onsight_edge.errors import OnsightError, SourceError, UsageError
from onsight_edge.frame import Frame
from onsight_edge.images import decode_image
from onsight_edge.sources import Source, capture, open_source, video
from onsight_edge.sources.capture import CameraSource
from onsight_edge.sources.source import Pacer, parse_size, without_password
from onsight_edge.sources.synthetic import SyntheticSource, read_number, read_time_ns
from onsight_edge.sources.video import VideoSource


def drain(source: Source) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A real MP4 of 20 numbered frames."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (320, 240))
    for frame in drain(SyntheticSource(None, (320, 240), 20)):
        writer.write(frame.image_bgr)
    writer.release()
    return path


def test_a_video_is_delivered_whole_and_in_order(clip: Path) -> None:
    source = open_source(str(clip))
    assert (source.live, source.fps, source.size_wh) == (False, 25.0, (320, 240))
    frames = drain(source)
    assert [read_number(frame.image_bgr) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert all(f.image_bgr.dtype == np.uint8 and f.image_bgr.shape == (240, 320, 3) for f in frames)


def test_a_video_loops_and_its_index_goes_on(clip: Path) -> None:
    source = open_source(str(clip), loop=True)
    frames = [source.read() for _ in range(45)]
    source.close()
    assert [read_number(f.image_bgr) for f in frames if f] == [i % 20 for i in range(45)]
    assert [f.index for f in frames if f] == list(range(45))


def test_fps_paces_a_video_as_if_it_were_live(clip: Path) -> None:
    source = open_source(str(clip), fps=50)
    assert source.live and source.fps == 50
    started = time.monotonic_ns()
    frames = drain(source)
    assert len(frames) == 20
    # 19 periods of 20 ms: late is possible on a loaded machine, early is not
    assert frames[-1].captured_ns - started > 0.37e9


def test_a_source_that_does_not_open_is_one_line_and_opencv_says_nothing(tmp_path: Path) -> None:
    # in a process of its own: FFmpeg reads once, at its first use, how much it shall say
    path = tmp_path / "text.mp4"
    path.write_text("hello " * 1000)
    script = (
        "import sys\n"
        "from onsight_edge.sources import open_source\n"
        "from onsight_edge.errors import SourceError\n"
        "for uri in sys.argv[1:]:\n"
        "    try: open_source(uri)\n"
        "    except SourceError as error: print(error)\n"
    )
    uris = [str(path), "99", "rtsp://me:secret@127.0.0.1:9/x"]
    done = subprocess.run([sys.executable, "-c", script, *uris], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    text, camera, rtsp = done.stdout.splitlines()
    assert text == f"{path} is not a video that OpenCV can read, or is damaged"
    assert "99" in camera
    assert rtsp.startswith("cannot open rtsp://me:***@127.0.0.1:9/x: no video")


def test_a_truncated_and_an_empty_video_are_refused(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:2000])
    with pytest.raises(SourceError, match="not a video"):
        open_source(str(cut))
    cut.write_bytes(b"")
    with pytest.raises(SourceError, match="0 bytes"):
        open_source(str(cut))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """b.png and a.jpg sound, c.jpg text, d.png empty, notes.txt no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "b.png"), np.full((20, 30, 3), 200, np.uint8))
    cv2.imwrite(str(folder / "a.jpg"), np.full((10, 10, 3), 100, np.uint8))
    (folder / "c.jpg").write_text("not a picture")
    (folder / "d.png").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    return folder


def test_pictures_come_sorted_and_damaged_ones_are_counted(folder: Path) -> None:
    source = open_source(str(folder))
    frames = drain(source)
    assert [(frame.name, frame.index) for frame in frames] == [("a.jpg", 0), ("b.png", 1)]
    assert frames[1].image_bgr.shape == (20, 30, 3)
    assert source.health.skipped == 2
    assert not source.live


def test_grey_4_channel_and_16_bit_pictures_become_bgr_whatever_their_size(tmp_path: Path) -> None:
    shapes: list[tuple[int, ...]] = [(10, 20), (30, 40, 4), (15, 5, 3)]
    for number, shape in enumerate(shapes):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full(shape, 100, np.uint8))
    cv2.imwrite(str(tmp_path / "3.png"), np.full((8, 9), 100 * 257, np.uint16))
    frames = drain(open_source(str(tmp_path)))
    assert [frame.image_bgr.shape for frame in frames] == [(10, 20, 3), (30, 40, 3), (15, 5, 3), (8, 9, 3)]
    assert all(frame.image_bgr.dtype == np.uint8 and frame.image_bgr.mean() == 100 for frame in frames)


def test_pictures_loop(folder: Path) -> None:
    source = open_source(str(folder), loop=True)
    frames = [source.read() for _ in range(5)]
    assert [f.name for f in frames if f] == ["a.jpg", "b.png", "a.jpg", "b.png", "a.jpg"]


def test_one_picture_is_a_source_of_one_frame(folder: Path) -> None:
    assert [frame.name for frame in drain(open_source(str(folder / "b.png")))] == ["b.png"]


def test_only_damaged_pictures_are_an_error_even_when_looped(folder: Path) -> None:
    (folder / "a.jpg").unlink()
    (folder / "b.png").unlink()
    with pytest.raises(SourceError, match="none of its 2 pictures can be decoded"):
        drain(open_source(str(folder), loop=True))
    with pytest.raises(SourceError, match=r"c\.jpg.*not a JPEG"):
        drain(open_source(str(folder / "c.jpg")))


def test_a_folder_without_pictures_points_at_its_class_folders(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no picture"):
        open_source(str(tmp_path))
    (tmp_path / "cats").mkdir()
    with pytest.raises(SourceError, match="dataset://"):
        open_source(str(tmp_path))


def test_synthetic_frames_are_numbered_and_end() -> None:
    source = open_source("synthetic://?fps=0&frames=5&size=320x240")
    assert (source.live, source.fps, source.size_wh) == (False, None, (320, 240))
    frames = drain(source)
    assert [read_number(frame.image_bgr) for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].image_bgr.shape == (240, 320, 3)
    assert not np.array_equal(frames[0].image_bgr[100:], frames[4].image_bgr[100:])  # it moves


def test_synthetic_frames_are_stamped_and_the_stamp_survives_compression() -> None:
    for size in ("320x240", "640x480"):
        before = time.monotonic_ns()
        frames = drain(open_source(f"synthetic://?fps=0&frames=8&size={size}"))
        stamps = []
        for frame in frames:
            jpeg = cv2.imencode(".jpg", frame.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
            seen = decode_image(jpeg.tobytes())
            assert read_time_ns(seen) == read_time_ns(frame.image_bgr) <= frame.captured_ns
            assert read_number(seen) == frame.index
            stamps.append(read_time_ns(seen))
        assert stamps == sorted(stamps) and stamps[0] >= before - 1000 and frames[0].truth is None


def test_the_synthetic_scene_of_colours_knows_what_it_shows() -> None:
    frames = drain(open_source("synthetic://?fps=0&frames=100&size=64x48&scene=colours"))
    truths = [frame.truth for frame in frames]
    assert truths == ["red"] * 30 + ["green"] * 30 + ["blue"] * 30 + ["red"] * 10
    for frame in frames:
        means = frame.image_bgr[16:].mean(axis=(0, 1))
        assert ("blue", "green", "red")[int(means.argmax())] == frame.truth
    assert not np.array_equal(frames[0].image_bgr[16:], frames[1].image_bgr[16:])  # it moves
    with pytest.raises(UsageError, match="scene must be one of gradient, colours, not 'sea'"):
        open_source("synthetic://?scene=sea")


def test_synthetic_is_live_at_30_unless_told() -> None:
    source = open_source("synthetic://")
    assert (source.live, source.fps, source.size_wh) == (True, 30.0, (640, 480))
    source = open_source("synthetic://?fps=5", fps=60, size_wh=(64, 64))
    assert (source.fps, source.size_wh) == (60, (64, 64))


class FakeClock:
    """A clock that only sleeping and working move, and that wakes a little late."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now_ns = 10**12
        self.late_s = late_s

    def __call__(self) -> int:
        return self.now_ns

    def work(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def sleep(self, seconds: float) -> bool:
        self.work(seconds + self.late_s)
        return False


def test_pacing_does_not_drift() -> None:
    clock = FakeClock(late_s=0.001)
    pacer = Pacer(100, clock_ns=clock, sleep=clock.sleep)
    started = clock()
    for index in range(100):
        assert pacer.wait()
        # neither the work within a period nor a late wake adds to it
        assert 0 <= (clock() - started) / 1e9 - index * 0.01 < 0.0011
        clock.work(0.004)


def test_pacing_keeps_its_grid_after_a_stall_and_makes_no_burst() -> None:
    clock = FakeClock()
    pacer = Pacer(50, clock_ns=clock, sleep=clock.sleep)
    pacer.wait()
    started = clock()
    clock.work(0.13)
    times = []
    for _ in range(4):
        pacer.wait()
        times.append(round((clock() - started) / 1e6))
    assert times == [140, 160, 180, 200]


def test_pacing_waits_in_earnest() -> None:
    pacer = Pacer(50)
    started = time.monotonic()
    for _ in range(6):
        pacer.wait()
    assert time.monotonic() - started > 0.099  # 5 periods of 20 ms: late is possible on a loaded machine, early is not


class Hanging:
    """A capture whose `grab` and `read` hang until they may go on, as with a driver or a network share."""

    def __init__(self) -> None:
        self.inside, self.go_on, self.released = threading.Event(), threading.Event(), threading.Event()

    def get(self, _: int) -> float:
        return 0.0

    def grab(self) -> bool:
        self.inside.set()
        self.go_on.wait(60)
        return False

    def read(self) -> tuple[bool, None]:
        return self.grab(), None

    def release(self) -> None:
        self.released.set()


@pytest.mark.parametrize("kind", ["camera", "video"])
def test_close_leaves_a_read_that_hangs_and_the_read_releases(
    kind: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "CLOSE_S", 0.1)
    monkeypatch.setattr(video, "CLOSE_S", 0.1)
    hanging = Hanging()
    source: CameraSource | VideoSource
    if kind == "camera":
        source = CameraSource("0", hanging)  # type: ignore[arg-type]
    else:
        source = VideoSource(clip)
        source._capture = hanging  # type: ignore[assignment]
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(source.read()), daemon=True)
    thread.start()
    assert hanging.inside.wait(60)
    source.close()
    assert not hanging.released.is_set()
    hanging.go_on.set()
    thread.join(60)
    assert hanging.released.is_set() and answers == [None]


def test_a_damaged_picture_is_counted_and_its_decoder_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    whole = cv2.imencode(".png", noise)[1].tobytes()
    (tmp_path / "a.png").write_bytes(whole[:3000] + b"zzzz" + whole[3004:])
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "b.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    cv2.imwrite(str(tmp_path / "c.png"), noise)
    assert "c.png" in [frame.name for frame in drain(open_source(str(tmp_path)))]
    assert capfd.readouterr().err == ""


def test_close_wakes_a_paced_read() -> None:
    source = open_source("synthetic://?fps=0.01")
    assert source.read() is not None
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(source.read()), daemon=True)
    thread.start()
    time.sleep(0.05)
    source.close()
    thread.join(5)
    assert answers == [None]


def test_a_capture_is_read_as_a_camera(clip: Path) -> None:
    # the part of a camera that works without one: a real capture, and its end as a camera's failure
    source = CameraSource("/dev/video0", cv2.VideoCapture(str(clip)))
    assert (source.live, source.fps, source.size_wh) == (True, 25.0, (320, 240))
    before = time.monotonic_ns()
    frames = [source.read() for _ in range(20)]
    assert [read_number(f.image_bgr) for f in frames if f] == list(range(20))
    assert all(f is not None and before <= f.captured_ns <= time.monotonic_ns() for f in frames)
    with pytest.raises(SourceError, match=r"/dev/video0 stopped delivering after 20 frames"):
        source.read()
    source.close()
    source.close()
    assert source.read() is None


@pytest.mark.skipif(not Path("/dev").is_dir() or Path("/dev/video99").exists(), reason="needs Linux without camera 99")
@pytest.mark.parametrize("uri", ["99", "/dev/video99"])
def test_camera_99_is_one_line_that_lists_cameras(uri: str) -> None:
    with pytest.raises(SourceError, match="there is no camera /dev/video99; th") as caught:
        open_source(uri)
    assert "/dev/video" in str(caught.value).partition(";")[2]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "options", "message"),
    [
        ("nothing.mp4", {}, "there is no 'nothing.mp4'"),
        ("", {}, "there is no ''"),
        ("x" * 300, {}, "..."),
        ("x" * 300 + ".png", {}, "..."),
        ("x" * 300 + "/a.png", {}, "..."),
        ("a\0b.png", {}, "a\\x00b.png"),
        ("~nobody-of-that-name/x.png", {}, "there is no '~nobody"),
        ("/dev/video" + "x" * 300, {}, "camera"),
        ("9" * 5000, {}, "camera"),
        ("http://[::1", {}, "the source http://[::1 is no valid URL"),
        ("rtsp://[::1", {}, "the source rtsp://[::1 is no valid URL"),
        ("http://127.0.0.1:99999/", {}, "cannot reach http://127.0.0.1:99999/"),
        ("ftp://host/x", {}, "no source is called ftp://"),
        ("synthetic://?speed=3", {}, "unknown option 'speed'; known are fps, size, frames"),
        ("synthetic://?fps=1&fps=2", {}, "given twice"),
        ("synthetic://?fps=fast", {}, "fps must be a number, not 'fast'"),
        ("synthetic://?fps=nan", {}, "fps must be a number"),
        ("synthetic://?fps=-3", {}, "above 0"),
        ("synthetic://?fps=1e9", {}, "at most 1000"),
        ("synthetic://?size=640", {}, "WIDTHxHEIGHT"),
        ("synthetic://?size=8x8", {}, "at least 48x16"),
        ("synthetic://?frames=1.5", {}, "whole number"),
        ("synthetic://x", {}, "options only"),
        ("dataset://", {}, "name a set"),
        ("dataset://x?split=all", {}, "split must be one of"),
        ("0", {"loop": True}, "--loop does nothing"),
        ("http://127.0.0.1:1/", {"fps": 5.0}, "--fps does nothing"),
        ("clip.mp4", {"size_wh": (10, 10)}, "--size does nothing"),
        ("rtsp://127.0.0.1:1/", {"loop": True}, "--loop does nothing"),
        ("synthetic://", {"fps": 0.0}, "above 0"),
    ],
)
def test_a_wrong_uri_or_option_is_one_clear_line(uri: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(OnsightError) as caught:
        open_source(uri, **options)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_video_is_named(clip: Path) -> None:
    clip.chmod(0)
    with pytest.raises(SourceError, match="permission"):
        open_source(str(clip))


def test_sizes_and_passwords() -> None:
    assert parse_size("640X480") == (640, 480)
    for wrong in ("640", "0x5", "5x0", "-1x5", "axb", "99999x1", "1x2x3"):
        with pytest.raises(UsageError):
            parse_size(wrong)
    assert without_password("http://a:b@h:80/x?y") == "http://a:***@h:80/x?y"
    assert without_password("http://h/x") == "http://h/x"
    with pytest.raises(UsageError) as caught:
        without_password("http://me:secret@[::1")
    assert "secret" not in str(caught.value)
