"""Opening a model as `onsight tune` found it fastest on this device, where the user says nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from onsight_edge.errors import UsageError

if TYPE_CHECKING:
    from onsight_edge.classifier import Classifier

F = TypeVar("F", bound=Callable[..., object])

_OWN = ("variant", "backend", "threads")


def profile_options(function: F) -> F:
    """`--profile` and `--no-profile`."""
    named = click.option(
        "--profile",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The device profile to use, in place of the one that `onsight tune` wrote for this model.",
    )
    ignored = click.option("--no-profile", is_flag=True, help="Take no notice of what `onsight tune` found.")
    return named(ignored(function))


def open_wanted(
    model: str,
    *,
    variant: str | None,
    backend: str,
    threads: int,
    spec: Path | None,
    profile: Path | None,
    no_profile: bool,
    quiet: bool,
) -> Classifier:
    """Open a model: as the flags say, where one of them is given, else by its profile, else with the defaults.

    Args:
        model, variant, backend, threads, spec: see `Classifier.open`.
        profile, no_profile: of `profile_options`.
        quiet: do not say on stderr that a profile is used, or why it is not.

    Raises:
        UsageError: flags that contradict each other. ProfileError: the profile named does not fit.
        Else as `Classifier.open`.
    """
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    own = [f"--{name}" for name in _OWN if context.get_parameter_source(name) is not default]
    if profile is not None and (own or no_profile):
        raise UsageError(f"--profile says what {', '.join(own or ['--no-profile'])} says otherwise: give one of them")
    if own or no_profile:
        from onsight_edge.classifier import Classifier

        return Classifier.open(model, variant=variant, backend=backend, threads=threads, spec=spec)
    from onsight_edge.profile import open_tuned

    opened, line = open_tuned(model, spec=spec, path=profile)
    if line is not None and not quiet:
        print(line, file=sys.stderr)
    return opened
