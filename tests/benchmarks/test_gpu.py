"""The GPU baseline: what needs no framework, and real dry runs on the CPU."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onsight.main import main
from onsight_benchmarks.gpu import card, frameworks, pictures
from onsight_benchmarks.gpu.baseline import DRY_RUN, bench_gpu
from onsight_benchmarks.gpu.kit import prepare_kit
from onsight_benchmarks.gpu.networks import find_networks
from onsight_benchmarks.gpu.records import How, take_records
from onsight_benchmarks.gpu.subjects import Reference, hold_against
from onsight_benchmarks.record import Record
from onsight_edge.bundle import write_manifest
from onsight_edge.errors import BenchmarkError, DataError, ModelError, OnsightError, UsageError
from onsight_edge.spec import ModelSpec

SPEC = ModelSpec("tiny", ("red", "green", "blue"), (16, 12))
LINE = "NVIDIA H200, 580.159.03, 143771, {sm}, 3201, 412.50, {reasons}"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a small network that really has batch norm, a convolution and a softmax."""
    pytest.importorskip("tensorflow")
    from onsight_train.frameworks import load_keras

    keras = load_keras()
    layers = keras.layers
    folder = tmp_path_factory.mktemp("gpu") / "tiny"
    folder.mkdir()
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(folder / "model.keras")
    SPEC.save(folder / "spec.json")
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (60, 12, 16, 3), dtype=np.uint8), np.arange(60) % 3
    np.savez(folder / "data.npz", x_train=x, y_train=y, x_test=x[::-1], y_test=y[::-1], classes=np.array(SPEC.classes))
    (folder / "data.json").write_text(json.dumps({"schema": 1, "uri": str(folder / "data.npz"), "size_wh": [16, 12]}))
    return folder


def test_a_card_is_read_from_nvidia_smi() -> None:
    text = "\n".join(
        [
            LINE.format(sm=1980, reasons="0x0000000000000000"),
            LINE.format(sm=1755, reasons="0x0000000000000004"),
            "NVIDIA",
        ]
    )
    gpu, held = card.summarise_card(card.read_lines(text), "by the framework", "13.0")
    assert (gpu.name, gpu.driver, gpu.cuda, gpu.memory_mib) == ("NVIDIA H200", "580.159.03", "13.0", 143771)
    assert (gpu.sm_mhz, gpu.memory_mhz, gpu.power_w) == (1867.5, 3201.0, 412.5)
    assert held == ()  # a power cap is no fault


def test_a_hot_card_speaks_against_the_record() -> None:
    _, held = card.summarise_card(card.read_lines(LINE.format(sm=900, reasons="0x0000000000000048")), "g", None)
    assert held == ("the GPU was held back: hardware slowdown, hardware thermal slowdown",)


def test_what_a_card_does_not_tell_is_none() -> None:
    lines = card.read_lines("Orin, 540.4.0, [N/A], [N/A], [Not Supported], [N/A], [N/A]")
    gpu, held = card.summarise_card(lines, "g", None)
    assert gpu == card.Gpu("Orin", "540.4.0", None, None, None, None, None) and held == ()
    assert card.summarise_card([], "AMD Instinct", None)[0].name == "AMD Instinct"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for nvidia-smi")
def test_a_card_is_watched_by_a_process_of_its_own(tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    line = LINE.format(sm=1980, reasons="0x0")
    smi.write_text(
        f'#!/bin/sh\n[ $# -eq 0 ] && echo "| CUDA Version: 13.0 |" && exit\necho "$@" > {tmp_path}/asked\n'
        f'echo "{line}"\ntouch {tmp_path}/told\nexec sleep 60\n'
    )
    smi.chmod(0o755)
    with card.CardWatch("g", str(smi)) as watch:
        assert watch._process is not None
        while not (tmp_path / "told").exists():
            assert watch._process.poll() is None
        gpu, _ = watch.stop()
    assert watch._process.returncode is not None
    assert (gpu.name, gpu.cuda, gpu.sm_mhz) == ("NVIDIA H200", "13.0", 1980.0)
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("-i ") and "--query-gpu=name,driver_version" in asked and "-lms 500" in asked


def test_scores_are_held_against_the_cpus() -> None:
    draw = np.random.default_rng(0)
    scores = draw.dirichlet([0.3] * 4, 100).astype(np.float32)
    reference = Reference(scores, "someone")
    agreement, said = hold_against(scores, reference, "pictures", "float32")
    assert (agreement.same, agreement.pictures, agreement.max_difference, said) == (100, 100, 0.0, ())
    assert hold_against(scores + np.float32(0.01), reference, "pictures", "float32")[1] == (
        "its scores differ from the CPU's by up to 0.01",
    )
    assert hold_against(scores + np.float32(0.01), reference, "pictures", "bfloat16")[1] == ()
    swapped = scores[:, ::-1]
    assert "names another class" in hold_against(swapped, reference, "pictures", "bfloat16")[1][0]
    broken = scores.copy()
    broken[0, 0] = np.nan
    assert hold_against(broken, reference, "pictures", "bfloat16")[1] == ("some of its scores are not numbers",)


def test_pictures_are_the_runs_own_test_pictures(run: Path) -> None:
    (network,) = find_networks(run)
    found = pictures.find_pictures(network, 0)
    assert found.real and found.of == "data test" and found.pixels.shape == (60, 12, 16, 3)
    again = pictures.find_pictures(network, 1)
    assert again.picture.sha256 == found.picture.sha256  # all sixty, in order


def test_without_the_data_set_pictures_are_seeded(run: Path, tmp_path: Path) -> None:
    (network,) = find_networks(run)
    moved = replace(network, path=tmp_path / "model.keras")
    found = pictures.find_pictures(moved, 5)
    assert not found.real and found.of == "seeded 5" and found.pixels.shape == (pictures.COUNT, 12, 16, 3)
    assert np.array_equal(found.pixels, pictures.seeded(SPEC, 5).pixels)
    assert len({one.tobytes() for one in found.pixels}) == pictures.COUNT


def test_pictures_travel_with_a_run(tmp_path: Path) -> None:
    shown = pictures.seeded(SPEC, 2, count=5)
    pictures.save(shown, tmp_path / pictures.CARRIED)
    back = pictures.carried(tmp_path / pictures.CARRIED, SPEC)
    assert np.array_equal(back.pixels, shown.pixels) and (back.of, back.real) == ("seeded 2", False)
    with pytest.raises(DataError, match="the network takes uint8"):
        pictures.carried(tmp_path / pictures.CARRIED, replace(SPEC, input_size_wh=(8, 8)))
    (tmp_path / pictures.CARRIED).write_bytes(b"PK")
    with pytest.raises(DataError, match="holds no pictures"):
        pictures.carried(tmp_path / pictures.CARRIED, SPEC)


def test_what_can_be_measured(run: Path, bundle: Path, tmp_path: Path) -> None:
    (network,) = find_networks(run)
    assert network.keras and network.model.source_sha256 == network.model.sha256
    assert network.model.preprocess_sha256 == SPEC.preprocess_sha256
    assert find_networks(run / "model.keras") == [network]
    assert [one.model.variant for one in find_networks(bundle)] == ["onnx-float32"]
    normalised = replace(SPEC, mean=(127.5,), std=(127.5,))
    normalised.save(tmp_path / "spec.json")
    (other,) = find_networks(run / "model.keras", spec=tmp_path / "spec.json")
    # normalised on the device: the host hands over what it hands to an exported file
    assert other.spec.raw_pixels and other.model.preprocess_sha256 == SPEC.preprocess_sha256


def test_what_cannot_be_measured_says_so(run: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        find_networks(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"has no \.onnx files"):
        find_networks(Path(__file__).parents[2] / "edge/onsight_edge/models/default.bundle")
    with pytest.raises(ModelError, match="no variant 'tflite-int8' that a GPU executes"):
        find_networks(bundle, ["tflite-int8"])
    with pytest.raises(UsageError, match="chooses from a bundle"):
        find_networks(run, ["onnx-float32"])
    lone = tmp_path / "lone.keras"
    lone.write_bytes(b"")
    with pytest.raises(UsageError, match="describe it with --spec"):
        find_networks(lone)


def test_frameworks_by_name() -> None:
    assert frameworks.candidates(["auto"], True) == ("jax", "torch", "tensorflow")
    assert frameworks.candidates(["torch", "jax", "torch"], True) == ("torch", "jax")
    assert frameworks.candidates(["all"], False) == ("onnxruntime",)
    with pytest.raises(UsageError, match="does not execute a run's network"):
        frameworks.candidates(["onnxruntime"], True)
    with pytest.raises(UsageError, match="does not execute a bundle's"):
        frameworks.candidates(["jax"], False)
    with pytest.raises(UsageError, match="no framework 'cuda'"):
        frameworks.candidates(["cuda"], True)


def test_without_a_gpu_one_line_says_what_was_looked_for(bundle: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    with pytest.raises(
        BenchmarkError, match=r"^no GPU to measure on: onnxruntime .*neither CUDA nor TensorRT.*--gpu-dry-run$"
    ):
        bench_gpu(bundle)


def test_a_dry_run_measures_all_and_never_counts(bundle: Path, tmp_path: Path) -> None:
    record = bench_gpu(bundle, batches=(1, 3), iterations=110, warmup=1, seed=4, dry_run=True)
    assert record.gpu is None and not record.valid and record.invalid_because[0] == DRY_RUN
    assert [one.batch for one in record.measurements] == [1, 3]
    for one in record.measurements:
        assert not one.valid and DRY_RUN in one.invalid_because
        assert set(one.latency_ms) == {"h2d", "compute", "d2h", "device", "end_to_end"}
        assert all(stage is not None and stage.min > 0 for stage in one.latency_ms.values())
        whole = one.latency_ms["end_to_end"]
        assert whole is not None and whole.count == 110
        assert one.throughput_fps == pytest.approx(1e3 * one.batch / whole.mean, rel=0.01)
        assert one.agreement is not None and one.agreement.same == one.agreement.pictures == pictures.COUNT
        assert (one.backend.name, one.model.variant) == ("onnxruntime-cpu", "onnx-float32")
        assert "CPU" in one.backend.detail
    single, batched = (one.scenario for one in record.measurements)
    assert single is not None and (single.name, single.metric) == ("single-stream", "p90_ms")
    assert batched is not None and (batched.name, batched.pictures_per_query) == ("offline", 3)
    record.save(tmp_path / "record.json")
    assert Record.load(tmp_path / "record.json") == record


def test_a_batch_that_a_file_does_not_take_is_left_out(bundle: Path, tmp_path: Path) -> None:
    import onnx

    folder = shutil.copytree(bundle, tmp_path / "fixed.bundle")
    model = onnx.load(folder / "onnx-float32.onnx")
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, folder / "onnx-float32.onnx")
    spec = find_networks(bundle)[0].spec
    write_manifest(folder, name="fixed", spec=spec, variants={"onnx-float32": "onnx-float32.onnx"}, extra=[])
    record = bench_gpu(folder, batches=(1, 2), iterations=10, warmup=1, dry_run=True)
    (only,) = record.measurements
    assert only.batch == 2 and only.agreement is not None and only.agreement.same == pictures.COUNT
    (left_out,) = record.skipped
    assert left_out.backend == "onnxruntime-cpu" and left_out.reason.startswith("batch 1: ")


def test_a_networks_dry_run_in_two_precisions(run: Path) -> None:
    record = bench_gpu(run, frameworks=["tensorflow"], batches=(2,), iterations=10, warmup=1, dry_run=True)
    assert [one.model.variant for one in record.measurements] == ["keras-float32", "keras-bfloat16"]
    for one in record.measurements:
        assert one.backend.name == "keras-tensorflow" and "XLA" in one.backend.detail
        assert one.agreement is not None and one.agreement.of == "data test"
        assert one.init_ms is not None and one.first_ms is not None
    exact, rounded = (one.agreement for one in record.measurements)
    assert exact is not None and exact.max_difference is not None and exact.max_difference < 1e-5
    assert rounded is not None and rounded.max_difference is not None and 0 < rounded.max_difference < 0.05
    (ratio,) = record.comparisons
    assert "bfloat16" in ratio.of and "float32" in ratio.to


def test_a_kit_carries_runs_their_pictures_and_untrained_networks(run: Path, tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    said = list(prepare_kit(kit, [run], ["onsight-nano"], seed=3))
    assert sorted(one.name for one in kit.iterdir()) == ["onsight-nano-untrained", "tiny"]
    assert said[0] == "tiny: trained, 60 pictures (data test)" and "weights drawn by seed 3" in said[1]
    (network,) = find_networks(kit / "tiny")
    assert network.model.sha256 == find_networks(run)[0].model.sha256  # so that `onsight compare` knows the weights
    assert np.array_equal(
        pictures.find_pictures(network, 0).pixels, pictures.find_pictures(find_networks(run)[0], 0).pixels
    )
    (untrained,) = find_networks(kit / "onsight-nano-untrained")
    assert untrained.spec.name == "onsight-nano untrained"
    with pytest.raises(OnsightError, match="exists already"):
        list(prepare_kit(kit, [run], []))
    with pytest.raises(UsageError, match="the same folder name"):
        list(prepare_kit(tmp_path / "other", [run, run], []))


def test_an_empty_kit_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gather them with: python -m onsight_benchmarks\.gpu\.records prepare"):
        list(take_records(tmp_path, tmp_path, How()))


@pytest.mark.slow
def test_records_are_taken_until_the_time_is_over(run: Path, tmp_path: Path) -> None:
    kit, out = tmp_path / "kit", tmp_path / "out"
    list(prepare_kit(kit, [run], ["seed-cnn"]))
    how = How(("tensorflow",), ("float32",), (1,), 10, dry_run=True)
    trained, untrained = take_records(kit, out, how, minutes=0.01)
    assert trained.path == out / "tiny-tensorflow-dry-run.json" and trained.record is not None
    assert Record.load(trained.path) == trained.record and not trained.record.valid
    assert untrained.record is None and untrained.failure.startswith("left out: 0 s were left")
    assert [one.name for one in out.iterdir()] == ["tiny-tensorflow-dry-run.json"]


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_commands_dry_run(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.json"
    flags = ["--batch", "1,2", "--iterations", "10", "--warmup", "1", "--out", str(out), "--no-values"]
    assert call(str(bundle), "--gpu-dry-run", *flags) == 0
    printed = capsys.readouterr().out
    assert "as a dry run: no GPU took part" in printed and "…" not in printed
    assert f"not valid: {DRY_RUN}" in printed and "the same class as onnxruntime on the CPU for 256 of 256" in printed
    record = Record.load(out)
    assert record.gpu is None and [one.values_us for one in record.measurements] == [None, None]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--gpu"], "the model that ships has neither"),
        (["MODEL", "--gpu", "--threads", "2"], "--threads does nothing with --gpu"),
        (["MODEL", "--gpu-dry-run", "--scenario", "live"], "--scenario does nothing with --gpu"),
        (["MODEL", "--precision", "tf32"], "--precision belongs to --gpu"),
        (["MODEL", "--gpu", "--batch", "many"], "--batch needs numbers such as 1,8"),
        (["MODEL", "--gpu", "--gpu-framework", "jax"], "jax does not execute a bundle's .onnx files"),
        (["MODEL", "--gpu", "--out", "record.txt"], "--out must name a .json file"),
    ],
)
def test_flags_that_do_nothing_are_refused(
    bundle: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert call(*(str(bundle) if flag == "MODEL" else flag for flag in flags)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_a_dry_run_in_other_frameworks(run: Path, framework: str) -> None:
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    record = bench_gpu(run, frameworks=[framework], batches=(2,), iterations=10, warmup=1, dry_run=True)
    for one in record.measurements:
        assert one.agreement is not None and one.agreement.max_difference is not None
        assert one.agreement.max_difference < (1e-4 if "float32" in one.model.variant else 0.05)


@pytest.mark.slow
def test_a_damaged_network_gets_one_line(run: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.keras"
    damaged.write_bytes((run / "model.keras").read_bytes()[:-50])
    SPEC.save(tmp_path / "spec.json")
    with pytest.raises(BenchmarkError, match=r"gives no answers on the CPU .*: tensorflow: cannot load model\.keras"):
        bench_gpu(
            tmp_path, frameworks=["tensorflow"], precisions=["float32"], batches=(1,), iterations=10, dry_run=True
        )


def test_numbers_and_names_are_checked_first(run: Path) -> None:
    with pytest.raises(UsageError, match="--batch"):
        bench_gpu(run, batches=(0,))
    with pytest.raises(UsageError, match="no precision 'fp8'"):
        bench_gpu(run, precisions=["fp8"])


def test_the_way_to_a_gpu_needs_no_opencv() -> None:
    """A machine with a GPU may have little more than NumPy, Keras and its framework."""
    wall = (
        "import sys\n"
        "for name in ('cv2', 'ai_edge_litert', 'tensorflow', 'jax', 'torch', 'onnxruntime', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "import onsight_benchmarks.gpu.baseline, onsight_benchmarks.gpu.worker, onsight.commands.bench\n"
        "import onsight_benchmarks.gpu.records\n"
    )
    subprocess.run([sys.executable, "-c", wall], check=True)
