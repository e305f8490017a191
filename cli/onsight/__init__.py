"""The public face of onsight."""

from onsight_edge import __version__

__all__ = ["__version__"]
