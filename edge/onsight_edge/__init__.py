"""What runs on the device: NumPy, OpenCV and one runtime. No training framework is ever imported here."""

from onsight_edge.version import __version__

__all__ = ["__version__"]
