"""Things found by the name that a person typed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from onsight_edge.errors import ModelError

Named = TypeVar("Named")


def find_named(kind: str, name: str, known: Mapping[str, Named]) -> Named:
    """What is called `name`.

    Args:
        kind: what is looked for, for the message: `recipe`, `arch`.
        name: as typed.
        known: by name, in the order in which they are listed.

    Raises:
        ModelError: there is none; the message lists the known ones and the closest.
    """
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}")
