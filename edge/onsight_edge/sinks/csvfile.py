"""CSV: one result a row, for spreadsheets and for pandas."""

from __future__ import annotations

import csv
import io

from onsight_edge.events import wall_time
from onsight_edge.frame import Result
from onsight_edge.sinks.line_sink import LineSink
from onsight_edge.sinks.lines import LineFile
from onsight_edge.sinks.sink import RunInfo

COLUMNS = (
    "at",
    "frame",
    "label",
    "score",
    "decision",
    "decision_score",
    "truth",
    "name",
    "age_ms",
    "preprocess_ms",
    "inference_ms",
    "postprocess_ms",
    "dropped",
    "fps",
)


class CsvSink(LineSink):
    """Writes a header and rows of `COLUMNS`; a value that a result does not have is empty.

    `at` is when the frame was captured, by the wall clock, UTC; the rest is as in JSON Lines. A file that is there is
    replaced, unless it is rotated: then it goes on after what it holds.
    """

    name = "csv"

    def open(self, info: RunInfo) -> None:
        """Open the file.

        Raises:
            SinkError: it cannot be written, or the process was started without a standard output.
        """
        self._file = LineFile(self.target, info.request_stop, flag="--csv", header=_row(COLUMNS), policy=self._policy)

    def write(self, result: Result) -> None:
        """Append one row.

        Raises:
            SinkError: the disk is full, or the reader of standard output has gone, which also ends the run.
        """
        values = {"at": wall_time(result.frame.captured_ns), **result.to_json(top=1)}
        self._append(_row([values.get(column, "") for column in COLUMNS]))


def _row(values: list[object] | tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(
        value.replace("\r", " ").replace("\n", " ") if isinstance(value, str) else value for value in values
    )
    return text.getvalue()
