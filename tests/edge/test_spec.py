from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.errors import ModelError
from onsight_edge.spec import Colour, ModelSpec
from onsight_edge.statistics import InputStatistics

NAMES = st.text(min_size=1, max_size=12)


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    colour = draw(st.sampled_from(["rgb", "bgr", "grey"]))
    channels = 1 if colour == "grey" else 3
    values = st.floats(-300, 300, allow_nan=False)
    return ModelSpec(
        name=draw(NAMES),
        classes=tuple(draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))),
        input_size_wh=(draw(st.integers(1, 512)), draw(st.integers(1, 512))),
        colour=colour,  # type: ignore[arg-type]
        resize=draw(st.sampled_from(["squash", "fit-shortest", "fit-longest"])),
        mean=tuple(draw(st.lists(values, min_size=channels, max_size=channels))),
        std=tuple(draw(st.lists(st.floats(0.01, 300), min_size=channels, max_size=channels))),
        output=draw(st.sampled_from(["probabilities", "logits"])),
        threshold=draw(st.floats(0, 1)),
        temperature=draw(st.floats(0.1, 10)),
    )


@settings(deadline=None)
@given(specs())
def test_json_gives_it_back(spec: ModelSpec) -> None:
    again = ModelSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.sha256 == spec.sha256


def test_a_spec_written_before_there_was_a_temperature_has_none() -> None:
    older = ModelSpec("n", ("a", "b"), (32, 24)).to_json()
    assert older.pop("temperature") == 1.0
    assert ModelSpec.from_json(older).temperature == 1.0


def test_a_file_gives_it_back(tmp_path: Path) -> None:
    spec = ModelSpec("n", ("a", "b"), (32, 24))
    spec.save(tmp_path / "spec.json")
    assert ModelSpec.load(tmp_path / "spec.json") == spec


def test_the_preprocess_digest_ignores_names_and_sees_the_resize() -> None:
    spec = ModelSpec("n", ("a", "b"), (32, 32))
    assert spec.preprocess_sha256 == ModelSpec("m", ("c", "d"), (32, 32)).preprocess_sha256
    assert spec.preprocess_sha256 != ModelSpec("n", ("a", "b"), (32, 32), resize="fit-longest").preprocess_sha256


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": ["a"]}, "at least two classes"),
        ({"classes": ["a", "a"]}, "must differ"),
        ({"input_size_wh": [0, 4]}, "1..8192"),
        ({"input_size_wh": [4]}, "[width, height]"),
        ({"colour": "cmyk"}, "colour must be one of"),
        ({"std": [0]}, "must not be 0"),
        ({"mean": [1, 2]}, "mean needs 1 or 3 values"),
        ({"threshold": 2}, "threshold must be 0..1"),
        ({"temperature": 0}, "temperature must be 0.1..10"),
        ({"schema": 9}, "schema 9"),
        ({"sise": 3}, "unknown key 'sise'"),
        ({"classes": "ab"}, "classes must be a list"),
    ],
)
def test_a_bad_spec_says_what_is_wrong(change: dict[str, object], says: str) -> None:
    good = ModelSpec("n", ("a", "b"), (32, 32)).to_json()
    with pytest.raises(ModelError, match=f"^here: .*{says}".replace("[", r"\[").replace("..", r"\.\.")):
        ModelSpec.from_json({**good, **change}, "here")


def test_a_file_that_is_no_spec(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    with pytest.raises(ModelError, match="cannot read"):
        ModelSpec.load(path)
    path.write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        ModelSpec.load(path)
    path.write_text("[]")
    with pytest.raises(ModelError, match="expected a JSON object"):
        ModelSpec.load(path)


@pytest.mark.parametrize(
    "text",
    [
        '"mean": [NaN]',
        '"mean": [1e999]',
        '"std": ["1"]',
        '"name": {"a": 1}',
        '"input_size_wh": [8.9, 8]',
        '"input_size_wh": [1e999, 32]',
        '"input_size_wh": [true, 32]',
        '"threshold": NaN',
        '"threshold": null',
        '"classes": [1, 2]',
        r'"name": "half \ud800 a pair"',
        r'"classes": ["a", "half \udfff"]',
        '"colour": 3',
        '"mean": ' + "[" * 100_000,
    ],
)
def test_nonsense_in_a_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spec.json"
    good = '"schema": 1, "name": "n", "classes": ["a", "b"], "input_size_wh": [8, 8]'
    path.write_text("{" + good + ", " + text + "}")
    with pytest.raises(ModelError) as caught:
        ModelSpec.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("colour", "features"), [("grey", 8), ("rgb", 3), ("bgr", 3)])
def test_statistics_of_pictures_with_other_channels_are_refused(colour: Colour, features: int) -> None:
    row = (1.0,) * features
    statistics = InputStatistics(9, row, (row,) * features, 1.0, 1.0, 200.0, 0.1, 1.0)
    with pytest.raises(ModelError, match="features for"):  # before a frame would end the live loop
        ModelSpec("a", ("x", "y"), (32, 32), colour=colour, input_statistics=statistics)
