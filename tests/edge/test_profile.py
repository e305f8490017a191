from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onsight_edge.archive import write_archive
from onsight_edge.bundle import Bundle, write_manifest
from onsight_edge.classifier import Classifier
from onsight_edge.device import describe_device
from onsight_edge.errors import MissingExtraError, ModelError, OnsightError, ProfileError
from onsight_edge.files import state_folder
from onsight_edge.profile import Profile, ProfiledDevice, find_profile, identify, open_tuned, profile_path

HERE = ProfiledDevice.of(describe_device())


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSIGHT_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def two(shipped: Path, write_colours_onnx: Callable[[Path], Path]) -> Path:
    """The shipped bundle with a second variant, the same file."""
    (shipped / "other.tflite").write_bytes((shipped / "tflite-int8.tflite").read_bytes())
    bundle = Bundle.open(shipped)
    files = {"tflite-int8": "tflite-int8.tflite", "tflite-float32": "other.tflite"}
    write_manifest(shipped, name="two", spec=bundle.spec, variants=files, extra=[])
    return shipped


def made_for(model: Path) -> Profile:
    with Classifier.open(model) as opened:
        version = opened.backend.version
    return Profile(
        onsight="0.1.0",
        taken="2026-11-29T12:00:00Z",
        model=identify(model),
        device=HERE,
        variant="tflite-float32",
        backend="litert",
        backend_version=version,
        threads=2,
        p50_ms=0.25,
        p95_ms=0.5,
        accuracy=None,
    )


def save(profile: Profile) -> Path:
    path = profile_path(profile.model, profile.device)
    profile.save(path)
    return path


def test_what_is_written_is_read(two: Path, tmp_path: Path) -> None:
    profile = made_for(two)
    profile.save(tmp_path / "p.json")
    assert Profile.load(tmp_path / "p.json") == profile
    assert str(profile) == "tflite-float32, litert, 2 threads"
    assert str(replace(profile, variant=None, threads=1)) == "litert, 1 thread"


def test_a_model_is_opened_as_it_was_tuned(two: Path) -> None:
    save(made_for(two))
    opened, line = open_tuned(two)
    with opened:
        assert opened.model is not None and opened.model.variant == "tflite-float32"
        assert (opened.backend.name, opened.backend.threads) == ("litert", 2)
    assert line == "tuned on this device: tflite-float32, litert, 2 threads; --no-profile ignores it"


def test_without_a_profile_nothing_is_said(two: Path) -> None:
    opened, line = open_tuned(two)
    with opened:
        assert opened.model is not None and opened.model.variant == "tflite-int8"
    assert line is None


def test_a_folder_and_a_zip_of_it_share_a_profile(two: Path, tmp_path: Path) -> None:
    write_archive(two, tmp_path / "two.bundle.zip")
    assert identify(two) == identify(tmp_path / "two.bundle.zip")


def test_a_bare_file_has_one_of_its_own(two: Path) -> None:
    file = two / "other.tflite"
    save(replace(made_for(two), model=identify(file), variant=None))
    opened, line = open_tuned(file)
    with opened:
        assert opened.backend.threads == 2
    assert line is not None and "litert, 2 threads" in line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": replace(HERE, cpu="Cortex-A72", cores=4)}, "this model was tuned on another device (Cortex-A72, 4"),
        ({"backend_version": "1.0.0"}, "tuned with litert 1.0.0, but"),
        ({"backend": "tensorrt"}, "but unknown backend 'tensorrt'"),
        ({"variant": "tflite-int4"}, "has no variant 'tflite-int4'"),
    ],
)
def test_a_profile_that_does_not_fit_is_ignored_with_a_line(two: Path, change: dict[str, Any], says: str) -> None:
    save(replace(made_for(two), **change))
    opened, line = open_tuned(two)
    with opened:
        assert opened.model is not None and opened.model.variant == "tflite-int8"
        assert opened.backend.threads == 1
    assert line is not None and says in line and "onsight tune" in line and "\n" not in line


def test_a_runtime_that_is_gone_is_said(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(made_for(two))
    real = Classifier.open

    def without(model: Any, **wanted: Any) -> Classifier:
        if wanted.get("backend") == "litert":
            raise MissingExtraError("ai-edge-litert", "", "the backend litert")
        return real(model, **wanted)

    monkeypatch.setattr(Classifier, "open", without)
    opened, line = open_tuned(two)
    opened.close()
    assert line is not None and "not installed" in line and "the profile is ignored" in line


def test_another_export_of_the_same_name_is_said(two: Path) -> None:
    save(made_for(two))
    bundle = Bundle.open(two)
    write_manifest(two, name="two", spec=bundle.spec, variants={"tflite-int8": "tflite-int8.tflite"}, extra=[])
    profile, line = find_profile(two)
    assert (
        profile is None and line is not None and line.startswith("another two was tuned on this device, not this one")
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: "[1]",
        lambda text: text.replace('"schema": 1', '"schema": 2'),
        lambda text: text.replace('"threads": 2', '"threads": "2"'),
        lambda text: text.replace('"threads": 2', '"threads": true'),
        lambda text: text.replace('"threads": 2', '"threads": 0'),
        lambda text: text.replace('"taken"', '"token"'),
        lambda text: text.replace('"p50_ms": 0.25', '"p50_ms": NaN'),
        lambda text: json.dumps({**json.loads(text), "more": 1}),
        lambda text: json.dumps({**json.loads(text), "device": []}),
        lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key != "model"}),
        lambda text: "[" * 100_000,
        lambda text: text + " " * 70_000,
    ],
)
def test_a_damaged_profile_is_ignored_with_a_line_and_refused_by_name(two: Path, spoil: Callable[[str], str]) -> None:
    path = save(made_for(two))
    path.write_text(spoil(path.read_text()))
    profile, line = find_profile(two)
    assert profile is None and line is not None and line.endswith(": ignored") and str(path) in line
    with pytest.raises(ProfileError, match=r"profile|make it again|threads|expected|finite"):
        find_profile(two, path)


def test_a_profile_named_by_the_user_must_fit(two: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    profile = made_for(two)
    profile.save(path)
    opened, line = open_tuned(two, path=path)
    opened.close()
    assert line is not None and "2 threads" in line
    for change, says in (
        ({"model": replace(profile.model, sha256="0" * 64)}, "is of another model"),
        ({"device": replace(HERE, machine="aarch64")}, "was made on another device"),
        ({"backend_version": "0"}, "tuned with litert 0"),
    ):
        replace(profile, **change).save(path)  # type: ignore[arg-type]
        with pytest.raises(ProfileError, match=says):
            open_tuned(two, path=path)
    with pytest.raises(ProfileError, match="cannot read"):
        open_tuned(two, path=tmp_path / "nothing.json")


def test_what_is_no_model_is_said_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        identify(tmp_path / "nothing.tflite")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="not a bundle"):
        identify(tmp_path / "empty")


def test_where_profiles_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, two: Path) -> None:
    assert state_folder() == tmp_path / "state"
    monkeypatch.delenv("ONSIGHT_STATE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_folder() == tmp_path / "xdg" / "onsight"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert state_folder() == tmp_path / ".local/state/onsight"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OnsightError, match="ONSIGHT_STATE"):
        state_folder()
    assert find_profile(two) == (None, None)
