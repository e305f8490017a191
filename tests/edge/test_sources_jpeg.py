"""JPEGs: their size from their header, reduced decoding, and damage."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from onsight_edge.sources import jpeg as jpeg_module
from onsight_edge.sources.jpeg import MOST_PIXELS, JpegDecoder, JpegHeader, read_header
from onsight_edge.sources.source import Health


@pytest.fixture(autouse=True, params=["opencv", "simplejpeg"])
def decoding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without the binding, which need not be installed."""
    if request.param == "simplejpeg":
        pytest.importorskip("simplejpeg")
        assert jpeg_module._binding() is not None
    else:
        monkeypatch.setattr(jpeg_module, "_binding", lambda: None)


def picture(width: int, height: int, channels: int = 3) -> NDArray[np.uint8]:
    """Smooth, so that a JPEG of it is close to it."""
    small = np.random.default_rng(3).integers(0, 256, (4, 5, channels), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def jpeg(image: NDArray[np.uint8], *parameters: int) -> bytes:
    return cv2.imencode(".jpg", image, list(parameters))[1].tobytes()


def with_orientation(data: bytes, orientation: int, order: str = "little") -> bytes:
    mark, short = (b"II*\0", "little") if order == "little" else (b"MM\0*", "big")

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, short)  # type: ignore[arg-type]

    entries = number(0x010F, 2) + number(2, 2) + number(4, 4) + b"abc\0"  # the maker comes before it
    entries += number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + b"\0\0"
    tiff = mark + number(8, 4) + number(2, 2) + entries + number(0, 4)
    segment = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


@pytest.mark.parametrize("by", [1, 2, 4, 8])
@pytest.mark.parametrize("size_wh", [(640, 480), (641, 479), (50, 33)])
def test_a_picture_is_decoded_reduced_and_in_full_when_asked(by: int, size_wh: tuple[int, int]) -> None:
    image = picture(*size_wh)
    data = jpeg(image)
    decoder = JpegDecoder(Health())
    asked = []
    decoder.reduction = lambda size: asked.append(size) or by  # type: ignore[func-returns-value]
    frame = decoder.decode(data, 7, 42)
    assert frame is not None and (frame.index, frame.captured_ns) == (7, 42)
    assert asked == [size_wh] and decoder.size_wh == size_wh
    width, height = (-(-side // by) for side in size_wh)
    assert frame.image_bgr.shape == (height, width, 3)
    np.testing.assert_array_equal(frame.picture(), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    assert (frame.full is None) == (by == 1)
    near = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(int)
    if width > 50:  # where the picture is smooth
        assert np.abs(near - frame.image_bgr)[1:-1, 1:-1].mean() < 3


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_size_as_it_turns_the_picture(orientation: int, order: str) -> None:
    data = with_orientation(jpeg(picture(96, 48)), orientation, order)
    decoder = JpegDecoder(Health())
    decoder.reduction = lambda _: 2
    frame = decoder.decode(data, 0, 0)
    assert frame is not None
    assert decoder.size_wh == frame.picture().shape[1::-1] == ((48, 96) if orientation > 4 else (96, 48))
    assert frame.image_bgr.shape[1::-1] == ((24, 48) if orientation > 4 else (48, 24))


def test_grey_progressive_and_restarted_jpegs_are_taken() -> None:
    grey = jpeg(picture(64, 48, 1))
    restarted = jpeg(picture(64, 48), cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
    progressive = jpeg(picture(64, 48), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    for data in (grey, restarted, progressive):
        frame = JpegDecoder(Health()).decode(data, 0, 0)
        assert frame is not None and frame.image_bgr.shape == (48, 64, 3)


def test_a_jpeg_without_huffman_tables_is_taken_as_usb_cameras_send_it() -> None:
    data = jpeg(picture(64, 48))
    bare = data
    while (at := bare.find(b"\xff\xc4")) > 0:
        bare = bare[:at] + bare[at + 2 + int.from_bytes(bare[at + 2 : at + 4], "big") :]
    assert len(bare) < len(data) - 300
    frame, whole = (JpegDecoder(Health()).decode(each, 0, 0) for each in (bare, data))
    assert frame is not None and whole is not None
    np.testing.assert_array_equal(frame.image_bgr, whole.image_bgr)


def test_what_follows_the_last_marker_in_a_drivers_buffer_is_overlooked() -> None:
    data = jpeg(picture(64, 48))
    assert JpegDecoder(Health()).decode(data + b"\0" * 100, 0, 0) is not None
    assert JpegDecoder(Health()).decode(data + b"\r\n", 0, 0) is not None


def test_torn_and_damaged_ones_are_counted_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    data = jpeg(picture(640, 480))
    start = data.index(b"\xff\xc0")
    giant = data[: start + 5] + b"\xff\xff\xff\xff" + data[start + 9 :]
    assert read_header(giant) == JpegHeader((65535, 65535), 1) and MOST_PIXELS < 65535**2
    damaged = [data[:-2], data[: len(data) // 2], data[2:], b"", b"\xff\xd8\xff\xd9", giant]
    damaged += [data[:2] + data[start + 4 :], b"\xff\xd8\xff\xc0\0\x08\x08\0\x10\0\x10\x03\xff\xd9"]
    health = Health()
    decoder = JpegDecoder(health)
    for count, each in enumerate(damaged, 1):
        assert decoder.decode(each, 0, 0) is None
        assert health.skipped == count
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_damage_gets_through_as_an_exception(data: st.DataObject) -> None:
    whole = bytearray(with_orientation(jpeg(picture(32, 24)), 6))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(2, len(whole) - 3))] = data.draw(st.integers(0, 255))
    health = Health()
    frame = JpegDecoder(health).decode(bytes(whole), 0, 0)
    assert (frame is None) == (health.skipped == 1)
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    read_header(cut)
