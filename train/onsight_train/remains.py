"""What a killed training left in its folder: found, checked, and held for one process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onsight_edge.errors import IntegrityError, ModelError, OnsightError
from onsight_train import folder as folders
from onsight_train.checkpoint import Checkpoint, Checkpoints
from onsight_train.folder import PARTIAL, partial_folder
from onsight_train.outcome import versions
from onsight_train.plan import PLAN, Planned


@dataclass(frozen=True, slots=True, eq=False)
class Remains:
    """What a killed training left.

    Attributes:
        folder: what the run shall be called once it is whole.
        planned: what decides it.
        checkpoint: where it stood; None where it was killed before its first checkpoint.
        notes: what a person should know about them, one sentence each.
        checkpoints: the files, which the training goes on writing.
    """

    folder: Path
    planned: Planned
    checkpoint: Checkpoint | None
    notes: tuple[str, ...]
    checkpoints: Checkpoints


@contextlib.contextmanager
def remains(run: Path) -> Iterator[Remains]:
    """What a killed training left, held for this process alone while the block lasts.

    Args:
        run: the folder its run was to have, or that with `.partial`.

    Raises:
        OnsightError: the run is finished, or another process is at it.
        ModelError: there is no such training, or another onsight began it.
        IntegrityError: all its checkpoints are damaged.
    """
    run = run if run.name else run.resolve()  # `.`, within a run
    folder = run.with_name(run.name.removesuffix(PARTIAL))
    partial = partial_folder(folder)
    if not partial.is_dir():
        if (folder / "metrics.json").exists():
            folders.tidy(folder)  # killed between its name and its tidying
            raise OnsightError(f"{folder} is a finished run: nothing is left to train")
        raise ModelError(f"no training to go on with: there is no folder {partial}")
    with folders.held(partial):
        if not (partial / PLAN).exists():
            raise ModelError(
                f"{partial} has no {PLAN}: another onsight began it, or it was killed before it began; remove it"
            )
        planned = Planned.load(partial)
        checkpoints = Checkpoints(partial, planned.sha256)
        try:
            checkpoint, damages = checkpoints.read()
        except IntegrityError as error:
            best = f"the best model until then is in {partial}, " if (partial / folders.MODEL).exists() else ""
            raise IntegrityError(
                f"{error}: there is nothing to go on from; {best}train again under another name, or remove {partial}"
            ) from error
        folders.clean(partial)
        notes = [f"{damage}: going on from the checkpoint before it" for damage in damages]
        if checkpoint is None:
            notes.append("it was killed before its first checkpoint: this is the beginning")
        yield Remains(folder, planned, checkpoint, tuple(notes), checkpoints)


def changed_versions(planned: Planned) -> str | None:
    """A sentence that names the packages that are not those a training was begun with; None where all are."""
    now = versions()
    changed = [
        f"{name} {old} is {now.get(name, 'gone')}" for name, old in planned.versions.items() if now.get(name) != old
    ]
    if not changed:
        return None
    return f"since the training began, {', '.join(changed)} now: the weights may come out differently"
