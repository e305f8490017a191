"""All records of a folder as one page, and the sections of benchmarks/README.md that are written from them."""

from __future__ import annotations

import re
from pathlib import Path

from onsight_benchmarks.tables.registry import all_sections, all_tables
from onsight_benchmarks.tables.table import Loaded, Table
from onsight_benchmarks.tables.targets import targets_markdown
from onsight_edge.errors import BenchmarkError, DataError

_HEAD = """# Records

Written by `python -m onsight_benchmarks.tables benchmarks/results --write`; milliseconds and MiB where nothing else is
said. The method is in [the benchmarks' README](../README.md), every key in [docs/records.md](../../docs/records.md)."""
_MARKED = re.compile(r"(<!-- records: ([a-z0-9_-]+) -->\n).*?(<!-- /records -->)", re.DOTALL)


def page(folder: Path) -> str:
    """All records of a folder as one page: those in folders of it first, then each other one.

    Raises:
        BenchmarkError: a file is not a record.
    """
    parts = [_HEAD]
    for inner in _folders(folder):
        records = _records(inner)
        kinds = {record.kind for record in records}
        if len(kinds) == 1 and _table(records[0].kind).joined:
            parts.append(f"### {inner.name}\n\n{_markdown(records)}")
        else:
            parts += [f"### {inner.name}/{record.name}\n\n{_markdown([record])}" for record in records]
    parts += [f"### {path.stem}\n\n{markdown(path)}" for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(parts) + "\n"


def markdown(path: Path) -> str:
    """One record as Markdown: its tables as its kind writes them, or its targets, details and device.

    Raises:
        BenchmarkError: not there, or not a record.
    """
    return _markdown([Loaded.load(path)])


def readme_of(folder: Path) -> Path | None:
    """The README above a folder of records, where it has sections to be written."""
    path = folder.resolve().parent / "README.md"
    return path if path.is_file() and _MARKED.search(path.read_text(encoding="utf-8")) else None


def fill(readme: Path, folder: Path) -> str:
    """A README's text with the sections between `<!-- records: NAME -->` and `<!-- /records -->` written anew.

    Raises:
        BenchmarkError: a file of the folder is not a record. DataError: NAME is neither a section nor a kind of record.
    """
    records = [record for one in (*_folders(folder), folder) for record in _records(one)]

    def section(found: re.Match[str]) -> str:
        name = found[2]
        if name in all_sections():
            written = all_sections()[name](records)
        elif name in all_tables():
            written = "\n\n".join(f"**{one.name}**\n\n{_markdown([one])}" for one in records if one.kind == name)
        else:
            known = ", ".join(sorted({*all_sections(), *all_tables()}))
            raise DataError(f"{readme}: no tables are called {name!r}; known: {known}")
        return f"{found[1]}\n{written or 'No record yet.'}\n\n{found[3]}"

    return _MARKED.sub(section, readme.read_text(encoding="utf-8"))


def _folders(folder: Path) -> list[Path]:
    """Its folders of records; one with a suffix is a bundle."""
    return sorted({path.parent for path in folder.glob("*/*.json") if not path.parent.suffix})


def _records(folder: Path) -> list[Loaded]:
    return [Loaded.load(path) for path in sorted(folder.glob("*.json"))]


def _markdown(records: list[Loaded]) -> str:
    table = _table(records[0].kind)
    try:
        return targets_markdown(records[0], table.details) if table.whole is None else table.whole(records)
    except (KeyError, TypeError) as error:
        raise BenchmarkError(f"{records[0].path} is not an onsight record: {error!r}") from error


def _table(kind: str) -> Table:
    return all_tables().get(kind, Table())
