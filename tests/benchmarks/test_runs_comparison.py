"""Run folders read and ranked without a network: metrics, curves and digests are all that is looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_benchmarks.accuracy_intervals import difference, paired_difference
from onsight_benchmarks.accuracy_record import publishable, record_name
from onsight_benchmarks.plot_labels import Box, leader, place_labels
from onsight_benchmarks.runs import PARTIAL, find_runs, group_runs, read_run, same_test
from onsight_benchmarks.runs_advice import Judged, advise, pareto
from onsight_benchmarks.runs_comparison import compare_runs
from onsight_benchmarks.runs_plot import draw_comparison, short
from onsight_edge.errors import DataError, ModelError, UsageError

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Writes a run folder as training does; keywords replace what is in metrics.json and data.json."""
    monkeypatch.setenv("ONSIGHT_CACHE", str(tmp_path / "cache"))

    def write(name: str, correct: int = 80, *, data: dict[str, Any] | None = None, **metrics: Any) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "model.keras").write_bytes(name.encode())
        (folder / "spec.json").write_text("{}")
        place: dict[str, Any] = {
            "uri": "pets.npz", "classes": ["cat", "dog"], "limit": None, "seed": 0, "validation": 0.1,
            "size_wh": [12, 12], "colour": "rgb", "resize": "squash", "sha256": "1" * 64,
        }  # fmt: skip
        place |= data or {}
        (folder / "data.json").write_text(json.dumps(place))
        known = {
            "test": {"pictures": 100, "correct": correct},
            "train": {"accuracy": 0.9},
            "validation": {"accuracy": 0.8},
            "gap": 0.1,
            "diagnosis": {"kind": "balanced", "sentence": "Neither."},
            "arch": "resnet8",
            "recipe": {"name": "standard", "epochs": 2},
            "parameters": 1000,
            "macs": 5000,
            "epochs": {"planned": 2, "done": 2, "kept": 2, "interrupted": False},
            "seconds": 12.5,
            "dataset": {"name": "pets", "sha256": place["sha256"]},
        }
        (folder / "metrics.json").write_text(json.dumps(known | metrics))
        (folder / "history.csv").write_text(
            "epoch,loss,accuracy,val_loss,val_accuracy,lr\n1,1.5,0.4,1.4,0.5,0.1\n2,1,0.6,1.1,0.6,0.1\n"
        )
        return folder

    return write


def test_a_run_is_read(make: Make) -> None:
    run = read_run(make("one", 93, recipe={"name": "best", "mixup": 0.2}))
    assert (run.name, run.accuracy, run.recipe, run.macs) == ("one", 0.93, "best", 5000)
    assert run.curves.epoch == (1, 2) and run.curves.val_loss == (1.4, 1.1)
    assert run.interval[0] < 0.93 < run.interval[1]


def test_partial_is_what_training_calls_it() -> None:
    from onsight_train.folder import PARTIAL as TRAINING_S

    assert PARTIAL == TRAINING_S


def _spoil(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: void((folder / file).write_text(text))


def void(_: object) -> None:
    return None


def _set(key: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: shutil.rmtree(folder), "is not there"),
        (lambda folder: (folder / "metrics.json").unlink(), "has no metrics.json"),
        (_spoil("metrics.json", '{"test": '), "metrics.json is damaged: it is not JSON"),
        (_spoil("metrics.json", "[1]"), "expected an object, found list"),
        (_set("test", {"pictures": 100}), "the key 'test.correct' is missing"),
        (_set("test", {"pictures": 100, "correct": 101}), "101 right answers of 100"),
        (_set("test", {"pictures": True, "correct": 0}), "test.pictures should be int, found 'True'"),
        (_set("gap", "wide"), "gap should be float, found 'wide'"),
        (_set("seconds", float("nan")), "seconds should be float, found 'nan'"),
        (_set("macs", "many"), "macs should be int"),
        (_spoil("history.csv", "epoch,loss\n1,2\n"), "history.csv is damaged: expected the columns"),
        (_spoil("history.csv", "epoch,loss,accuracy,val_loss,val_accuracy\n"), "holds no epoch"),
    ],
)
def test_a_damaged_run_is_one_clear_line(make: Make, spoil: Callable[[Path], None], says: str) -> None:
    folder = make("one")
    spoil(folder)
    with pytest.raises(ModelError, match="one") as raised:
        read_run(folder)
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_what_lies_in_the_folder_of_runs(make: Make) -> None:
    good, spoilt = make("good"), make("spoilt")
    (spoilt / "metrics.json").write_text("{}")
    make("new" + PARTIAL)
    root = good.parent
    (root / "some.bundle").mkdir()
    (root / "some.bundle" / "manifest.json").write_text("{}")
    (root / "comparison.png").write_bytes(b"")
    found, left_out = find_runs(root)
    assert found == [good]
    assert [Path(one.folder).name for one in left_out] == ["new.partial", "spoilt"]
    assert "not finished" in left_out[0].reason and "is missing" in left_out[1].reason
    with pytest.raises(ModelError, match="cannot look for runs"):
        find_runs(root / "nowhere")


def test_the_same_test_pictures_or_not(make: Make) -> None:
    first = read_run(make("first"))
    larger = read_run(make("larger", data={"size_wh": [24, 24], "sha256": "2" * 64}))
    seeded = read_run(make("seeded", data={"seed": 1, "sha256": "3" * 64}))
    changed = read_run(make("changed", data={"sha256": "4" * 64}))
    moved = read_run(make("moved", data={"uri": "elsewhere.npz"}))
    assert same_test(first, larger), "the size of the pictures is the network's matter"
    assert not same_test(first, seeded), "the seed decides the test part of a set that comes without one"
    assert not same_test(first, changed), "all settings are equal, and the files differ"
    assert same_test(first, moved), "equal digests, wherever it lies"
    groups = group_runs([seeded, first, larger, changed])
    assert [[run.name for run in group] for group in groups] == [["first", "larger"], ["seeded"], ["changed"]]
    # a public set has its own test part, whatever the seed
    a = read_run(make("a", data={"uri": "cifar10", "seed": 1, "sha256": "5" * 64}))
    b = read_run(make("b", data={"uri": "cifar10", "seed": 2, "validation": 0.02, "sha256": "6" * 64}))
    assert same_test(a, b)


def test_runs_are_ranked_and_unfinished_ones_left_out(make: Make) -> None:
    weak, strong = make("weak", 60, parameters=500), make("strong", 90)
    partial = make("later" + PARTIAL)
    found = compare_runs([weak, partial, strong, weak / ".." / "weak"], measure=False)
    (ranking,) = found.rankings
    assert [run.label for run in ranking.runs] == ["strong", "weak"], "named twice, counted once"
    assert ranking.runs[0].int8 is None and ranking.front_bytes == () and found.latencies is None
    assert [Path(one.folder).name for one in found.left_out] == ["later.partial"]
    assert ranking.advice[0].startswith("strong is the most accurate, by more than chance on 100")
    with pytest.raises(ModelError, match="no finished run to compare"):
        compare_runs([partial], measure=False)
    with pytest.raises(UsageError, match="no run to compare"):
        compare_runs([], measure=False)


def test_runs_of_other_pictures_share_no_ranking_and_no_plot(make: Make, tmp_path: Path) -> None:
    other = make(
        "other", 99, data={"uri": "cars.npz", "sha256": "7" * 64}, dataset={"name": "cars", "sha256": "7" * 64}
    )
    found = compare_runs([make("one"), make("two"), other], measure=False)
    assert [(one.dataset, len(one.runs)) for one in found.rankings] == [("pets", 2), ("cars", 1)]
    with pytest.raises(UsageError, match="these have 2"):
        draw_comparison(tmp_path / "plot.png", found)
    assert not (tmp_path / "plot.png").exists()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_of_what_is_known(make: Make, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    folders = [make(f"_run-{n}-$x_1$", 50 + 7 * n, parameters=10 ** (n + 2), macs=None) for n in range(4)]
    found = compare_runs(folders, measure=False)
    picture = tmp_path / f"plot.{suffix}"
    draw_comparison(picture, found)
    if suffix == "png":
        import cv2

        image = cv2.imread(str(picture))
        assert image is not None and image.shape[1] > 1200 and (image == 255).mean() > 0.7
    else:
        first = picture.read_bytes()
        assert b"<svg" in first[:500]
        draw_comparison(picture, found)
        assert picture.read_bytes() == first, "the same runs give the same picture"


def test_labels_of_two_folders_with_one_name(make: Make) -> None:
    first = make("one")
    again = first.parent / "more" / "one"
    shutil.copytree(first, again)
    (ranking,) = compare_runs([first, again], measure=False).rankings
    assert {run.label for run in ranking.runs} == {str(first), str(again)}


costs = st.lists(st.tuples(st.none() | st.integers(0, 5), st.integers(0, 5)), max_size=12)


@settings(deadline=None)
@given(costs)
def test_the_front_is_what_nothing_beats(points: list[tuple[int | None, int]]) -> None:
    front = pareto([cost for cost, _ in points], [float(gain) for _, gain in points])

    def beaten(index: int) -> bool:
        cost, gain = points[index]
        assert cost is not None
        return any(c is not None and c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)

    known = [index for index, (cost, _) in enumerate(points) if cost is not None]
    assert sorted(front) == [index for index in known if not beaten(index)]
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front if points[i][0] is not None)


@settings(deadline=None)
@given(st.integers(1, 5000), st.data())
def test_intervals_hold_what_was_counted(total: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    low, high = difference(a, b, total)
    assert -1 <= low <= (a - b) / total <= high <= 1
    assert difference(b, a, total) == pytest.approx((-high, -low))
    only_a = data.draw(st.integers(0, total))
    only_b = data.draw(st.integers(0, total - only_a))
    low, high = paired_difference(only_a, only_b, total)
    assert -1 <= low < high <= 1
    assert paired_difference(only_b, only_a, total) == pytest.approx((-high, -low))


def test_intervals_at_the_ends() -> None:
    # Wilson's interval of 0 of 10 is 0..0.2775, and both sides are unsure by that much
    assert difference(0, 0, 10) == pytest.approx((-0.2775, 0.2775), abs=1e-4)
    assert difference(10, 0, 10) == pytest.approx((0.6075, 1.0), abs=1e-4)
    # nothing discordant is not certainty
    assert paired_difference(0, 0, 10_000) == pytest.approx((-0.000277, 0.000277), abs=1e-5)
    assert paired_difference(52, 32, 10_000)[0] > 0, "resnet8's int8 file loses more than chance explains"
    for wrong in ((1, 1, 1), (-1, 0, 5), (0, 0, 0)):
        with pytest.raises(DataError):
            paired_difference(*wrong)
    with pytest.raises(DataError):
        difference(0, 0, 0)


def judged(name: str, correct: int, **changes: Any) -> Judged:
    known: dict[str, Any] = {
        "arch": name, "recipe": "standard", "pictures": 1000, "parameters": 1000, "bytes": 2000, "inference_ms": 1.0,
        "gap": 0.02, "finding": "balanced", "sentence": "Neither.", "interrupted": False,
    }  # fmt: skip
    return Judged(name=name, correct=correct, **{**known, **changes})


def test_advice_names_what_chance_cannot_tell_and_what_is_cheaper() -> None:
    said = advise(
        [judged("big", 905), judged("small", 900, bytes=500, inference_ms=0.4), judged("old", 700, bytes=9000)]
    )
    assert "cannot tell it from small" in said[0]
    assert "small is 4.0x smaller than big, at an accuracy that is as good." in said
    assert "small is 2.5x faster than big, at an accuracy that is as good." in said
    assert "old is beaten by big in accuracy, size and latency: drop it." in said
    assert not any("small is beaten" in one for one in said)


def test_advice_names_over_and_underfitting_and_what_helps() -> None:
    over = judged("cnn-tutorial", 670, arch="cnn", recipe="tutorial", gap=0.2, finding="overfitting", sentence="Over.")
    mild = judged("cnn-standard", 770, arch="cnn", interrupted=True, finding="underfitting", sentence="Under.")
    said = advise([mild, over])
    assert "cnn-tutorial: Over." in said
    assert "cnn-standard: Under. Its training was interrupted." in said
    assert "cnn gains 10.0 points with recipe standard over tutorial: its gap falls from 20.0 to 2.0 points." in said
    assert advise([judged("one", 900)])[0].startswith("Nothing over- or underfits")
    large = judged("large", 950, parameters=9000, finding="underfitting", sentence="Under.")
    assert any("train it longer, then larger" in one for one in advise([large, judged("small", 800)]))
    assert any(
        "regularise it" in one
        for one in advise([judged("small", 950), judged("l", 900, parameters=9000, finding="overfitting")])
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 500)), min_size=1, max_size=10, unique=True))
def test_names_stay_apart_where_there_is_room(points: list[tuple[int, int]]) -> None:
    spread = [(150.0 + x, 150.0 + 25 * y) for x, y in points]  # as high as a name, or at the same height
    if len({y for _, y in spread}) < len(spread):
        spread = [(x, 150.0 + 25 * i) for i, (x, _) in enumerate(spread)]
    boxes = place_labels(spread, [(90.0, 12.0)] * len(spread), [], Box(0, 0, 1300, 20_000))
    for i, box in enumerate(boxes):
        assert (box.right - box.left, box.top - box.bottom) == pytest.approx((90, 12))
        assert all(box.overlap(other) == 0 for other in boxes[:i])


def test_a_name_far_from_its_point_gets_a_line() -> None:
    assert leader((0, 0), Box(9, -6, 99, 6)) is None
    assert leader((0, 0), Box(40, 30, 130, 42)) == (40, 30)


def test_numbers_for_axes() -> None:
    assert [short(n) for n in (950, 78_666, 999_999, 12_501_632, 3.2e9)] == ["950", "78.7k", "1M", "12.5M", "3.2G"]


def test_a_published_command_names_no_folder_of_the_machine() -> None:
    typed = [
        "onsight",
        "train",
        "/home/me/pets",
        "--out=/tmp/x/run",
        "--arch",
        "resnet8",
        "runs/a",
        "C:\\me\\pets",
        "~/b",
    ]
    assert publishable(typed) == ("onsight", "train", "pets", "--out=run", "--arch", "resnet8", "runs/a", "pets", "b")
    assert record_name("my.nets:small", "best") == "my.nets-small-best.json"
