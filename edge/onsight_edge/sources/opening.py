"""open_source: from a URI to an open Source. A kind's module is imported only when one of its kind is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onsight_edge.errors import SourceError, UsageError
from onsight_edge.images import SUFFIXES
from onsight_edge.sources.source import Source, check_fps

KINDS = (
    "a camera (0, /dev/video0, csi://0, picamera://0), a video file, a picture or a folder of pictures, "
    "http://, https://, rtsp://, watch://, pipe:, dataset:// or synthetic://"
)


def open_source(
    uri: str,
    *,
    fps: float | None = None,
    size_wh: tuple[int, int] | None = None,
    loop: bool = False,
    give_up_s: float | None = None,
) -> Source:
    """Open the camera, file or stream that `uri` names; docs/live.md lists them all.

    Args:
        uri: `0`, `/dev/video0`, `clip.mp4`, `folder/`, `http://host/stream`, `dataset://cifar10`, `synthetic://` ...
        fps: asked of a camera; paces a file as if it were live; a set's and a synthetic source's rate.
        size_wh: width and height in pixels, asked of a camera; a set's and a synthetic source's frame size.
        loop: begin again at the end, for all that ends.
        give_up_s: how long a camera or a stream that was lost is tried again; None for ever, 0 not at all.

    Raises:
        SourceError: it is not there or cannot be read.
        UsageError: the URI or an option makes no sense for this kind of source.
    """
    if fps is not None:
        check_fps(fps)
    scheme, separator, _ = uri.partition("://")
    scheme = scheme.lower() if separator else ""
    if uri.partition("?")[0].isdecimal() or uri.startswith(("/dev/video", "/dev/v4l/")):
        _refuse(uri, loop=loop)
        from onsight_edge.sources.camera import CameraOpener

        return _recovering(CameraOpener(uri, fps=fps, size_wh=size_wh), give_up_s, device=True)
    if scheme == "csi":
        _refuse(uri, loop=loop)
        from onsight_edge.sources.csi import open_csi

        return _recovering(lambda: open_csi(uri, fps=fps, size_wh=size_wh), give_up_s, device=True)
    if scheme == "picamera":
        _refuse(uri, loop=loop)
        from onsight_edge.sources.picamera import open_picamera

        return _recovering(lambda: open_picamera(uri, fps=fps, size_wh=size_wh), give_up_s, device=True)
    if scheme in ("http", "https"):
        _refuse(uri, fps=fps, size_wh=size_wh, loop=loop)
        from onsight_edge.sources.mjpeg import MjpegSource

        return _recovering(lambda: MjpegSource(uri), give_up_s)
    if scheme in ("rtsp", "rtsps"):
        _refuse(uri, fps=fps, size_wh=size_wh, loop=loop)
        from onsight_edge.sources.rtsp import open_rtsp

        # H.264 of a still scene may repeat a picture bit for bit
        return _recovering(lambda: open_rtsp(uri), give_up_s, frozen_s=10.0)
    if give_up_s is not None:
        raise UsageError(f"--give-up does nothing for {uri}, which is never opened again: leave it out")
    if scheme == "dataset":
        from onsight_edge.sources.dataset import open_dataset_source

        return open_dataset_source(uri, fps=fps, size_wh=size_wh, loop=loop)
    if uri == "-" or uri.startswith("pipe:"):
        _refuse(uri, loop=loop)
        from onsight_edge.sources.pipe import open_pipe

        return open_pipe(uri, fps=fps, size_wh=size_wh)
    if scheme == "watch":
        _refuse(uri, fps=fps, size_wh=size_wh, loop=loop)
        from onsight_edge.sources.watch import open_watch

        return open_watch(uri)
    if scheme == "synthetic":
        _refuse(uri, loop=loop)
        from onsight_edge.sources.synthetic import open_synthetic

        return open_synthetic(uri, fps=fps, size_wh=size_wh)
    if scheme and scheme != "file":
        raise UsageError(f"no source is called {scheme}://; a source is {KINDS}")
    return _open_file(uri.removeprefix("file://"), fps, size_wh, loop)


def is_continuous(uri: str) -> bool:
    """Whether frames from there follow each other in time: not so for folders of pictures and data sets."""
    scheme, separator, rest = uri.partition("://")
    scheme = scheme.lower() if separator else ""
    if scheme in ("dataset", "watch"):
        return False
    if scheme not in ("", "file") or uri.isdecimal():
        return True
    path = Path(rest if separator else uri)
    return path.suffix.lower() not in SUFFIXES and not path.is_dir()


def _recovering(
    open_: Callable[[], Source], give_up_s: float | None, *, frozen_s: float = 2.0, device: bool = False
) -> Source:
    from onsight_edge.sources.recovering import BACK_OFF_S, RecoveringSource

    # looking for a device costs this machine only, so it is looked for every second however long it is gone
    back_off_s = BACK_OFF_S[:4] if device else BACK_OFF_S
    return RecoveringSource(open_, back_off_s=back_off_s, give_up_s=give_up_s, frozen_s=frozen_s, reopen_frozen=device)


def _open_file(name: str, fps: float | None, size_wh: tuple[int, int] | None, loop: bool) -> Source:
    _refuse(name, size_wh=size_wh)
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:  # ~somebody
        raise SourceError(f"there is no {_short(name)}: {error}") from error
    try:
        exists, is_folder = bool(name) and path.exists(), path.is_dir()
    except (OSError, ValueError) as error:  # the name is too long or holds a zero; a folder above it is not ours
        raise SourceError(f"cannot read {_short(name)}: {getattr(error, 'strerror', None) or error}") from error
    if not exists:
        raise SourceError(f"there is no {_short(name)}; a source is {KINDS}")
    if is_folder or path.suffix.lower() in SUFFIXES:
        from onsight_edge.sources.pictures import PicturesSource

        return PicturesSource(path, fps=fps, loop=loop)
    from onsight_edge.sources.video import VideoSource

    return VideoSource(path, fps=fps, loop=loop)


def _refuse(uri: str, *, fps: float | None = None, size_wh: tuple[int, int] | None = None, loop: bool = False) -> None:
    # an option that would silently do nothing is a wrong call
    for given, flag in ((fps is not None, "--fps"), (size_wh is not None, "--size"), (loop, "--loop")):
        if given:
            raise UsageError(f"{flag} does nothing for {uri}: leave it out")


def _short(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:97]}...")
