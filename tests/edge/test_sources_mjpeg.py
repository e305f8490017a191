"""MJPEG over HTTP, from a real server on loopback that may tear, hang and hang up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame
from onsight_edge.sources import open_source
from onsight_edge.sources.mjpeg import MjpegSource
from onsight_edge.sources.multipart import MultipartParser, boundary_of
from onsight_edge.sources.source import Reducible
from onsight_edge.sources.synthetic import SyntheticSource, read_number

Answer = Callable[[BaseHTTPRequestHandler], None]


def jpegs(count: int) -> list[bytes]:
    source = SyntheticSource(None, (320, 240), count)
    encoded = []
    while (frame := source.read()) is not None:
        encoded.append(cv2.imencode(".jpg", frame.image_bgr)[1].tobytes())
    return encoded


def part(body: bytes, *, length: bool = True) -> bytes:
    header = f"Content-Length: {len(body)}\r\n" if length else ""
    return b"--frame\r\nContent-Type: image/jpeg\r\n" + header.encode() + b"\r\n" + body + b"\r\n"


def begin(handler: BaseHTTPRequestHandler, kind: str = "multipart/x-mixed-replace; boundary=frame") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.end_headers()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], str]]:
    """Starts a server whose every request is answered by the function given; returns its URL."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    return

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/stream"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def until_error(source: MjpegSource) -> tuple[list[Frame], str]:
    frames: list[Frame] = []
    try:
        while (frame := source.read()) is not None:
            frames.append(frame)
    except SourceError as error:
        return frames, str(error)
    finally:
        source.close()
    return frames, ""


@pytest.mark.parametrize("length", [True, False])
def test_frames_come_in_order_and_torn_ones_are_counted(serve: Callable[[Answer], str], length: bool) -> None:
    pictures = jpegs(4)
    taken = threading.Semaphore(0)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        for bodies in (pictures[:1], [pictures[1][:1500], b"no picture", pictures[2]], [b"", pictures[3]]):
            for body in bodies:
                handler.wfile.write(part(body, length=length))
            if not length:
                handler.wfile.write(b"--frame\r\n\r\n")  # else nobody knows that the part before it is whole
            taken.acquire(timeout=20)

    source = MjpegSource(serve(answer))
    frames = []
    for _ in range(3):
        frames.append(source.read())
        taken.release()
    _, error = until_error(source)
    assert [read_number(f.image_bgr) for f in frames if f] == [0, 2, 3]
    assert source.health.skipped == (3 if length else 5)  # with the empty parts that this test puts in
    assert source.live and source.fps is None and source.size_wh == (320, 240)
    assert "the server ended the stream" in error and "\n" not in error


def test_of_several_that_wait_only_the_newest_is_decoded(serve: Callable[[Answer], str]) -> None:
    pictures = jpegs(6)
    sent, go_on = threading.Event(), threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        waiting = [*pictures[:2], pictures[2][:900], *pictures[3:5], pictures[5][:900]]
        handler.wfile.write(b"".join(part(body) for body in waiting))
        sent.set()
        go_on.wait(20)
        handler.wfile.write(part(pictures[5]))

    source = MjpegSource(serve(answer))
    assert sent.wait(20)
    time.sleep(0.2)  # all of it is in the socket's buffer now
    first = source.read()
    assert first is not None and (read_number(first.image_bgr), first.index) == (4, 4)
    assert source.health.skipped == 2  # the torn one behind it, and the one among those that were overtaken
    go_on.set()
    second = source.read()
    assert second is not None and (read_number(second.image_bgr), second.index) == (5, 6)
    source.close()


def test_a_server_that_never_pauses_cannot_keep_a_picture_from_being_decoded(serve: Callable[[Answer], str]) -> None:
    block = b"".join(part(body) for body in jpegs(8))

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        while True:
            handler.wfile.write(block)

    source = MjpegSource(serve(answer))
    indices = [frame.index for frame in (source.read() for _ in range(3)) if frame]
    source.close()
    assert len(indices) == 3 and indices == sorted(set(indices))


@pytest.mark.parametrize("chunked", [True, False])
def test_a_server_that_stops_is_one_line(serve: Callable[[Answer], str], chunked: bool) -> None:
    picture = jpegs(1)[0]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = part(picture) + part(picture)[:400]
        if chunked:
            handler.protocol_version = "HTTP/1.1"
            handler.send_response(200)
            handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"%x\r\n" % len(body) + body + b"\r\n" + b"1000\r\ncut")
            handler.close_connection = True
        else:
            begin(handler)
            handler.wfile.write(body)

    frames, error = until_error(MjpegSource(serve(answer)))
    assert [read_number(frame.image_bgr) for frame in frames] == [0]
    assert "failed after 1 pictures" in error and "\n" not in error


def test_pictures_are_reduced_as_asked_and_whole_when_wanted(serve: Callable[[Answer], str]) -> None:
    picture = jpegs(1)[0]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.write(part(picture))

    source = MjpegSource(serve(answer))
    assert isinstance(source, Reducible)
    source.reduction = lambda size_wh: 4 if size_wh == (320, 240) else 1
    frame = source.read()
    source.close()
    assert frame is not None and frame.image_bgr.shape == (60, 80, 3)
    assert frame.picture().shape == (240, 320, 3) and read_number(frame.picture()) == 0
    assert source.size_wh == (320, 240)


def test_a_silent_stream_times_out(serve: Callable[[Answer], str]) -> None:
    release = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.flush()
        release.wait(20)

    started = time.monotonic()
    _, error = until_error(MjpegSource(serve(answer), timeout_s=0.2))
    release.set()
    assert "timed out" in error
    assert time.monotonic() - started < 10


def test_close_ends_a_read_that_waits(serve: Callable[[Answer], str]) -> None:
    release = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.flush()
        release.wait(20)

    source = MjpegSource(serve(answer), timeout_s=30)
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(source.read()), daemon=True)
    thread.start()
    time.sleep(0.1)
    source.close()
    thread.join(5)
    release.set()
    assert answers == [None]


def test_not_found_and_not_mjpeg_say_what_was_expected(serve: Callable[[Answer], str]) -> None:
    url = serve(lambda handler: handler.send_error(404))
    with pytest.raises(SourceError, match="answers 404 Not Found"):
        open_source(url)
    url = serve(lambda handler: begin(handler, "text/html"))
    with pytest.raises(SourceError, match="answers text/html; expected an MJPEG stream"):
        open_source(url)
    with pytest.raises(SourceError, match=r"cannot reach http://127\.0\.0\.1:9/: Connection refused"):
        open_source("http://127.0.0.1:9/")
    with pytest.raises(SourceError, match="cannot reach http://:"):
        open_source("http://:bad")


def test_a_login_is_sent_and_never_shown(serve: Callable[[Answer], str]) -> None:
    seen = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("Authorization"))
        handler.send_error(401)

    url = serve(answer).replace("http://", "http://me:p%40ss@")
    with pytest.raises(SourceError, match=r"me:\*\*\*@.* answers 401") as caught:
        open_source(url)
    assert "p%40ss" not in str(caught.value) and "p@ss" not in str(caught.value)
    assert seen == ["Basic bWU6cEBzcw=="]


def test_a_login_goes_to_no_other_host(serve: Callable[[Answer], str]) -> None:
    seen: list[tuple[str, str | None]] = []

    def stranger(handler: BaseHTTPRequestHandler) -> None:
        seen.append(("stranger", handler.headers.get("Authorization")))
        handler.send_error(404)

    elsewhere = serve(stranger)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, handler.headers.get("Authorization")))
        handler.send_response(302)
        handler.send_header("Location", "/moved" if handler.path == "/stream" else elsewhere)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    url = serve(answer).replace("http://", "http://me:pass@")
    with pytest.raises(SourceError, match="404"):
        open_source(url)
    assert seen == [("/stream", "Basic bWU6cGFzcw=="), ("/moved", "Basic bWU6cGFzcw=="), ("stranger", None)]


def test_a_stream_of_damaged_parts_only_is_given_up(serve: Callable[[Answer], str]) -> None:
    torn = part(jpegs(1)[0][:1500])

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        while True:
            handler.wfile.write(torn)
            time.sleep(0.01)

    source = MjpegSource(serve(answer), timeout_s=0.3)
    frames, error = until_error(source)
    assert frames == [] and source.health.skipped > 0
    assert "no whole JPEG for 0.3 s" in error and "\n" not in error


# what a body without Content-Length cannot hold
BODY = st.binary(max_size=60).filter(lambda b: b"--frame" not in b and not b.endswith((b"\r", b"\n")))


@settings(deadline=None)
@given(st.lists(st.tuples(BODY, st.booleans()), max_size=6), st.data())
def test_parts_are_found_however_the_stream_is_chopped(parts: list[tuple[bytes, bool]], data: st.DataObject) -> None:
    stream = b"preamble\r\n" + b"".join(part(body, length=length) for body, length in parts) + b"--frame--\r\n"
    parser = MultipartParser(b"frame")
    found: list[bytes] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += parser.feed(stream[:cut])
        stream = stream[cut:]
    assert found == [body for body, _ in parts]


@pytest.mark.parametrize("boundary", ["frame", "--frame", "----frame", "-"])
@pytest.mark.parametrize("length", [True, False])
def test_a_boundary_may_begin_with_dashes_of_its_own(boundary: str, length: bool) -> None:
    """RFC 2046 puts two dashes before whatever the header names; some cameras put none before one that has them."""
    named = boundary_of(f"multipart/x-mixed-replace; boundary={boundary}")
    assert named is not None
    delimiters = {"--" + boundary, boundary} if boundary.startswith("--") else {"--" + boundary}
    for delimiter in delimiters:
        header = b"\r\nContent-Type: image/jpeg\r\n" + (b"Content-Length: 4\r\n" if length else b"") + b"\r\n"
        stream = (delimiter.encode() + header + b"BODY\r\n") * 3 + delimiter.encode() + b"--\r\n"
        for size in (1, 7, 1000):
            parser = MultipartParser(named)
            found = [body for at in range(0, len(stream), size) for body in parser.feed(stream[at : at + size])]
            assert found == [b"BODY"] * 3, (delimiter, size)


def test_bare_newlines_and_quoted_boundaries_are_taken() -> None:
    assert MultipartParser(b"b").feed(b"--b\nContent-Type: x\n\nBODY\n--b\n") == [b"BODY"]
    assert boundary_of('multipart/x-mixed-replace; boundary="--my b"') == b"my b"
    assert boundary_of("Multipart/x-mixed-replace;boundary=abc; x=1") == b"abc"
    assert boundary_of("image/jpeg") is None
    assert boundary_of("multipart/x-mixed-replace") is None


def test_a_stream_without_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="announces"):
        MultipartParser(b"b").feed(b"--b\r\nContent-Length: 99999999999\r\n\r\n")
    with pytest.raises(ValueError, match="header"):
        MultipartParser(b"b").feed(b"--b\r\n" + b"x" * 70000)
    parser = MultipartParser(b"b")
    for _ in range(50):  # no delimiter at all: nothing is kept
        assert parser.feed(b"z" * 100_000) == []
    assert len(parser._buffer) < 1000


def test_a_picture_of_another_size_is_followed(serve: Callable[[Answer], str]) -> None:
    small = cv2.imencode(".jpg", np.zeros((48, 64), np.uint8))[1].tobytes()  # and grey
    taken = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.write(part(jpegs(1)[0]))
        taken.wait(20)
        handler.wfile.write(part(small))

    source = MjpegSource(serve(answer))
    first = source.read()
    taken.set()
    frames, _ = until_error(source)
    assert first is not None and first.image_bgr.shape == (240, 320, 3)
    assert [f.image_bgr.shape for f in frames] == [(48, 64, 3)]
    assert source.size_wh == (64, 48)
