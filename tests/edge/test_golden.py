from __future__ import annotations

import contextlib
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from onsight_edge.bundle import Bundle, open_model, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.errors import IntegrityError, ModelError
from onsight_edge.frame import Prediction
from onsight_edge.golden import FILE, Golden, golden_bytes, load_golden, main, replay


def record(bundle: Path, tolerance: float = 0.1) -> Golden:
    """Samples of a bundle's best variant, as export writes them."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (16, 4, 5, 3), dtype=np.uint8)
    frames = np.ascontiguousarray(coarse.repeat(10, axis=1).repeat(10, axis=2))
    with Classifier.open(bundle) as classifier:
        assert classifier.model is not None
        scores = np.stack([classifier.classify(frame).scores for frame in frames])
        return Golden(frames, {classifier.model.variant: scores}, {classifier.model.variant: tolerance})


@pytest.fixture
def shipped(shipped: Path) -> Path:
    """A copy of the model that ships, without samples: each test puts in its own."""
    bundle = Bundle.open(shipped)
    files = {name: entry.file for name, entry in bundle.variants.items()}
    (shipped / FILE).unlink()
    write_manifest(shipped, name=bundle.name, spec=bundle.spec, variants=files, extra=["report.json"])
    return shipped


@pytest.fixture
def golden(shipped: Path) -> Golden:
    return record(shipped)


def test_the_model_that_ships_carries_samples_and_passes() -> None:
    with Classifier.open("default") as classifier:
        assert classifier.model is not None and classifier.model.golden is not None
        golden = load_golden(classifier.model.golden)
        assert len({int(row.argmax()) for row in golden.scores["tflite-int8"]}) >= 3  # a constant answer would not pass
        replay(classifier, golden)


def test_samples_of_this_very_model_pass(shipped: Path, golden: Golden) -> None:
    with Classifier.open(shipped) as classifier:
        replay(classifier, load_golden(golden_bytes(golden)))


def test_they_ride_in_a_bundle_and_are_checked_with_it(shipped: Path, golden: Golden) -> None:
    (shipped / FILE).write_bytes(golden_bytes(golden))
    bundle = Bundle.open(shipped)
    files = {name: entry.file for name, entry in bundle.variants.items()}
    write_manifest(shipped, name="x", spec=bundle.spec, variants=files, extra=["report.json"], golden=FILE)
    assert Bundle.open(shipped).golden == FILE and FILE in Bundle.open(shipped).files
    assert open_model(shipped).golden == golden_bytes(golden)
    (shipped / FILE).write_bytes(golden_bytes(golden)[:-1])
    with pytest.raises(IntegrityError, match=r"golden\.npz"):
        open_model(shipped)


def test_a_manifest_names_only_samples_that_are_there(shipped: Path) -> None:
    from onsight_edge.files import write_json
    from onsight_edge.manifest import _manifest_digest

    manifest = json.loads((shipped / "manifest.json").read_text())
    manifest["golden"] = FILE
    manifest["sha256"] = _manifest_digest(manifest)
    write_json(shipped / "manifest.json", manifest)
    with pytest.raises(ModelError, match="are not among its files"):
        open_model(shipped)


def swapped(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame[..., ::-1])


def darkened(frame: np.ndarray) -> np.ndarray:
    return frame // 2


@pytest.mark.parametrize("fault", [swapped, darkened])
def test_pictures_that_arrive_otherwise_are_noticed(shipped: Path, golden: Golden, fault: object) -> None:
    class Faulty(Classifier):
        def classify(self, image_bgr):  # type: ignore[no-untyped-def]
            return super().classify(fault(image_bgr))  # type: ignore[operator]

    with (
        Faulty.open(shipped) as classifier,
        pytest.raises(ModelError, match=r"answers [0-9]+ of 16 golden samples") as e,
    ):
        replay(classifier, golden)
    message = str(e.value)
    assert "\n" not in message and "tflite-int8.tflite" in message and "litert" in message and "--backend" in message


def test_classes_in_another_order_are_noticed(shipped: Path, golden: Golden) -> None:
    with Classifier.open(shipped) as classifier:
        moved = {name: np.roll(scores, 1, axis=1) for name, scores in golden.scores.items()}
        with pytest.raises(ModelError, match="otherwise than at the export"):
            replay(classifier, replace(golden, scores=moved))


def test_the_tolerance_decides(shipped: Path, golden: Golden) -> None:
    near = {name: scores + np.float32(0.05) for name, scores in golden.scores.items()}
    with Classifier.open(shipped) as classifier:
        replay(classifier, replace(golden, scores=near))
        with pytest.raises(ModelError, match=r"16 of 16.*at most 0\.040 away"):
            replay(classifier, replace(golden, scores=near, tolerance={"tflite-int8": 0.04}))


def test_what_is_no_number_is_far_away(shipped: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    def undefined(classifier: Classifier, frame: np.ndarray) -> Prediction:
        return Prediction(0, 0.0, np.full(10, np.nan, np.float32), classifier.spec.classes, False)

    with Classifier.open(shipped) as classifier:
        monkeypatch.setattr(Classifier, "classify", undefined)
        with pytest.raises(ModelError, match="16 of 16 golden samples"):
            replay(classifier, golden)


def test_scores_of_another_variant_are_none_of_this(shipped: Path, golden: Golden) -> None:
    other = Golden(golden.frames, {"onnx-int8": golden.scores["tflite-int8"]}, {"onnx-int8": 0.1})
    with Classifier.open(shipped) as classifier, pytest.raises(ModelError, match="hold no scores of 'tflite-int8'"):
        replay(classifier, other)


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1), min_size=1, unique=True),
    st.integers(2, 5),
)
def test_samples_come_back_as_they_were(frames: np.ndarray, variants: list[str], classes: int) -> None:
    random = np.random.default_rng(0)
    scores = {name: random.random((len(frames), classes)).astype(np.float32) for name in variants}
    golden = Golden(frames, scores, dict.fromkeys(variants, 0.25))
    data = golden_bytes(golden)
    found = load_golden(data)
    assert (found.frames == frames).all() and found.tolerance == golden.tolerance
    assert all((found.scores[name] == scores[name]).all() for name in variants)
    assert golden_bytes(found) == data


def test_damage_and_other_arrays_are_one_clear_error(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = golden_bytes(golden)
    random = np.random.default_rng(1)
    for at in random.integers(0, len(whole), 150):
        spoiled = bytearray(whole)
        spoiled[at] ^= 1 << int(random.integers(0, 8))
        for data in (bytes(spoiled), whole[:at]):
            with contextlib.suppress(ModelError):
                load_golden(data)
    scores = golden.scores["tflite-int8"]
    for wrong in (
        {"frames": golden.frames[0]},
        {"frames": golden.frames.astype(np.int16)},
        {"frames": golden.frames[:0]},
        {"scores": scores[np.newaxis, :3]},
        {"scores": np.full_like(scores[np.newaxis], np.nan)},
        {"tolerance": np.zeros(3)},
        {"tolerance": np.array(["0.1"])},
        {"tolerance": np.array([1j])},
        {"variants": np.array(["a", "b"])},
        {"variants": np.array([{}], object)},
    ):
        body = io.BytesIO()
        sound = {
            "schema": np.array(1),
            "frames": golden.frames,
            "variants": np.array(["a"]),
            "scores": scores[np.newaxis],
            "tolerance": np.array([0.1]),
        }
        np.savez(body, **{**sound, **wrong})
        with pytest.raises(IntegrityError, match=r"golden\.npz"):
            load_golden(body.getvalue())
    monkeypatch.setattr("onsight_edge.golden._MOST_BYTES", 1000)
    with pytest.raises(IntegrityError, match="would unpack to over"):
        load_golden(whole)


def test_a_newer_schema_is_refused(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onsight_edge.golden._SCHEMA", 2)
    data = golden_bytes(golden)
    monkeypatch.undo()
    with pytest.raises(ModelError, match="schema 2 is not 1"):
        load_golden(data)


def test_predict_opens_a_bundle_whose_samples_differ(shipped: Path, tmp_path: Path, golden: Golden) -> None:
    """Only a live run replays: a single picture's start stays as quick as it was."""
    folder = Path(shutil.copytree(shipped, tmp_path / "off.bundle"))
    wrong = replace(golden, scores={"tflite-int8": golden.scores["tflite-int8"][:, ::-1]})
    (folder / FILE).write_bytes(golden_bytes(wrong))
    bundle = Bundle.open(folder)
    files = {name: entry.file for name, entry in bundle.variants.items()}
    write_manifest(folder, name="x", spec=bundle.spec, variants=files, extra=[], golden=FILE)
    with Classifier.open(folder) as classifier:
        classifier.classify(golden.frames[0])
        with pytest.raises(ModelError, match="otherwise than at the export"):
            replay(classifier, load_golden(classifier.model.golden))  # type: ignore[union-attr,arg-type]


def test_how_far_a_device_is_away_is_told_by_a_command(
    shipped: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["golden", str(shipped)])
    with pytest.raises(ModelError, match="has no golden samples"):
        main()
    near = {name: scores + np.float32(0.25) for name, scores in golden.scores.items()}
    (shipped / FILE).write_bytes(golden_bytes(replace(golden, scores=near)))
    bundle = Bundle.open(shipped)
    files = {name: entry.file for name, entry in bundle.variants.items()}
    write_manifest(shipped, name="x", spec=bundle.spec, variants=files, extra=[], golden=FILE)
    main()
    assert capsys.readouterr().out == f"{shipped} tflite-int8 litert: 0.25 away, at most 0.1\n"
