"""What a file of tables consists of, and how cells and lines are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onsight_benchmarks.record import SCHEMA
from onsight_benchmarks.record_file import load_json
from onsight_edge.errors import BenchmarkError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A record's file as JSON.

    Attributes:
        path: of the file; `name` is its stem.
        value: the record, which has a `schema` of this onsight's and a `kind`.
    """

    path: Path
    value: dict[str, Any]

    @property
    def kind(self) -> str:
        """What was measured."""
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        """The file's name without folder and suffix."""
        return self.path.stem

    @classmethod
    def load(cls, path: Path) -> Loaded:
        """Read a record's file of any kind.

        Raises:
            BenchmarkError: not there, not JSON, or not a record of this schema.
        """
        value = load_json(path)
        if not isinstance(value, dict) or "schema" not in value or not isinstance(value.get("kind"), str):
            raise BenchmarkError(f"{path} is not an onsight record: expected an object with the keys 'schema', 'kind'")
        if value["schema"] != SCHEMA:
            raise BenchmarkError(f"{path}: schema {value['schema']!r} is not {SCHEMA}: written by another onsight")
        return cls(path, value)


@dataclass(frozen=True, slots=True)
class Table:
    """How records of one kind become Markdown.

    Attributes:
        whole: records -> Markdown, in place of the targets, the details and the line about the device.
        details: a record's `results` -> lines below its targets.
        joined: whether the records of a folder stand in one table; else each has its own.
    """

    whole: Callable[[Sequence[Loaded]], str] | None = None
    details: Callable[[dict[str, Any]], list[str]] | None = None
    joined: bool = False


Section = Callable[[Sequence[Loaded]], str]
"""All records of a folder -> what benchmarks/README.md shows of those that the section is about; "" for none."""


def header(*columns: str) -> list[str]:
    """The first two lines of a table; a column whose name begins with `>` is of numbers."""
    return [
        f"| {' | '.join(column.removeprefix('>') for column in columns)} |",
        f"| {' | '.join('--:' if column.startswith('>') else '---' for column in columns)} |",
    ]


def row(*cells: object) -> str:
    """One line of a table; a `|` in a cell does not end it."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def percent(share: float) -> str:
    """A share as `12.3 %`."""
    return f"{100 * share:.1f} %"


def share_with_interval(share: float, interval: tuple[float, float]) -> str:
    """A share in percent with its interval: `88.11 (87.46-88.73)`."""
    return f"{100 * share:.2f} ({100 * interval[0]:.2f}-{100 * interval[1]:.2f})"


def footer(cpu: str | None, system: str | None, taken: str, because: Sequence[str]) -> str:
    """On what and when it was measured, and whether it counts."""
    verdict = f"**Not valid:** {'; '.join(because)}." if because else "Valid."
    return f"{cpu or 'unknown processor'}, {system or 'unknown system'}, {taken}. {verdict}"
