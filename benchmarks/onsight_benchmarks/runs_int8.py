"""The int8 side of a comparison: a run's int8 file, made once and kept in the cache, and how fast such files are.

Run folders stay as training left them. A file is kept under a name made of all that decides it, the weights' digest
first, so that a second comparison finds it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.conditions import Conditions, Watch
from onsight_benchmarks.measurement import STAGES
from onsight_benchmarks.picture import Picture, make_frame
from onsight_benchmarks.rounds import BLOCK, ITERATIONS, WARMUP, measure_rounds, timed_stages
from onsight_benchmarks.runs import RunFacts
from onsight_benchmarks.stats import Summary, summarise
from onsight_edge import __version__
from onsight_edge.bundle import Bundle
from onsight_edge.classifier import Classifier
from onsight_edge.errors import IntegrityError, ModelError
from onsight_edge.files import cache_folder, canonical_json, sha256_bytes, write_json
from onsight_export.report import SCHEMA as REPORT_SCHEMA

VARIANT = "tflite-int8"
_ANY_DROP = 100.0  # points: a comparison shows what was lost, it does not judge it

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Int8:
    """A run's int8 file, checked on all test pictures as a device executes it.

    Attributes:
        bundle: where it is kept.
        bytes: of the file.
        correct, pictures: on the test part.
        drop_points: Keras's accuracy minus its own, in percentage points.
        agreement: share of pictures on which it names the class that Keras names.
    """

    bundle: Path
    bytes: int
    correct: int
    pictures: int
    drop_points: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """Measured in turns in one process, one thread each.

    Attributes:
        stages: for each file, stage -> Summary in milliseconds (see onsight_benchmarks.record.STAGES).
        backend: what executed them, with its version.
        picture: the frame.
        calls: measured of each.
        conditions: of the machine meanwhile.
        objections: why the times should not count.
    """

    stages: tuple[dict[str, Summary], ...]
    backend: str
    picture: Picture
    calls: int
    conditions: Conditions
    objections: tuple[str, ...]


def kept_folder(run: RunFacts) -> Path:
    """Where what was made of a run's weights is kept."""
    spec = run.folder / "spec.json"
    try:
        described = spec.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {spec}: {error.strerror}") from error
    key = {
        "weights": run.model_sha256,
        "spec": sha256_bytes(described),
        "data": run.data_sha256,
        "by": __version__,
        "report": REPORT_SCHEMA,
    }
    return cache_folder() / "compare" / sha256_bytes(canonical_json(key).encode())[:32]


def int8_bundle(run: RunFacts, variant: str = VARIANT, progress: Progress = lambda what, done, total: None) -> Path:
    """The bundle with a run's int8 variant: from the cache, or exported into it now.

    Raises:
        ModelError, DataError: the run cannot be exported, or its data set is gone or has changed.
        MissingExtraError: the packages that exporting needs are not installed.
        OnsightError: the cache cannot be written to.
    """
    bundle = kept_folder(run) / f"{variant}.bundle"
    if bundle.exists():
        try:
            Bundle.open(bundle)
        except ModelError:  # damaged, or by another onsight: it can be made again
            shutil.rmtree(bundle, ignore_errors=True)
        else:
            return bundle
    from onsight_export.export import export_run
    from onsight_export.options import ExportOptions
    from onsight_export.variants import parse_quant

    options = ExportOptions(variants=parse_quant(variant), max_drop_points=_ANY_DROP, min_agreement=0)
    export_run(run.folder, bundle, options, progress)
    return bundle


def open_int8(run: RunFacts, progress: Progress = lambda what, done, total: None) -> Int8:
    """`int8_bundle`, and what its export found out.

    Raises:
        as `int8_bundle`; IntegrityError: the kept report is not one.
    """
    bundle = int8_bundle(run, VARIANT, progress)
    opened = Bundle.open(bundle)
    try:
        report = json.loads(opened.read(opened.files["report.json"]))
        found = next(one for one in report["variants"] if one["variant"] == VARIANT)
        return Int8(
            bundle=bundle,
            bytes=int(found["bytes"]),
            correct=int(found["correct"]),
            pictures=int(report["pictures"]),
            drop_points=float(found["drop_points"]),
            agreement=float(found["agreement"]),
        )
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise IntegrityError(f"{bundle}/report.json is not an export's report ({error!r}): remove {bundle}") from error


def known_macs(run: RunFacts, count: bool) -> int | None:
    """A run's multiply-accumulates: from its metrics, from the cache, or counted now and kept there.

    None where nobody has counted, or where the network holds a layer that `count_macs` does not know.

    Args:
        run: whose.
        count: load the network and count if nobody knows; else None.

    Raises:
        ModelError: the network cannot be loaded. MissingExtraError: Keras is not installed.
    """
    if run.macs is not None:
        return run.macs
    kept = kept_folder(run) / "macs.json"
    try:
        return int(json.loads(kept.read_text(encoding="utf-8"))["macs"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not count:
        return None
    from onsight_train.evaluate import open_run
    from onsight_train.macs import count_macs

    macs: int | None = count_macs(open_run(run.folder)[0])
    if macs is not None:
        write_json(kept, {"macs": macs})
    return macs


def measure_latencies(
    bundles: Sequence[Path],
    *,
    iterations: int = ITERATIONS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Latencies:
    """Time the int8 files of several runs in turns, as `onsight bench` does (see onsight_benchmarks.rounds).

    Args:
        bundles: at least one, each with a `tflite-int8` variant.
        iterations: measured calls of each, rounded up to whole blocks.
        seed: of the order and the frame.
        progress: told the share that is done.

    Raises:
        ModelError, BackendError: a file cannot be opened or executed.
    """
    frame, picture = make_frame(seed=seed)
    classifiers: list[Classifier] = []
    try:
        for bundle in bundles:  # one by one: those opened before are closed where one cannot be
            classifiers.append(Classifier.open(bundle, variant=VARIANT, threads=1))  # noqa: PERF401
        for classifier in classifiers:
            for _ in range(WARMUP):
                classifier.classify_timed(frame)
        watch = Watch()
        rounds = measure_rounds(
            [timed_stages(classifier, frame) for classifier in classifiers],
            iterations=iterations,
            rng=random.Random(seed),
            progress=progress,
        )
        conditions, objections = watch.stop(os.cpu_count() or 1)
        backend = classifiers[0].backend
        described = f"{backend.name} {backend.version}"
    finally:
        for classifier in classifiers:
            classifier.close()
    stages = tuple(
        {
            stage: summarise([float(row[column]) / 1e6 for block in blocks for row in block], digits=6)
            for column, stage in enumerate(STAGES)
        }
        for blocks in rounds
    )
    return Latencies(stages, described, picture, len(rounds[0]) * BLOCK, conditions, objections)
