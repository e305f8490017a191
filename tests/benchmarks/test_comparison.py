"""`onsight compare`: known ratios, refusals, the document and the page, on records with known figures."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import typing
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onsight_benchmarks.comparison.comparison import Comparison, compare_records
from onsight_benchmarks.comparison.document import comparison_json
from onsight_benchmarks.comparison.page import render
from onsight_benchmarks.comparison.ratios import times
from onsight_benchmarks.conditions import Conditions
from onsight_benchmarks.measurement import (
    Energy,
    Frames,
    KnownAccuracy,
    MeasuredBackend,
    MeasuredModel,
    Measurement,
    Moment,
    Scenario,
)
from onsight_benchmarks.picture import Picture
from onsight_benchmarks.provenance import Provenance
from onsight_benchmarks.record import Gpu, Method, Record, Skipped
from onsight_benchmarks.stats import summarise
from onsight_benchmarks.tables.gpu import gpu_section
from onsight_benchmarks.tables.table import Loaded
from onsight_edge.device import DeviceInfo
from onsight_edge.errors import BenchmarkError, UsageError

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

STAGES = ("preprocess", "inference", "postprocess")
ROUNDS, BLOCK = 30, 10


def measurement(
    scale: float = 1.0,
    *,
    variant: str = "tflite-int8",
    backend: str = "litert",
    threads: int = 1,
    source: str | None = "5" * 64,
    sha256: str | None = None,
    batch: int = 1,
    stages: Sequence[str] = STAGES,
    seed: int = 0,
    keep: bool = True,
) -> Measurement:
    """300 calls of about 0.1, 1 and 0.02 ms times `scale`, with 2 % of noise from `seed`."""
    draw = np.random.default_rng(seed)
    bases = dict(zip(stages, (0.1, 1.0, 0.02), strict=True))
    values = {stage: scale * base * draw.normal(1, 0.02, ROUNDS * BLOCK) for stage, base in bases.items()}
    values["end_to_end"] = np.sum(list(values.values()), axis=0)
    return Measurement(
        model=MeasuredModel(
            name="net",
            variant=variant,
            file=f"{variant}.tflite",
            bytes=1000,
            sha256=sha256 or (variant + "0" * 64)[:64],
            spec_sha256="c" * 64,
            preprocess_sha256="d" * 64,
            source_sha256=source,
        ),
        backend=MeasuredBackend(backend, "1.0", threads, ""),
        latency_ms={stage: summarise(found, digits=6) for stage, found in values.items()},
        throughput_fps=batch * 1e3 / float(values["end_to_end"].mean()),
        init_ms=10.0,
        first_ms=2.0,
        rss_mib=50.0,
        rss_peak_mib=50.0,
        valid=True,
        invalid_because=(),
        values_us={stage: tuple((found * 1e3).tolist()) for stage, found in values.items()} if keep else None,
        batch=batch,
    )


def record(*measurements: Measurement, cpu: str = "Cortex-A76", invalid: Sequence[str] = ()) -> Record:
    """A record of them, on a made device."""
    return Record(
        onsight=Provenance("0.1.0", "abcdef123456"),
        taken="2026-01-02T03:04:05Z",
        device=DeviceInfo(None, "aarch64", cpu, 4, 4096, "Debian", "6.12", "CPython 3.11", None, None, "2.4", "5.0"),
        method=Method(
            order="in turns",
            clock="perf_counter_ns",
            picture=Picture("synthetic", (640, 480), "e" * 64),
            seed=0,
            warmup=20,
            rounds=ROUNDS,
            block=BLOCK,
            settle_calls=2,
            settle_ms=2.0,
            fresh=3,
        ),
        conditions=Conditions(12.5, others_cores=0.02),
        measurements=tuple(replace(one, valid=not invalid, invalid_because=tuple(invalid)) for one in measurements),
        comparisons=(),
        skipped=(),
        valid=not invalid,
        invalid_because=tuple(invalid),
    )


def compare(folder: Path, *records: Record, **options: object) -> Comparison:
    paths = []
    for place, one in enumerate(records):
        paths.append(folder / f"r{place}.json")
        one.save(paths[-1])
    return compare_records(paths, **options)  # type: ignore[arg-type]


# ratios


def test_a_ratio_between_records_is_that_of_their_medians_and_its_interval_holds_the_truth(tmp_path: Path) -> None:
    found = compare(tmp_path, record(measurement(2.0)), record(measurement(seed=1)))
    (beside,) = found.beside
    for stage in ("end_to_end", "inference", "preprocess"):
        one = beside.stages[stage]
        assert one.low is not None and one.high is not None
        assert one.way == "unpaired" and one.low < 0.5 < one.high and one.high - one.low < 0.02
        assert one.answer == "faster"
    assert beside.throughput is not None and beside.throughput.ratio == pytest.approx(2, rel=0.01)
    assert beside.throughput.low is not None and beside.throughput.low < 2 < (beside.throughput.high or 0)
    assert found.alike == found.beside and [one.name for one in found.best] == [
        "A tflite-int8/litert/1",
        "B tflite-int8/litert/1",
    ]


def test_within_a_record_rounds_are_paired_so_that_what_hit_both_cancels(tmp_path: Path) -> None:
    slow, fast = measurement(2.0), measurement(seed=1, backend="onnxruntime")
    drift = np.repeat(np.linspace(1, 3, ROUNDS), BLOCK)  # the machine grows slower for both

    def drifted(one: Measurement) -> Measurement:
        assert one.values_us is not None
        values = {stage: np.asarray(found) * drift for stage, found in one.values_us.items()}
        return replace(
            one,
            latency_ms={stage: summarise(found / 1e3) for stage, found in values.items()},
            values_us={stage: tuple(found.tolist()) for stage, found in values.items()},
        )

    found = compare(tmp_path, record(drifted(slow), drifted(fast)))
    assert found.reference.label == "tflite-int8/onnxruntime/1"
    (beside,) = found.beside
    one = beside.stages["end_to_end"]
    assert one.way == "paired" and one.ratio == pytest.approx(2, rel=0.01) and one.answer == "slower"
    assert one.high is not None and one.low is not None and one.high - one.low < 0.1


def test_between_sessions_the_fastest_calls_decide_and_medians_must_agree(tmp_path: Path) -> None:
    def disturbed(one: Measurement) -> Measurement:
        """Four calls in five take a tenth longer, as beside a neighbour."""
        assert one.values_us is not None
        slowed = np.where(np.arange(ROUNDS * BLOCK) % 5 == 0, 1.0, 1.1)
        values = {stage: np.asarray(found) * slowed for stage, found in one.values_us.items()}
        summaries = {stage: summarise(found / 1e3) for stage, found in values.items()}
        kept = {stage: tuple(found.tolist()) for stage, found in values.items()}
        return replace(one, latency_ms=summaries, values_us=kept)

    found = compare(tmp_path, record(measurement()), record(disturbed(measurement(seed=1))))
    one = found.beside[0].stages["end_to_end"]
    assert one.answer == "no difference" and one.low is not None and one.low > 1.05
    slower = compare(tmp_path, record(measurement()), record(measurement(1.08, seed=1))).beside[0].stages["end_to_end"]
    assert slower.answer == "slower"


def test_without_values_there_is_a_ratio_but_no_interval(tmp_path: Path) -> None:
    found = compare(tmp_path, record(measurement(2.0)), record(measurement(keep=False)))
    one = found.beside[0].stages["end_to_end"]
    assert (one.low, one.high, one.way, one.answer) == (None, None, "figures", None)
    assert str(one) == "0.50x"


def test_a_batch_is_compared_by_throughput_alone(tmp_path: Path) -> None:
    found = compare(tmp_path, record(measurement()), record(measurement(batch=32), measurement(0.1, batch=1)))
    batch, single = found.beside
    assert batch.of.label == "tflite-int8/litert/1/b32" and not batch.stages
    assert batch.throughput is not None and batch.throughput.ratio == pytest.approx(32, rel=0.01)
    assert single.stages["end_to_end"].ratio == pytest.approx(0.1, rel=0.02)
    assert [one.label for one in found.best] == ["tflite-int8/litert/1", "tflite-int8/litert/1"]


def test_beside_a_gpu_all_times_are_of_the_network_alone(tmp_path: Path) -> None:
    gpu = measurement(0.5, variant="keras", backend="torch", stages=("h2d", "compute", "d2h"), seed=1)
    found = compare(tmp_path, record(measurement()), record(gpu))
    (beside,) = found.beside
    assert found.network_alone and any("B's calls begin with the network's input" in one for one in found.remarks)
    # 0.56 ms from host to host beside 1 ms of inference, not beside 1.12 ms from the frame on
    assert beside.time is not None and beside.time.ratio == pytest.approx(0.56, rel=0.01)
    assert beside.throughput is not None and beside.throughput.ratio == pytest.approx(1 / 0.56, rel=0.01)
    assert not beside.stages and beside.headline is None
    assert found.reference.fps == pytest.approx(1000, rel=0.01)
    alone = compare(tmp_path, record(gpu))
    assert not alone.network_alone and alone.reference.p50_ms == pytest.approx(0.56, rel=0.01)


def test_scenarios_compare_their_headline_figures(tmp_path: Path) -> None:
    def p90(one: Measurement) -> Measurement:
        whole = one.latency_ms["end_to_end"]
        assert whole is not None
        return replace(one, scenario=Scenario("single-stream", 1, 300, "p90_ms", whole.p90, 64))

    found = compare(tmp_path, record(p90(measurement(2.0))), record(p90(measurement(seed=1))))
    headline = found.beside[0].headline
    assert headline is not None and headline.low is not None and headline.high is not None
    assert headline.low < 0.5 < headline.high
    offline = replace(measurement(batch=8), scenario=Scenario("offline", 8, 300, "pictures_per_s", 800.0))
    other = compare(tmp_path, record(p90(measurement())), record(offline))
    assert other.beside[0].headline is None and other.beside[0].of.label == "tflite-int8/litert/1/b8 offline"


def test_what_took_no_turns_is_not_paired_and_its_interval_is_of_many_blocks(tmp_path: Path) -> None:
    # LoadGen and cameras measure one after the other: their records have one round that holds everything
    both = record(measurement(2.0, variant="tflite-float32"), measurement(seed=1))
    both = replace(both, method=replace(both.method, rounds=1, block=ROUNDS * BLOCK))
    (beside,) = compare(tmp_path, both, to="tflite-int8/litert/1").beside  # type: ignore[arg-type]
    assert beside.time is not None and beside.time.low is not None and beside.time.high is not None
    assert (beside.time.way, beside.time.answer) == ("unpaired", "slower")
    assert beside.time.low < 2.0 < beside.time.high and beside.time.high - beside.time.low > 0.001


def test_energy_is_a_ratio_where_both_have_a_sensor(tmp_path: Path) -> None:
    def costing(joules: float) -> Measurement:
        return replace(measurement(), energy=Energy("rapl", joules, 2.0, joules / 0.3))

    found = compare(tmp_path, record(costing(3.0)), record(costing(1.5)), record(measurement(seed=3)))
    assert [one.energy for one in found.beside] == [0.5, None]


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.00412, "0.0041"), (0.45, "0.45"), (1, "1.00"), (0.123, "0.123"), (12.34, "12.3"), (1240.2, "1,240")],
)
def test_ratios_are_written_in_few_digits(ratio: float, text: str) -> None:
    assert times(ratio) == text


# what is compared with what


def test_the_reference_and_what_is_shown_can_be_chosen(tmp_path: Path) -> None:
    pair = (measurement(), measurement(2.0, variant="onnx-int8"))
    found = compare(tmp_path, record(*pair), record(*pair), to="B onnx-int8/litert/1", only=("onnx-*", "A *"))
    assert found.reference.name == "B onnx-int8/litert/1"
    assert [one.name for one in found.subjects] == [
        "A tflite-int8/litert/1",
        "A onnx-int8/litert/1",
        "B onnx-int8/litert/1",
    ]
    with pytest.raises(UsageError, match="no measurement is called so; there are A tflite-int8/litert/1"):
        compare(tmp_path, record(*pair), record(*pair), to="keras")
    with pytest.raises(UsageError, match="no measurement matches keras"):
        compare(tmp_path, record(*pair), only=("keras",))


def test_measurements_of_one_label_are_told_apart(tmp_path: Path) -> None:
    eager, compiled = (
        replace(measurement(scale), backend=MeasuredBackend("torch", "2.9", 1, detail))
        for scale, detail in ((2.0, "eager"), (1.0, "compiled"))
    )
    found = compare(tmp_path, record(eager, compiled, compiled))
    labels = [one.label for one in found.subjects]
    assert labels == ["tflite-int8/torch/1 (eager)", *(f"tflite-int8/torch/1 (compiled) (tflite-int8.tflite){end}"
                      for end in ("", " #2"))]  # fmt: skip


def test_records_of_one_name_are_named_with_their_folders(tmp_path: Path) -> None:
    for board in ("pi4", "pi5"):
        (tmp_path / board).mkdir()
        record(measurement()).save(tmp_path / board / "latency.json")
    found = compare_records([tmp_path / "pi4" / "latency.json", tmp_path / "pi5" / "latency.json"])
    assert [one.name for one in found.entries] == ["pi4/latency", "pi5/latency"]


def without_defaults(kind: Any, value: Any) -> Any:
    """A record as it was before the fields that have defaults."""
    if not dataclasses.is_dataclass(kind) or not isinstance(value, dict):
        return [without_defaults(kind, one) for one in value] if isinstance(value, list) else value
    hints = typing.get_type_hints(kind)
    inner = {
        name: next((one for one in typing.get_args(hint) if one is not type(None)), hint)
        for name, hint in hints.items()
    }
    old = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    return {key: without_defaults(inner.get(key), one) for key, one in value.items() if key in old or key not in hints}


def test_old_records_are_read(tmp_path: Path) -> None:
    value = json.loads((RESULTS / "latency-resnet8.json").read_text())
    old = without_defaults(Record, value)
    assert "scenario" in value["measurements"][0] and "scenario" not in old["measurements"][0]
    assert "series" not in old["conditions"] and old["kind"] == "latency"
    file = tmp_path / "old.json"
    file.write_text(json.dumps(old))
    found = compare_records([file])
    assert len(found.subjects) == len(value["measurements"]) and not found.remarks


# refusals


def test_other_weights_are_refused_unless_told(tmp_path: Path) -> None:
    ours, theirs = record(measurement()), record(measurement(source="6" * 64, sha256="9" * 64))
    with pytest.raises(
        BenchmarkError, match=r"r0 and r1 hold different weights: .*555555555555.*666666666666.*--different-models"
    ):
        compare(tmp_path, ours, theirs)
    found = compare(tmp_path, ours, theirs, different_models=True)
    assert "different weights" in found.cautions[0]


def test_one_file_or_one_source_or_a_record_between_them_is_the_same_weights(tmp_path: Path) -> None:
    old = record(measurement(source=None, sha256="1" * 64))
    new = record(measurement(sha256="1" * 64), measurement(variant="onnx-int8"))
    gpu = record(measurement(variant="keras", sha256="5" * 64, source=None))
    assert len(compare(tmp_path, old, new).entries) == 2
    assert len(compare(tmp_path, new, gpu).entries) == 2  # the network itself, and what was exported from it
    assert len(compare(tmp_path, old, gpu, new).entries) == 3
    with pytest.raises(
        BenchmarkError, match=r"nothing says that r0 \(net\) and r1 \(net\) hold .* neither tells what network"
    ):
        compare(tmp_path, old, gpu)


def test_other_preprocessing_is_refused_unless_told(tmp_path: Path) -> None:
    def other(one: Measurement) -> Measurement:
        return replace(one, model=replace(one.model, preprocess_sha256="7" * 64))

    with pytest.raises(
        BenchmarkError, match=r"r0 and r1 bring frames .* dddddddddddd .* 777777777777 .*--different-prep"
    ):
        compare(tmp_path, record(measurement()), record(other(measurement())))
    found = compare(tmp_path, record(measurement()), record(other(measurement())), different_preprocessing=True)
    assert "differently" in found.cautions[0]


def test_what_is_no_latency_record_gets_a_line(tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    record(measurement()).save(good)
    value = json.loads(good.read_text())
    for text, said in (
        ("{", "not JSON"),
        ('{"schema": 1, "kind": "overhead"}', "a record of 'overhead'"),
        (json.dumps({**value, "measurements": []}), "holds no measurement"),
        (good.read_text().replace('"throughput_fps": ', '"throughput_fps": -'), "throughput_fps: -"),
        (re.sub(r'"p90": [0-9.]+', '"p90": 0.05', good.read_text(), count=1), "contradicts itself: preprocess: p90"),
        (re.sub(r'"count": 300', '"count": 299', good.read_text(), count=1), "contradicts itself: preprocess: count"),
        (re.sub(r'"p50": [0-9.]+', '"p50": NaN', good.read_text(), count=1), "NaN is no number"),
    ):
        bad = tmp_path / "bad.json"
        bad.write_text(text)
        with pytest.raises(BenchmarkError, match=f"bad.json.*{re.escape(said)}"):
            compare_records([good, bad])
    with pytest.raises(BenchmarkError, match=r"cannot read .*gone\.json"):
        compare_records([tmp_path / "gone.json"])
    with pytest.raises(UsageError, match="named twice"):
        compare_records([good, tmp_path / "." / "good.json"])
    with pytest.raises(UsageError, match="at least one"):
        compare_records([])


def test_dry_runs_and_invalid_records_are_named(tmp_path: Path) -> None:
    dry = record(measurement(variant="keras"), cpu="AMD EPYC", invalid=("a dry run: no GPU took part",))
    found = compare(tmp_path, record(measurement(), invalid=("the machine was busy",)), dry)
    assert "B (r1) is a dry run on AMD EPYC" in found.cautions[0]
    assert any("A (r0) is not valid: the machine was busy" in one for one in found.cautions)
    text = unescape(render(found))
    assert "no GPU's figures" in text and "dry run" in text
    assert found.beside[0].time is not None and found.beside[0].time.answer is None
    assert found.entries[1].device == "AMD EPYC (dry run, no GPU)"
    assert "× as fast" not in text  # a rehearsal makes no headline
    document = comparison_json(found)
    assert [one["dry_run"] for one in document["records"]] == [False, True]


def test_the_benchmarks_readme_sets_the_edge_beside_a_gpu(tmp_path: Path) -> None:
    edge, gpu = everything()
    edge.save(tmp_path / "pi.json")
    gpu.save(tmp_path / "gpu.json")
    record(measurement(source="6" * 64, sha256="9" * 64)).save(tmp_path / "stranger.json")
    text = gpu_section([Loaded.load(path) for path in sorted(tmp_path.glob("*.json"))])
    rows = [line for line in text.splitlines() if line.startswith(("| gpu |", "| pi |", "| stranger |"))]
    assert len(rows) == 2 and "| NVIDIA H200 | keras/torch/1 |" in rows[0] and "4.4" in rows[1]
    assert "**gpu**" in text and "| keras | torch | 32 |" in text


# the document and the page


def everything() -> tuple[Record, Record]:
    known = KnownAccuracy(880, 1000, "cifar10", "a" * 64)
    moments = tuple(
        Moment(10.0 * (i + 1), 100, 1.0 + i / 10, 2.0, 50.0 + i, 2400.0, ("throttled",) if i > 2 else ())
        for i in range(5)
    )
    live = replace(
        measurement(),
        scenario=Scenario("live", 1, 300, "age_p90_ms", 12.0),
        age_ms=summarise([5.0, 8.0, 12.0]),
        frames=Frames(310, 305, 300, 5),
    )
    edge = record(
        replace(measurement(), accuracy=known, over_time=moments, energy=Energy("pmic", 3.0, 2.5, 10.0)),
        replace(measurement(1.5, variant="onnx-int8"), accuracy=replace(known, correct=890)),
        live,
    )
    gpu = record(
        *(
            measurement(0.2 * batch, variant="keras", backend="torch", batch=batch, stages=("h2d", "compute", "d2h"))
            for batch in (1, 8, 32)
        )
    )
    gpu = replace(gpu, gpu=Gpu("NVIDIA H200", "570", "12.8", 143771, 1980.0, 2619.0, 300.0))
    return replace(edge, skipped=(Skipped("tflite-int8", "tflite-runtime", "it is not installed"),)), gpu


def test_the_document_has_what_is_documented(tmp_path: Path) -> None:
    document = json.loads(json.dumps(comparison_json(compare(tmp_path, *everything())), allow_nan=False))
    assert list(document) == [
        *(
            "schema",
            "kind",
            "onsight",
            "interval_level",
            "seed",
            "records",
            "network_alone",
            "reference",
            "best",
            "measurements",
        ),
        *("alike", "cautions", "remarks"),
    ]
    page = (Path(__file__).parents[2] / "docs" / "cli" / "compare.md").read_text()
    for part in (
        document,
        document["records"][0],
        document["measurements"][0],
        document["measurements"][1]["relative"],
    ):
        for key in part:
            assert re.search(rf"[`\s]{key}[`\s]", page), f"docs/cli/compare.md does not describe {key}"
    assert document["records"][1]["gpu"]["name"] == document["records"][1]["device"] == "NVIDIA H200"
    assert document["measurements"][0]["accuracy"]["accuracy"] == 0.88
    assert document["measurements"][0]["relative"] is None


class _Page(HTMLParser):
    """Holds the page to well-formedness, and gathers what it links to, its ids and its text."""

    VOID = ("meta", "link", "br", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            assert not key.startswith("on")
            if key == "id":
                self.ids.append(value or "")
            if key in ("href", "src", "action", "data", "srcset", "xlink:href"):
                self.links.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


@pytest.mark.parametrize("count", [1, 2])
def test_the_page_is_well_formed_and_needs_nothing_beside_itself(count: int, tmp_path: Path) -> None:
    text = render(compare(tmp_path, *everything()[:count]))
    page = _Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert "script" not in page.tags
    for link in page.links:
        assert link == "data:," or (link.startswith("#") and link[1:] in page.ids)
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    assert str(tmp_path) not in text and "r0" in text
    for anchor in ("distribution", "accuracy", "time", "stages", "scenarios", "energy", "measured"):
        assert anchor in page.ids
    assert ("batches" in page.ids) == (count == 2)
    assert "it is not installed" in text and "held back" in text
    if count == 2:
        assert "5.0" in text and "× as fast" in text and "NVIDIA H200" in text


def test_the_page_of_live_records_tells_of_ages_and_of_the_cameras_pace(tmp_path: Path) -> None:
    live = everything()[0].measurements[2]
    slower = replace(live, model=replace(live.model, variant="onnx-int8", sha256="9" * 64))
    text = unescape(render(compare(tmp_path, record(live, slower, invalid=("the machine was busy",)))))
    assert "results a second, at the camera's pace" in text and "one call after the other" not in text
    assert "12.000 ms</strong><span>p99: one frame in a hundred was older" in text
    assert "<li>Not valid: the machine was busy" in text and "A (r0)" not in text


def test_one_measurement_is_no_chart_of_accuracy_against_time(tmp_path: Path) -> None:
    edge = everything()[0]
    alone = compare(tmp_path, replace(edge, measurements=edge.measurements[:1]))
    assert "accuracy" not in _Page(render(alone)).ids and "88.00" in render(alone)


def test_the_same_records_give_the_same_page(tmp_path: Path) -> None:
    def page() -> str:
        return re.sub(r"at \d{4}-[0-9T:Z-]+ with", "", render(compare(tmp_path, *everything())))

    assert page() == page()


def test_many_records_are_one_page(tmp_path: Path) -> None:
    records = [record(measurement(1 + place / 5, seed=place, keep=place < 3)) for place in range(28)]
    found = compare(tmp_path, *records)
    assert [one.entry.letter for one in found.subjects][-3:] == ["Z", "AA", "AB"]
    page = _Page(render(found))
    assert len(page.ids) == len(set(page.ids))


def test_names_in_records_do_no_harm(tmp_path: Path) -> None:
    bad = '<script>alert("1")</script>\x1b[2J{{ 7*7 }}'
    one = measurement(variant=bad)
    hostile = replace(
        record(replace(one, model=replace(one.model, name=bad), backend=MeasuredBackend(bad, bad, 1, bad)), cpu=bad),
        invalid_because=(bad,),
        valid=False,
        skipped=(Skipped(bad, bad, bad),),
    )
    hostile = replace(hostile, method=replace(hostile.method, picture=Picture(bad, (640, 480), bad)))
    found = compare(tmp_path, hostile, record(measurement()), different_models=True)
    text = render(found)
    page = _Page(text)
    assert "script" not in page.tags and "{{ 7*7 }}" in text
    assert "\x1b" not in text + json.dumps(comparison_json(found), ensure_ascii=False)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_readable_on_screens_and_aloud(width: int, scheme: Any, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium is installed")
    (tmp_path / "page.html").write_text(render(compare(tmp_path, *everything())))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "page.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page).response["violations"]
        browser.close()
    assert [one["id"] for one in found] == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
