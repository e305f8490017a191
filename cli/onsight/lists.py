"""Values with commas between them, as `--variant a,b` and `--threads 1,2` take them."""

from __future__ import annotations

from onsight_edge.errors import UsageError


def names(text: str, option: str) -> list[str]:
    """The names in a list.

    Raises:
        UsageError: there are none.
    """
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise UsageError(f"{option} needs at least one name, or all")
    return found


def counts(text: str, option: str, most: int) -> list[int]:
    """The numbers in a list.

    Raises:
        UsageError: not whole numbers, or not from 1 to `most`.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} needs numbers such as 1,2, not {text!r}") from error
    if not all(1 <= count <= most for count in found):
        raise UsageError(f"{option} needs numbers of at least 1 and at most {most}, not {text!r}")
    return found
