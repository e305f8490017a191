"""Python, its architecture, and which OpenCV and NumPy it finds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from onsight_edge.doctor.finding import Finding, pip

OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_HEADLESS = "opencv-python-headless"
_NUMPY_1 = ("_ARRAY_API", "numpy.core.multiarray", "compiled using NumPy 1", "numpy.dtype size changed")


def check_python(version: tuple[int, ...], machine: str, bits: int) -> Finding:
    """Which Python this is.

    Args:
        version: as `sys.version_info[:3]`.
        machine: as `platform.machine()`: the kernel's, which may be 64-bit under a 32-bit system.
        bits: of a pointer in this Python.
    """
    named = f"Python {'.'.join(map(str, version))}, {bits}-bit, on {machine}"
    if bits == 64:
        return Finding("python", "ok", named)
    return Finding(
        "python",
        "problem",
        f"{named}: there is no LiteRT and no ONNX Runtime for 32-bit systems; install the 64-bit Raspberry Pi OS",
        "sudo apt install -y rpi-imager && rpi-imager",
    )


def check_opencv(
    installed: Mapping[str, str], display: bool, load: Callable[[str], ModuleType] = importlib.import_module
) -> tuple[Finding, ...]:
    """Whether exactly one OpenCV is installed and can be imported.

    Args:
        installed: distributions with their versions.
        display: whether this machine shows windows; decides which of two OpenCVs to keep.
        load: imports a module.
    """
    found: list[Finding] = []
    several = [name for name in OPENCVS if name in installed]
    windows = [name for name in several if not name.endswith("headless")]
    keep = windows[0] if windows and display else _HEADLESS
    if len(several) > 1:
        found.append(
            Finding(
                "opencv",
                "problem",
                f"{' and '.join(several)} are installed and own the same folder cv2: one overwrites the other's files",
                f"{pip('uninstall -y ' + ' '.join(several))} && {pip('install ' + keep)}",
            )
        )
    try:
        version = load("cv2").__version__
    except Exception as error:  # ImportError, AttributeError of a half-overwritten folder, NumPy's own
        found.append(_unimportable(" ".join(str(error).split()) or type(error).__name__, several, display))
    else:
        if len(several) < 2:
            found.append(Finding("opencv", "ok", f"OpenCV {version} ({several[0] if several else 'not from pip'})"))
    return tuple(found)


def _unimportable(message: str, installed: list[str], display: bool) -> Finding:
    what = f"OpenCV cannot be imported: {message}"
    if not installed and "No module named" in message:
        return Finding("opencv", "problem", what, pip(f"install {_HEADLESS}"))
    if "libGL" in message or "libgthread" in message:
        if display:
            return Finding("opencv", "problem", what, "sudo apt install -y libgl1 libglib2.0-0")
        swap = f"{pip('uninstall -y ' + ' '.join(installed or OPENCVS[:1]))} && {pip('install ' + _HEADLESS)}"
        return Finding("opencv", "problem", f"{what}; without a display the headless OpenCV is the right one", swap)
    if any(mark in message for mark in _NUMPY_1):
        name = installed[0] if installed else _HEADLESS
        return Finding("opencv", "problem", f"{what} (built against NumPy 1)", pip(f"install --upgrade '{name}>=4.10'"))
    name = installed[0] if installed else _HEADLESS
    return Finding("opencv", "problem", what, pip(f"install --force-reinstall {name}"))


def check_display(environment: Mapping[str, str], installed: Mapping[str, str]) -> Finding:
    """Whether `onsight run --window` can work."""
    shown = environment.get("WAYLAND_DISPLAY") or environment.get("DISPLAY")
    if not shown:
        return Finding("display", "ok", "no display: everything but `onsight run --window` works")
    if any(name in installed for name in OPENCVS if not name.endswith("headless")):
        return Finding("display", "ok", f"display {shown}, and an OpenCV with windows")
    return Finding(
        "display",
        "ok",
        f"display {shown}; this OpenCV has no windows, which only `onsight run --window` needs",
        f"{pip('uninstall -y ' + _HEADLESS)} && {pip('install opencv-python')}",
    )


def check_picamera2(
    root: Path, in_venv: bool, pi: bool, findable: bool, version: tuple[int, ...], sensor: bool
) -> tuple[Finding, ...]:
    """Whether picamera2, which apt installs for the system's Python, can be seen from here.

    Args:
        root: the file system to look at.
        in_venv: whether this Python runs in a virtual environment.
        pi: whether this is a Raspberry Pi.
        findable: whether `import picamera2` would find it.
        version: as `sys.version_info[:2]`: libcamera's binding is compiled for the system's Python alone.
        sensor: whether a camera of the ribbon cable is there.
    """
    if findable:
        return (Finding("picamera2", "ok", "picamera2 is visible from this Python"),)
    if not (root / "usr/lib/python3/dist-packages/picamera2").is_dir():
        if not (pi and sensor):
            return ()
        what = "a CSI camera is attached and picamera2, which reads it, is not installed"
        return (Finding("picamera2", "warning", what, "sudo apt install -y python3-picamera2"),)
    if not in_venv:
        what = "picamera2 is installed by apt for /usr/bin/python3, and another Python runs here"
        return (Finding("picamera2", "warning", what, _NEW_VENV),)
    system = _system_python(root)
    if system is not None and system != tuple(version[:2]):
        what = (
            f"picamera2 is installed by apt for Python {system[0]}.{system[1]} and invisible in this environment of "
            f"Python {version[0]}.{version[1]}"
        )
        return (Finding("picamera2", "warning", what, _NEW_VENV),)
    what = "picamera2 is installed by apt and invisible in this virtual environment"
    mend = f"/usr/bin/python3 -m venv --system-site-packages {sys.prefix}"
    return (Finding("picamera2", "warning", what, mend),)


_NEW_VENV = "/usr/bin/python3 -m venv --system-site-packages ~/onsight-env && ~/onsight-env/bin/pip install ."


def _system_python(root: Path) -> tuple[int, int] | None:
    try:
        name = (root / "usr/bin/python3").readlink().name  # Debian: python3 -> python3.11
        major, minor = name.removeprefix("python").split(".")
        return int(major), int(minor)
    except (OSError, ValueError):
        return None
