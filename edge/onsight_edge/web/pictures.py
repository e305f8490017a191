"""The newest picture as a JPEG: made only while somebody wants it, once for all who do, and at a limited rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import DataError
from onsight_edge.frame import Frame, Result
from onsight_edge.overlay import draw, draw_lost
from onsight_edge.web.hub import Hub

MOST_FPS = 15
BOUNDARY = "onsight-frame"
_STREAM_WH = (960, 960)  # a stream's pictures are not larger: a phone shows no more, and a large one costs much
_AGAIN_S = 5.0
_STREAM_QUALITY, _SNAPSHOT_QUALITY = 80, 95
_SHARE_OF_TIME = 0.25  # encoding takes no more of one core
# pictures kept of those that were shown, so that what was seen can be collected: of the stream and of snapshots
_SHOWN, _SNAPPED, _KEPT_BYTES = 64, 8, 32 * 2**20


@dataclass(frozen=True, slots=True)
class Shot:
    """An encoded picture.

    Attributes:
        jpeg: the file.
        frame: the index of its frame.
        captured_ns: `time.monotonic_ns()` when that arrived.
    """

    jpeg: bytes
    frame: int
    captured_ns: int


class Pictures:
    """Encodes in the executor's thread; called from the server's loop."""

    def __init__(self, hub: Hub, executor: Executor) -> None:
        self._hub, self._executor = hub, executor
        self._shots: dict[bool, asyncio.Task[Shot | None]] = {}
        self._made_of: dict[bool, tuple[Result | None, str | None]] = {}
        self._next_at: dict[bool, float] = {}
        self._shown: dict[int, Frame] = {}
        self._snapped: dict[int, Frame] = {}

    async def snapshot(self, *, plain: bool) -> Shot | None:
        """The newest picture at its own size; None before the first, and of one that cannot be decoded."""
        result = self._hub.newest
        if result is None:
            return None
        _keep(self._snapped, result.frame, _SNAPPED)  # whoever holds it may want to collect it
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, _encode, result, self._hub.lost, plain, None, _SNAPSHOT_QUALITY
        )

    async def stream(self, *, plain: bool, fps: int = MOST_FPS) -> AsyncIterator[bytes]:
        """Parts of a multipart/x-mixed-replace answer, from the newest picture each, until the run ends.

        A reader that is slow gets fewer pictures and no older ones. While nothing new comes the last one is sent again
        every few seconds, so that a client that has gone is noticed.
        """
        yield f"--{BOUNDARY}\r\n".encode()
        sent: Shot | None = None
        sent_at = 0.0
        while not self._hub.closed:
            seen = self._hub.newest
            shot = await self._shot(plain)
            now = time.monotonic()
            if shot is None or (shot is sent and now - sent_at < _AGAIN_S):
                await self._hub.changed(seen)
                continue
            age_ms = (time.monotonic_ns() - shot.captured_ns) / 1e6
            head = (
                f"Content-Type: image/jpeg\r\nContent-Length: {len(shot.jpeg)}\r\n"
                f"X-Frame: {shot.frame}\r\nX-Age-Ms: {age_ms:.1f}\r\n\r\n"
            )
            # with the next part's boundary, since browsers show a part only once it has ended
            yield head.encode() + shot.jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
            sent, sent_at = shot, now
            await asyncio.sleep(max(0.0, now + 1 / fps - time.monotonic()))

    def shown(self, index: int) -> Frame | None:
        """The frame of that index, if it was shown in the last seconds, is one of the last snapshots, or the newest."""
        newest = self._hub.newest
        if newest is not None and newest.frame.index == index:
            return newest.frame
        return self._shown.get(index) or self._snapped.get(index)

    async def _shot(self, plain: bool) -> Shot | None:
        """The stream's newest picture, one for all watchers; waits where it is too soon for another."""
        now = (self._hub.newest, self._hub.lost)
        task = self._shots.get(plain)
        if now[0] is None:
            return None
        if task is None or (task.done() and self._made_of[plain] != now):
            task = self._shots[plain] = asyncio.create_task(self._make(plain))
        return await asyncio.shield(task)

    async def _make(self, plain: bool) -> Shot | None:
        await asyncio.sleep(self._next_at.get(plain, 0.0) - time.monotonic())
        result, lost = self._hub.newest, self._hub.lost
        assert result is not None  # there was one, and there is never none again
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        shot = await loop.run_in_executor(self._executor, _encode, result, lost, plain, _STREAM_WH, _STREAM_QUALITY)
        took = time.monotonic() - began
        self._made_of[plain] = (result, lost)
        self._next_at[plain] = began + max(1 / MOST_FPS, took / _SHARE_OF_TIME)
        _keep(self._shown, result.frame, _SHOWN)
        return shot


def _keep(kept: dict[int, Frame], frame: Frame, most: int) -> None:
    kept[frame.index] = frame
    while len(kept) > 1 and (len(kept) > most or sum(one.image_bgr.nbytes for one in kept.values()) > _KEPT_BYTES):
        del kept[next(iter(kept))]


def _encode(
    result: Result, lost: str | None, plain: bool, most_wh: tuple[int, int] | None, quality: int
) -> Shot | None:
    try:
        image = result.frame.picture()
    except DataError:
        return None
    if most_wh is not None:
        image = _within(image, most_wh)
    if lost is not None:
        image = draw_lost(image, lost)
    elif not plain:
        image = draw(image, result)
    return Shot(jpeg_bytes(image, quality), result.frame.index, result.frame.captured_ns)


def jpeg_bytes(image_bgr: NDArray[np.uint8], quality: int) -> bytes:
    """A picture, (H, W, 3) uint8 BGR, as a JPEG of a quality 0..100."""
    _, encoded = cv2.imencode(".jpg", image_bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return encoded.tobytes()


def _within(image: NDArray[np.uint8], most_wh: tuple[int, int]) -> NDArray[np.uint8]:
    scale = min(most_wh[0] / image.shape[1], most_wh[1] / image.shape[0])
    if scale >= 1:
        return image
    size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
