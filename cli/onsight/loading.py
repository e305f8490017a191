"""Loading a data set for a verb: fetched first if need be, with a progress bar on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from onsight_edge.datasets import NAMED, Dataset, cached_path
from onsight_edge.spec import ModelSpec


@contextmanager
def reading(uri: str) -> Iterator[Callable[[int, int], None]]:
    """Fetch a named set that is not in the cache; yield an `on_progress` for `load_dataset`, which moves a bar."""
    if uri in NAMED and not cached_path(uri).exists():
        from onsight_train.fetch import fetch

        fetch(uri)
    if uri in NAMED or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    # a descriptor of its own: load_dataset leads 2 nowhere while it reads a folder
    with os.fdopen(os.dup(2), "w") as terminal, Progress(console=Console(file=terminal), transient=True) as bar:
        task = bar.add_task(escape(f"reading {uri}"), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def load_for(uri: str, spec: ModelSpec, validation: float, seed: int, limit: int | None) -> Dataset:
    """Load a data set as a model takes its pictures; see `load_dataset` for the arguments and errors."""
    from onsight_edge.datasets import load_dataset
    from onsight_edge.geometry import view_of

    with reading(uri) as on_progress:
        return load_dataset(
            uri,
            size_wh=spec.input_size_wh,
            colour=spec.colour,
            resize=spec.resize,
            view=view_of(spec),
            validation=validation,
            seed=seed,
            limit=limit,
            on_progress=on_progress,
        )
