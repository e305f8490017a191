"""What it costs that an int8 file takes raw pixels: `python -m onsight_benchmarks.raw_input RUN... --out FILE.json`.

Each run's network is converted to TFLite int8 twice: as onsight exports it, with its Rescaling folded in and uint8
pixels going in, and without the Rescaling, int8 going in and out, as if pixels came scaled already. Both have the same
weights and the same calibration pictures. Their invokes take turns in short blocks in one process, single-threaded
(see onsight_benchmarks.rounds); the ratio is the median of the ratios of the blocks' medians, with a bootstrap
interval.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, WARMUP, measure_rounds, timed_call
from onsight_benchmarks.stats import Ratio, paired_ratio, summarise
from onsight_edge.errors import BenchmarkError, MissingExtraError, UsageError
from onsight_edge.files import sha256_bytes

MOST_RATIO = 1.03
ITERATIONS = 4000
_CALIBRATION = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """One network's two files, of which only the first takes raw pixels.

    Attributes:
        name: the run's.
        model_sha256: of its model.keras.
        raw: .tflite, uint8 pixels in.
        scaled: .tflite of the same network without its Rescaling, int8 in.
    """

    name: str
    model_sha256: str
    raw: bytes
    scaled: bytes


def convert_pair(run: Path) -> Pair:
    """Convert a run's network both ways.

    Raises:
        BenchmarkError: its network does not begin with a Rescaling. MissingExtraError: no TensorFlow.
        ModelError, DataError: no such run, or its data set is gone.
    """
    from onsight_export.run import import_tensorflow, load_keras, load_run_data, open_run

    import_tensorflow()
    import keras

    opened = open_run(run)
    model = load_keras(opened)
    first = next((layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)), None)
    if not isinstance(first, keras.layers.Rescaling):
        raise BenchmarkError(f"{run}: its network does not begin with a Rescaling: there is nothing to compare")
    train = load_run_data(opened).train.images
    drawn = np.random.default_rng(0).choice(len(train), min(_CALIBRATION, len(train)), replace=False)
    ends = np.stack([np.zeros_like(train[0]), np.full_like(train[0], 255)])
    pixels = np.concatenate([train[np.sort(drawn)], ends]).astype(np.float32)
    if isinstance(model, keras.Sequential):
        rest = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)][1:]
        without = keras.Sequential([keras.Input(first.output.shape[1:]), *rest])
    else:
        without = keras.Model(first.output, model.outputs[0])
    scaled = pixels * np.float32(first.scale) + np.float32(first.offset)
    return Pair(opened.name, opened.sha256, _to_int8(model, pixels, "uint8"), _to_int8(without, scaled, "int8"))


def measure(runs: Sequence[Path], *, iterations: int = ITERATIONS, seed: int = 0) -> Report:
    """Measure the runs one after the other.

    Args:
        runs: folders that `onsight train` wrote.
        iterations: invokes of each side.
        seed: of the order of the blocks and of the input.

    Raises:
        UsageError: no runs, or two of one name.
    """
    pairs = [convert_pair(run) for run in runs]
    if not pairs or len({pair.name for pair in pairs}) != len(pairs):
        raise UsageError("name at least one run, and each only once")
    watch = Watch(busy=True)
    results, rounds = {}, 0
    for pair in pairs:
        calls = [invoke_call(data, seed) for data in (pair.raw, pair.scaled)]
        blocks = measure_rounds([timed_call(call) for call in calls], iterations=iterations, rng=random.Random(seed))
        rounds = len(blocks[0])
        taken = [np.concatenate(one)[:, 0] / 1e6 for one in blocks]
        raw, scaled = ([float(np.median(block)) for block in one] for one in blocks)
        results[pair.name] = {
            "latency_ms": {
                name: summarise(values, digits=6) for name, values in zip(("raw", "scaled"), taken, strict=True)
            },
            "ratio": paired_ratio(raw, scaled, seed),
        }
    return finish(
        "raw_input",
        watch,
        method={
            "runs": {pair.name: _describe(pair) for pair in pairs},
            "threads": 1,
            "seed": seed,
            "warmup": WARMUP,
            "rounds": rounds,
            "block": BLOCK,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
        },
        results=results,
        targets=tuple(
            Target(f"{name}: invoke with uint8 pixels over int8 without Rescaling", _ratio(one).median, MOST_RATIO)
            for name, one in results.items()
        ),
    )


def invoke_call(data: bytes, seed: int) -> Callable[[], object]:
    """The invoke of a .tflite file on a random picture, after `WARMUP` unmeasured ones.

    Raises:
        MissingExtraError: no LiteRT.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("ai-edge-litert", "", "invoking TFLite files") from error
    from onsight_export.quiet import quiet

    with quiet():  # LiteRT tells of its XNNPACK delegate
        interpreter = Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    limits = np.iinfo(given["dtype"])
    drawn = np.random.default_rng(seed).integers(limits.min, limits.max + 1, given["shape"])
    interpreter.set_tensor(given["index"], drawn.astype(given["dtype"]))
    invoke: Callable[[], object] = interpreter.invoke
    for _ in range(WARMUP):
        invoke()
    return invoke


def _to_int8(model: Any, calibration: NDArray[np.float32], edge: str) -> bytes:
    from onsight_export.quiet import quiet
    from onsight_export.run import import_tensorflow
    from onsight_export.tflite import saved_model

    tf = import_tensorflow()
    with saved_model(model) as folder, quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(edge)
        data: bytes = converter.convert()
    return data


def _describe(pair: Pair) -> dict[str, Any]:
    return {
        "model_sha256": pair.model_sha256,
        "raw": {"bytes": len(pair.raw), "sha256": sha256_bytes(pair.raw)},
        "scaled": {"bytes": len(pair.scaled), "sha256": sha256_bytes(pair.scaled)},
    }


def _ratio(result: dict[str, Any]) -> Ratio:
    found: Ratio = result["ratio"]
    return found


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders that onsight train wrote")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="invokes of each side (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the input")
    options = parser.parse_args()
    report = measure(options.runs, iterations=max(1, options.iterations), seed=options.seed)
    lines = []
    for name, one in report.results.items():
        raw, scaled = (one["latency_ms"][side].p50 * 1e3 for side in ("raw", "scaled"))
        ratio = _ratio(one)
        interval = f"{ratio.median:.4f}x ({ratio.low:.4f}-{ratio.high:.4f})"
        lines.append(f"{name}: raw pixels {raw:.1f} us, scaled {scaled:.1f} us, {interval}")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
