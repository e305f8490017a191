"""The folder of a run while it is written: `NAME.partial`, held by one process, kept while there is work in it."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onsight_edge.errors import OnsightError
from onsight_train.checkpoint import NAMES
from onsight_train.plan import PLAN

# Windows has none, and nothing keeps two processes apart there
fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None

PARTIAL = ".partial"
MODEL = "model.keras"


def partial_folder(folder: Path) -> Path:
    """Where a run lies until it is whole; every file in it is whole at any moment."""
    return folder.with_name(folder.name + PARTIAL)


def resume_command(folder: Path) -> str:
    """What to type to go on with the run that shall be called `folder`."""
    return f"onsight train --resume {shlex.quote(str(folder))}"


def check_out(folder: Path) -> None:
    """Refuse a run folder that could not be written, before any work is done.

    Raises:
        OnsightError: it exists, a killed training's remains lie there, or its parent cannot be written to.
    """
    try:
        if folder.exists() or folder.is_symlink():
            raise OnsightError(f"{folder} exists already: name another folder with --out, or remove it first")
        partial = partial_folder(folder)
        partial_there = partial.exists()
    except OSError as error:  # too long a name, a folder that may not be entered
        raise OnsightError(f"cannot write {folder}: {error.strerror}") from error
    if partial_there:
        with held(partial):
            pass
        if has_work(partial):
            usable = " (its model is whole: a usable run once renamed)" if (partial / MODEL).exists() else ""
            raise OnsightError(
                f"{partial} is there, of a training that was killed: go on with `{resume_command(folder)}`, name "
                f"another --out, or remove it{usable}"
            )
        raise OnsightError(f"{partial} is there, with nothing to go on from: name another --out, or remove it")
    with making(partial):
        pass


def has_work(partial: Path) -> bool:
    """Whether there is anything in a killed training's folder that is worth keeping."""
    return any((partial / name).exists() for name in (MODEL, PLAN, *NAMES))


@contextlib.contextmanager
def held(partial: Path) -> Iterator[None]:
    """Keep other processes from writing a folder; the kernel lets go of it when this one ends, however it ends.

    Raises:
        OnsightError: another process holds it.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OnsightError(
                f"{partial} is being written by another training: wait for it, or name another --out"
            ) from error
        except OSError:  # a network file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def making(partial: Path) -> Iterator[None]:
    """Make the folder and hold it; on failure remove it, unless hours of work are in it. See `telling`."""
    made = [partial, *(parent for parent in partial.parents if not parent.exists())]
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        folder = partial.with_name(partial.name.removesuffix(PARTIAL))
        raise OnsightError(f"cannot write {folder}: {error.strerror}") from error
    try:
        with held(partial), telling(partial):
            yield
    except BaseException:
        if not any((partial / name).exists() for name in (MODEL, *NAMES)):
            shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        for place in made:  # innermost first; those that hold something stay
            with contextlib.suppress(OSError):
                place.rmdir()


@contextlib.contextmanager
def telling(partial: Path) -> Iterator[None]:
    """Add to an error what is left of the work, and how to go on."""
    try:
        yield
    except (OnsightError, OSError) as error:
        left = []
        if (partial / MODEL).exists():
            left.append(f"the best model until then is in {partial}")
        if any((partial / name).exists() for name in NAMES):
            folder = partial.with_name(partial.name.removesuffix(PARTIAL))
            left.append(f"go on with `{resume_command(folder)}`")
        if not left:
            raise
        raise OnsightError("; ".join([str(error), *left])) from error


def clean(folder: Path) -> None:
    """Remove what only a training that is still to be finished needs, and what a killed one left half-written."""
    with contextlib.suppress(OSError):
        for path in folder.glob(".*.tmp*"):
            path.unlink()


def tidy(folder: Path) -> None:
    """Take away from a finished run what only its making needed."""
    for name in (PLAN, *NAMES):
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    clean(folder)
