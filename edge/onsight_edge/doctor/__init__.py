"""What is wrong with this machine, and which command mends it: `onsight doctor`.

from onsight_edge.doctor import examine

for finding in examine():
    print(finding.level, finding.what, finding.command)
"""

from __future__ import annotations

from pathlib import Path

from onsight_edge.doctor.finding import Finding

__all__ = ["Finding", "examine"]

_ROOT = Path("/")


def examine(root: Path = _ROOT) -> tuple[Finding, ...]:
    """Look at Python, runtimes, OpenCV, cameras and the board. Nothing is changed, no camera is opened for pictures.

    Args:
        root: where `proc`, `sys`, `dev` and `usr` stand; another one in tests. Python and what it has installed are
            always those that run this.

    Returns:
        Findings in the order of reading: what everything needs first.
    """
    import importlib.metadata
    import importlib.util
    import os
    import platform
    import struct
    import sys

    from onsight_edge.cameras import list_cameras
    from onsight_edge.cpufreq import clocks
    from onsight_edge.device import board_model, firmware_closed, governor, power_mode, read_text, temperature_c
    from onsight_edge.doctor import board, cameras, python
    from onsight_edge.power import find_sensors
    from onsight_edge.throttling import throttling

    installed = {
        str(one.metadata["Name"]).lower().replace("_", "-"): one.version
        for one in importlib.metadata.distributions()
        if one.metadata["Name"]  # a folder that an interrupted pip left
    }
    display = bool(os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY"))
    model = board_model(root) or ""
    jetson = "Jetson" in model or (root / "etc/nv_tegra_release").exists()
    seen = list_cameras(root)
    return (
        python.check_python(tuple(sys.version_info[:3]), platform.machine(), struct.calcsize("P") * 8),
        *python.check_opencv(installed, display),
        *_runtimes(installed, jetson),
        python.check_display(os.environ, installed),
        *cameras.check_permissions(root),
        *cameras.check_cameras(seen),
        *python.check_picamera2(
            root,
            sys.prefix != sys.base_prefix,
            model.startswith("Raspberry Pi"),
            importlib.util.find_spec("picamera2") is not None,
            tuple(sys.version_info[:2]),
            any(camera.kind == "csi" for camera in seen),
        ),
        *board.check_governor(governor(root)),
        *board.check_temperature(temperature_c(root)),
        *board.check_clock_limit(clocks(root), power_mode(root)),
        *board.check_firmware(firmware_closed(root)),
        *board.check_throttling(throttling(root)),
        *board.check_power_sensor(find_sensors(root)),
        *board.check_memory(read_text(root, "proc/meminfo") or ""),
        *board.check_disk(_free()),
    )


def _runtimes(installed: dict[str, str], jetson: bool) -> tuple[Finding, ...]:
    from onsight_edge.doctor.finding import pip

    try:
        from onsight_edge.bundle import open_model
        from onsight_edge.doctor import runtimes
        from onsight_edge.errors import OnsightError
    except ImportError as error:  # NumPy itself
        mend = pip("install --force-reinstall 'numpy>=1.26'")
        return (Finding("numpy", "problem", f"NumPy cannot be imported: {' '.join(str(error).split())}", mend),)
    try:
        model = open_model("default", model_format="tflite").data
    except OnsightError as error:
        return (Finding("self-test", "problem", str(error), pip("install --force-reinstall .")),)
    return (*runtimes.check_runtimes(installed, model, jetson=jetson), runtimes.check_self_test())


def _free() -> dict[Path, int]:
    import shutil

    from onsight_edge.files import cache_folder

    free: dict[Path, int] = {}
    devices = set()
    for folder in (Path.cwd(), cache_folder()):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if (device := there.stat().st_dev) not in devices:  # both are usually on one
            devices.add(device)
            free[there] = shutil.disk_usage(there).free
    return free
