"""`onsight cameras`: which cameras this machine has, what they can, and how `onsight run` takes each one."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from onsight.main import print_json
from onsight.options import json_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onsight_edge.cameras import CameraInfo
    from onsight_edge.v4l2 import Mode

_FORMATS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class _Probe:
    """What a camera delivered when it was tried."""

    first_frame_ms: float | None = None
    size_wh: tuple[int, int] | None = None
    fps: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "first_frame_ms": self.first_frame_ms,
            "size_wh": None if self.size_wh is None else list(self.size_wh),
            "fps": self.fps,
            "error": self.error,
        }


@click.command("cameras")
@click.option("--probe", is_flag=True, help="Open each camera and take a picture; exit status 1 where one fails.")
@json_option
def command(probe: bool, as_json: bool) -> int:
    """List the cameras of this machine, and what to give to `onsight run --source` for each.

    Nothing is opened for pictures, so that a camera may be in use, unless --probe is given.
    """
    from onsight_edge.cameras import describe_cameras, list_cameras

    cameras = list_cameras()
    probes: dict[str | None, _Probe] = {
        camera.source: _try(camera.source) for camera in cameras if probe and camera.source is not None
    }
    if as_json:
        print_json({"cameras": [_document(camera, probes.get(camera.source)) for camera in cameras]})
    elif not cameras:
        print(describe_cameras())
    else:
        _show(cameras, probes)
    failed = [tried.error for tried in probes.values() if tried.error is not None]
    for error in failed:
        print(f"onsight: {error}", file=sys.stderr)
    return 1 if failed else 0


def _try(uri: str) -> _Probe:
    from onsight_edge.errors import OnsightError
    from onsight_edge.sources import open_source

    began = time.monotonic()
    try:
        with closing(open_source(uri, give_up_s=0)) as source:
            frame = source.read()
            took_ms = (time.monotonic() - began) * 1e3
            if frame is None:
                return _Probe(error=f"{uri} ended before its first picture")
            height, width = frame.picture().shape[:2]
            return _Probe(round(took_ms, 1), (width, height), source.fps)
    except OnsightError as error:
        return _Probe(error=str(error))


def _document(camera: CameraInfo, probe: _Probe | None) -> dict[str, Any]:
    return {**camera.to_json(), "probe": None if probe is None else probe.to_json()}


def _show(cameras: Iterable[CameraInfo], probes: dict[str | None, _Probe]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for heading in ("--source", "camera", "pictures"):
        table.add_column(heading, overflow="fold")
    for camera in cameras:
        where = " at ".join(part for part in (camera.driver, camera.bus) if part)
        about = [camera.name, where, *camera.links]
        if camera.source is None and camera.device is not None:
            about.insert(0, camera.device)
        tried = probes.get(camera.source) if camera.source is not None else None
        pictures = [camera.problem or "", *summarise(camera.modes), "" if tried is None else _probed(tried)]
        table.add_row(Text(camera.source or "-"), _lines(about), _lines(pictures))
    Console().print(table)


def summarise(modes: Iterable[Mode]) -> list[str]:
    """A line a format: its largest sizes, each with its highest rate."""
    by_format: dict[str, dict[tuple[int, int], float | None]] = {}
    for mode in modes:
        by_format.setdefault(mode.format, {})[mode.size_wh] = max(mode.fps, default=None)
    lines = []
    for name, sizes in by_format.items():
        largest = sorted(sizes, key=lambda size: -size[0] * size[1])
        shown = [
            f"{width}x{height}" + (f" at {rate:g} fps" if (rate := sizes[width, height]) else "")
            for width, height in largest[:_FORMATS_SHOWN]
        ]
        more = f" and {len(largest) - len(shown)} smaller" if len(largest) > len(shown) else ""
        lines.append(f"{name}: {', '.join(shown)}{more}")
    return lines


def _probed(probe: _Probe) -> str:
    if probe.error is not None or probe.size_wh is None:
        return "tried: no picture"
    rate = f" at {probe.fps:g} fps" if probe.fps else ""
    return f"tried: {probe.size_wh[0]}x{probe.size_wh[1]}{rate}, first picture after {probe.first_frame_ms:.0f} ms"


def _lines(parts: Iterable[str]) -> Any:
    from rich.text import Text

    return Text("\n".join(part for part in parts if part))
