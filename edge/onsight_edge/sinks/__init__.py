"""Where results go: one file a kind of output, each served by its own thread."""

from onsight_edge.sinks.sink import RunInfo, Sink, SinkSummary
from onsight_edge.sinks.worker import SinkWorker

__all__ = ["RunInfo", "Sink", "SinkSummary", "SinkWorker"]
