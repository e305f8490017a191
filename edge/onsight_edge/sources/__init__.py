"""Where frames come from: one file a kind of camera, chosen by `open_source`."""

from onsight_edge.sources.opening import is_continuous, open_source
from onsight_edge.sources.source import Source

__all__ = ["Source", "is_continuous", "open_source"]
