"""Which combinations of variant, backend and threads a benchmark measures, opened and ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.record import Skipped
from onsight_edge.backends import BACKENDS, backend_format, backends_for
from onsight_edge.bundle import DEFAULT_MODEL, Bundle, open_model
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, BenchmarkError, MissingExtraError, UsageError

ALL = "all"
AUTO = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """One thing to measure.

    Attributes:
        model: as `Classifier.open` takes it, absolute.
        variant: of the bundle, None for a bare file.
        backend: by name, never `auto`.
        spec: a ModelSpec's file, for a bare file that carries none.
        classifier: opened with them.
    """

    model: str
    variant: str | None
    backend: str
    threads: int
    spec: Path | None
    classifier: Classifier

    def reopen(self) -> Classifier:
        """The same once more, with a runtime of its own."""
        return Classifier.open(
            self.model, variant=self.variant, backend=self.backend, threads=self.threads, spec=self.spec, trusted=True
        )


def open_all(
    model: str | Path = "default",
    *,
    variants: Sequence[str] = (ALL,),
    backends: Sequence[str] = (ALL,),
    threads: Sequence[int] = (1,),
    spec: Path | None = None,
) -> tuple[list[Combination], list[Skipped]]:
    """Open every combination that can be measured here.

    Args:
        model: `default`, a bundle or a model file.
        variants: names, or `all`.
        backends: names, `all` (each that `auto` may take for the variant's format), or `auto` (the first of them that
            is there).
        threads: for one inference.
        spec: for a bare file that carries none.

    Returns:
        What was opened, and what was not with the reason. A backend that does not execute a variant's format is no
        combination at all.

    Raises:
        UsageError: an unknown backend, or threads below 1. ModelError: no such model or variant.
        BenchmarkError: nothing is left to measure.
    """
    for name in backends:
        if name not in (ALL, AUTO):
            backend_format(name)
    if not threads or min(threads) < 1:
        raise UsageError("threads must be at least 1, such as --threads 1,2")
    spec = None if spec is None else spec.resolve()
    location = str(model) if str(model) == "default" else str(Path(model).resolve())
    opened: list[Combination] = []
    skipped: list[Skipped] = []
    failures: list[str] = []  # in full, with the command that mends them
    for variant, model_format in _variants(str(model), variants, spec):
        for backend, asked in _backends(model_format, backends):
            for count in dict.fromkeys(threads):
                try:
                    classifier = Classifier.open(model, variant=variant, backend=backend, threads=count, spec=spec)
                except MissingExtraError as error:
                    failures.append(str(error))
                    if asked:
                        skipped.append(Skipped(variant or model_format, backend, str(error)))
                    else:
                        skipped.append(Skipped(variant or model_format, backend, f"{error.package} is not installed"))
                    break
                except BackendError as error:
                    failures.append(str(error))
                    skipped.append(Skipped(variant or model_format, backend, str(error)))
                    break
                opened.append(Combination(location, variant, classifier.backend.name, count, spec, classifier))
    if not opened:
        why = "; ".join(dict.fromkeys(failures))
        raise BenchmarkError(
            f"nothing to measure: {why or 'none of the backends asked for executes any of the variants asked for'}"
        )
    return opened, skipped


def _variants(model: str, asked: Sequence[str], spec: Path | None) -> list[tuple[str | None, str]]:
    path = DEFAULT_MODEL if model == "default" else Path(model)
    if not path.is_dir() and path.suffix.lower() != ".zip":
        named = [name for name in asked if name != ALL]
        # refuses a variant of a bare file; which runtime executes it is not known yet
        file = open_model(model, variant=named[0] if named else None, spec=spec, trusted=True)
        return [(None, file.model_format)]
    if list(asked) == [ALL]:
        open_model(model, spec=spec)  # says what is wrong with a folder that is no bundle
        return [(name, name.split("-")[0]) for name in Bundle.open(path).variants]
    return [(name, open_model(model, variant=name).model_format) for name in dict.fromkeys(asked) if name != ALL]


def _backends(model_format: str, asked: Sequence[str]) -> list[tuple[str, bool]]:
    """Names to open for a format, each with whether it was asked for by name."""
    chosen: dict[str, bool] = {}
    for name in asked:
        if name == ALL:
            chosen.update({one: False for one in backends_for(model_format) if one not in chosen})
        elif name == AUTO:
            chosen.setdefault(AUTO, False)
        elif backend_format(name) == model_format:
            chosen[name] = True
    return sorted(chosen.items(), key=lambda item: BACKENDS.index(item[0]) if item[0] in BACKENDS else -1)
