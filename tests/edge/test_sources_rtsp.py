"""RTSP through OpenCV's FFmpeg, from a real server on loopback.

It speaks RTSP (RFC 2326) and sends JPEGs as RTP (RFC 2435) within the RTSP connection (10.12 of the former).
"""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from onsight_edge.errors import SourceError
from onsight_edge.frame import Frame
from onsight_edge.sources.recovering import RecoveringSource
from onsight_edge.sources.rtsp import open_rtsp
from onsight_edge.sources.synthetic import SyntheticSource, read_number

SIZE = (320, 240)
Show = Callable[[NDArray[np.uint8]], None]
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track0\r\n"
_PIECE = 1400


class RtspServer:
    """Calls `play` in a thread for each client, with a function that sends it a picture (H, W, 3), sides of 16 n.

    Attributes:
        requests: the method and, of SETUP, the transport of each request.
    """

    def __init__(self, play: Callable[[Show], None], port: int = 0) -> None:
        """Listen on loopback."""
        self.requests: list[str] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    outer._talk(self, play)
                except OSError:
                    return  # the client hung up

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """Where the stream is."""
        return f"rtsp://127.0.0.1:{self.port}/stream"

    def close(self) -> None:
        """Listen no longer; the connections end with `play`."""
        self._server.shutdown()
        self._server.server_close()

    def _talk(self, handler: socketserver.StreamRequestHandler, play: Callable[[Show], None]) -> None:
        writing = threading.Lock()
        while line := handler.rfile.readline():
            if line.startswith(b"$"):  # a report of the receiver
                more = handler.rfile.read(4 - len(line)) if len(line) < 4 else b""
                (length,) = struct.unpack(">H", (line + more)[2:4])
                handler.rfile.read(max(0, length - max(0, len(line) - 4)))
                continue
            method, url = line.decode().split()[:2]
            headers = {}
            while field := handler.rfile.readline().strip():
                name, _, value = field.decode().partition(":")
                headers[name.lower()] = value.strip()
            transport = headers.get("transport", "")
            self.requests.append(f"{method} {transport}".strip())
            status, extra, body = "200 OK", "", ""
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = _SDP
                extra = f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP" and "TCP" not in transport:
                status = "461 Unsupported Transport"
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            elif method == "PLAY":
                extra = "Session: 1\r\n"
            answer = f"RTSP/1.0 {status}\r\nCSeq: {headers.get('cseq', '0')}\r\n{extra}\r\n{body}"
            with writing:
                handler.wfile.write(answer.encode())
            if method == "PLAY":
                threading.Thread(target=self._play, args=(handler, play, writing), daemon=True).start()
            elif method == "TEARDOWN":
                return

    @staticmethod
    def _play(
        handler: socketserver.StreamRequestHandler, play: Callable[[Show], None], writing: threading.Lock
    ) -> None:
        state = [0, 0]

        def show(picture: NDArray[np.uint8]) -> None:
            with writing:
                handler.wfile.write(_packets(picture, state))

        try:
            play(show)
            handler.connection.close()
        except (OSError, ValueError):
            return


def _packets(picture: NDArray[np.uint8], state: list[int]) -> bytes:
    """A picture's RTP packets, framed; `state` holds the next packet's number and the picture's time at 90 kHz."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    tables, at = b"", 2
    while jpeg[at + 1] != 0xDA:
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] == 0xDB:
            tables += jpeg[at + 5 : at + 2 + length]
        at += 2 + length
    scan = jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") : -2]
    out = b""
    for offset in range(0, len(scan), _PIECE):
        last = offset + _PIECE >= len(scan)
        payload = struct.pack(">II", offset, 0x01FF0000 | picture.shape[1] // 8 << 8 | picture.shape[0] // 8)
        if offset == 0:
            payload += struct.pack(">HH", 0, len(tables)) + tables
        payload += scan[offset : offset + _PIECE]
        packet = struct.pack(">BBHII", 0x80, 26 | last << 7, state[0] & 0xFFFF, state[1], 1) + payload
        out += struct.pack(">BBH", ord("$"), 0, len(packet)) + packet
        state[0] += 1
    state[1] += 3000
    return out


class Playing:
    """Numbered frames at 30 fps, and when each was sent."""

    def __init__(self, frames: int | None = None) -> None:
        self.sent_ns: dict[int, int] = {}
        self.go_on = threading.Event()
        self.go_on.set()
        self.over = threading.Event()
        self._frames = frames

    def __call__(self, show: Show) -> None:
        source = SyntheticSource(30, SIZE, self._frames)
        while (frame := source.read()) is not None and not self.over.is_set():
            self.go_on.wait(20)
            self.sent_ns[frame.index] = time.monotonic_ns()
            show(frame.image_bgr)

    def age_ms(self, frame: Frame) -> float:
        """How long ago the picture was sent."""
        return (time.monotonic_ns() - self.sent_ns[read_number(frame.image_bgr)]) / 1e6


@pytest.fixture
def serve() -> Iterator[Callable[[Playing], RtspServer]]:
    servers: list[RtspServer] = []
    playings: list[Playing] = []

    def start(playing: Playing, port: int = 0) -> RtspServer:
        servers.append(RtspServer(playing, port))
        playings.append(playing)
        return servers[-1]

    yield start
    for playing in playings:
        playing.over.set()
    for server in servers:
        server.close()


def test_frames_come_over_tcp_in_order_and_none_waited(serve: Callable[[Playing], RtspServer]) -> None:
    playing = Playing()
    server = serve(playing)
    source = open_rtsp(server.url)
    assert source.live and source.size_wh == SIZE
    frames, ages = [], []
    for _ in range(10):
        frame = source.read()
        assert frame is not None and frame.image_bgr.shape == (240, 320, 3) and frame.image_bgr.dtype == np.uint8
        frames.append(frame)
        ages.append(playing.age_ms(frame))
    numbers = [read_number(frame.image_bgr) for frame in frames]
    assert numbers == sorted(set(numbers))
    # while it opened the stream OpenCV gathered most of a second of it
    assert sorted(ages)[5] < 300
    source.close()
    assert source.read() is None
    assert [request for request in server.requests if "TCP" in request] and "PLAY" in server.requests


def test_what_waits_after_a_pause_is_passed_over(serve: Callable[[Playing], RtspServer]) -> None:
    playing = Playing()
    source = open_rtsp(serve(playing).url)
    before = source.read()
    time.sleep(1.5)  # as when the device is put to sleep
    after = source.read()
    source.close()
    assert before is not None and after is not None
    assert read_number(after.image_bgr) - read_number(before.image_bgr) >= 30
    assert playing.age_ms(after) < 500
    assert after.index - before.index >= 20  # they are numbered


@pytest.mark.slow
def test_a_stream_that_stops_is_lost_after_2_s_and_comes_back(serve: Callable[..., RtspServer]) -> None:
    playing = Playing()
    server = serve(playing)
    source = RecoveringSource(lambda: open_rtsp(server.url))
    kinds: list[str] = []
    source.on_notice = lambda notice: kinds.append(notice.kind)
    assert source.read() is not None
    playing.over.set()
    server.close()
    again = Playing()
    threading.Timer(1.0, serve, (again, server.port)).start()
    deadline = time.monotonic() + 30
    while "source-back" not in kinds and time.monotonic() < deadline:
        frame = source.read()
    source.close()
    assert kinds == ["source-lost", "source-back"] and source.health.reopened == 1
    assert frame is not None and frame.image_bgr.shape == (240, 320, 3)


@pytest.mark.slow
def test_a_silent_stream_is_an_error_within_seconds(serve: Callable[[Playing], RtspServer]) -> None:
    playing = Playing()
    source = open_rtsp(serve(playing).url)
    assert source.read() is not None
    playing.go_on.clear()
    began = time.monotonic()
    with pytest.raises(SourceError, match="stopped delivering after"):
        for _ in range(200):
            source.read()
    playing.go_on.set()
    assert time.monotonic() - began < 20
    source.close()


def test_nobody_there_is_one_line_without_the_password() -> None:
    with pytest.raises(SourceError, match=r"cannot open rtsp://me:\*\*\*@127\.0\.0\.1:9/x: no video") as caught:
        open_rtsp("rtsp://me:secret@127.0.0.1:9/x")
    assert "secret" not in str(caught.value)
