"""What runs on the device: NumPy, OpenCV and one runtime. No training framework is ever imported here."""

import os

from onsight_edge.version import __version__

# OpenCV reads it when it is first imported, and would take pictures of 2**30 pixels: 3 GiB decoded
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))

__all__ = ["__version__"]
