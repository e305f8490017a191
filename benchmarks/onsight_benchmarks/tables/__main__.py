"""The command: prints records as tables, or writes the pages of a folder of records."""

from __future__ import annotations

import sys
from pathlib import Path

from onsight_benchmarks.tables.page import fill, markdown, page, readme_of
from onsight_edge.errors import OnsightError
from onsight_edge.files import write_text

_USAGE = "usage: python -m onsight_benchmarks.tables RECORD.json... | FOLDER [--write]"


def main() -> None:
    """Print every record named on the command line, or the page of a folder; `--write` writes it and the README."""
    names = [name for name in sys.argv[1:] if name != "--write"]
    folder = Path(names[0]) if len(names) == 1 and Path(names[0]).is_dir() else None
    if not names or (folder is None and "--write" in sys.argv):
        sys.exit(_USAGE)
    try:
        if folder is None:
            print("\n\n".join(f"### {Path(name).stem}\n\n{markdown(Path(name))}" for name in names))
        elif "--write" in sys.argv:
            text, readme = page(folder), readme_of(folder)
            filled = None if readme is None else fill(readme, folder)
            write_text(folder / "README.md", text)
            if readme is not None and filled is not None:
                write_text(readme, filled)
        else:
            print(page(folder), end="")
    except OnsightError as error:
        sys.exit(f"tables: {error}")


if __name__ == "__main__":
    main()
