"""Cameras: which there are, and whether this user may open them."""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from onsight_edge.cameras import CameraInfo
from onsight_edge.doctor.finding import Finding


def check_cameras(cameras: Iterable[CameraInfo]) -> tuple[Finding, ...]:
    """The cameras that `onsight run --source` takes, and what speaks against one."""
    found = []
    for camera in cameras:
        if camera.source is None:
            continue
        named = f"{camera.source} ({camera.name})"
        if camera.problem is None:
            found.append(Finding("camera", "ok", named))
        else:
            found.append(Finding("camera", "warning", f"{named}: {camera.problem}", "onsight cameras"))
    return tuple(found) or (Finding("camera", "ok", "no camera; videos, pictures and streams can be classified"),)


def check_permissions(
    root: Path,
    *,
    may: Callable[[Path], bool] | None = None,
    groups: Iterable[str] | None = None,
    listed: Callable[[str], Iterable[str]] | None = None,
    user: str | None = None,
) -> tuple[Finding, ...]:
    """Whether this user may open the video devices.

    Args:
        root: the file system to look at.
        may: whether a device may be read and written.
        groups: names of this process's groups.
        listed: group -> the users that /etc/group gives it: those get it at their next login.
        user: this user's name.
    """
    devices = sorted((root / "dev").glob("video[0-9]*"))
    may = _may if may is None else may
    refused = [device for device in devices if not may(device)]
    if not refused:
        return ()
    user = _user() if user is None else user
    names = ", ".join(f"/dev/{device.name}" for device in refused)
    if "video" in (_groups() if groups is None else groups):
        what = f"{names} cannot be opened although {user} is in the group video"
        return (Finding("camera", "problem", what, "sudo udevadm trigger --subsystem-match=video4linux"),)
    if user in (_members if listed is None else listed)("video"):
        what = f"{names} cannot be opened: {user} was added to the group video after logging in; log in again"
        return (Finding("camera", "problem", what, "exec su - $USER"),)
    what = f"{names} cannot be opened: {user} is not in the group video (log in again afterwards)"
    return (Finding("camera", "problem", what, "sudo usermod -aG video $USER"),)


def _may(device: Path) -> bool:
    return os.access(device, os.R_OK | os.W_OK)


def _groups() -> list[str]:
    names = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return [names[number] for number in os.getgroups() if number in names]  # a container's numbers need no names


def _members(group: str) -> list[str]:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user needs no name
        return str(os.getuid())
