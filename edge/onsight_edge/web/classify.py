"""POST /api/image: classifies a picture that a client sends, with a runtime of its own, never the loop's."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from concurrent.futures import Executor
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from onsight_edge.classifier import Classifier
from onsight_edge.control import Control
from onsight_edge.errors import DataError, OnsightError
from onsight_edge.images import decode_image
from onsight_edge.quiet import quiet_stderr
from onsight_edge.sources.jpeg import read_header
from onsight_edge.web.answers import ApiError, answer, refused
from onsight_edge.web.guard import MOST_BODY
from onsight_edge.web.public import public_text

MOST_PIXELS = 24_000_000  # 72 MB decoded; a small file may claim much more
_MOST_WAITING = 4
_PNG = b"\x89PNG\r\n\x1a\n"


class ImageClassifier:
    """Answers `POST /api/image`, one picture after the other."""

    def __init__(self, control: Control, executor: Executor) -> None:
        """Classify with what `control` holds: the runtime is opened when the first picture comes."""
        self._control, self._executor = control, executor
        self._waiting = 0
        self._own: Classifier | None = None
        self._of: Classifier | None = None
        self._lock = threading.Lock()

    async def post(self, request: Request) -> Response:
        """`POST /api/image`."""
        if self._waiting >= _MOST_WAITING:
            raise ApiError(503, "busy", "other pictures are being classified: try again", {"Retry-After": "1"})
        self._waiting += 1
        try:
            data = await _picture_bytes(request)
            loop = asyncio.get_running_loop()
            return answer(await loop.run_in_executor(self._executor, self._classify, data))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Free the runtime."""
        with self._lock:
            if self._own is not None:
                self._own.close()
            self._own = self._of = None

    def _classify(self, data: bytes) -> dict[str, Any]:
        check_size(data)
        began = time.perf_counter_ns()
        try:
            with quiet_stderr():  # libjpeg and libpng tell of damage in lines of their own
                image = decode_image(data)
        except DataError as error:
            raise ApiError(400, "bad-picture", f"the picture {error}") from error
        decoded = time.perf_counter_ns()
        try:
            with self._lock:
                classifier = self._current()
                prediction, timings = classifier.classify_timed(image)
        except OnsightError as error:
            raise refused(error, 500, "classifier", public_text(str(error))) from error
        return {
            "result": {
                "classification": {
                    name: round(float(score), 6)
                    for name, score in zip(prediction.classes, prediction.scores, strict=True)
                },
                "label": prediction.label,
                "score": round(prediction.score, 6),
            },
            "timing": {
                "decode": (decoded - began) / 1e6,
                "dsp": timings.preprocess_ns / 1e6,
                "classification": timings.inference_ns / 1e6,
                "postprocess": timings.postprocess_ns / 1e6,
                "anomaly": 0,
            },
            "image": {"width": image.shape[1], "height": image.shape[0]},
        }

    def _current(self) -> Classifier:
        of = self._control.judge.classifier
        if self._own is None or self._of is None or of.backend is not self._of.backend:
            if self._own is not None:
                self._own.close()
            self._own = of.twin()
        elif of is not self._of:  # another threshold
            self._own = self._own.with_spec(of.spec)
        self._of = of
        return self._own


def check_size(data: bytes) -> None:
    """Look at a picture's header before anything is decoded.

    Raises:
        ApiError: neither JPEG nor PNG, damaged, or of too many pixels.
    """
    if data.startswith(_PNG):
        size_wh = struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" and len(data) >= 24 else None
    elif data.startswith(b"\xff\xd8"):
        header = read_header(data)
        size_wh = None if header is None else header.size_wh
    else:
        raise ApiError(415, "not-a-picture", "expected a JPEG or a PNG, as the body or as a file in a form")
    if size_wh is None or 0 in size_wh:
        raise ApiError(400, "bad-picture", "the picture is damaged: its header gives no size")
    if size_wh[0] * size_wh[1] > MOST_PIXELS:
        raise ApiError(
            413,
            "too-many-pixels",
            f"the picture has {size_wh[0]}x{size_wh[1]} pixels; at most {MOST_PIXELS // 1_000_000} million are taken",
        )


class _InMemory(MultiPartParser):
    """Writes nothing to disk: the body is bounded."""

    spool_max_size = 2 * MOST_BODY


async def _picture_bytes(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await request.body()
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=8, max_part_size=1024).parse()
    except (MultiPartException, FormParserError) as error:
        raise ApiError(400, "bad-form", "the form cannot be read") from error
    for value in form.values():
        if not isinstance(value, str):
            return await value.read()
    raise ApiError(400, "no-file", "the form holds no file: expected one, called file")
