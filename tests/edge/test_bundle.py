from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.bundle import DEFAULT_MODEL, MANIFEST, Bundle, open_model, write_manifest
from onsight_edge.embedded import read_spec
from onsight_edge.errors import IntegrityError, ModelError, OnsightError, UsageError
from onsight_edge.files import canonical_json, sha256_bytes, write_json
from onsight_edge.spec import ModelSpec


def test_the_shipped_bundle_opens_and_is_small() -> None:
    model = open_model("default")
    assert model.variant == "tflite-int8"
    assert model.bundle == DEFAULT_MODEL
    assert len(model.spec.classes) == 10
    assert sum(path.stat().st_size for path in DEFAULT_MODEL.iterdir()) <= 150_000


def test_one_changed_byte_anywhere_is_refused(shipped: Path) -> None:
    rng = np.random.default_rng(0)
    for path in sorted(shipped.iterdir()):
        whole = path.read_bytes()
        for at in rng.integers(0, len(whole), 12):
            spoiled = bytearray(whole)
            spoiled[at] ^= 1 << int(rng.integers(0, 8))
            path.write_bytes(spoiled)
            with pytest.raises(ModelError):
                open_model(shipped)
        path.write_bytes(whole[:-1])
        with pytest.raises(ModelError):
            open_model(shipped)
        path.write_bytes(whole)
    assert open_model(shipped).variant == "tflite-int8"


def test_every_single_byte_of_a_manifest_counts(shipped: Path) -> None:
    """Spaces too, and digits that turn a size into a number no JSON has."""
    path = shipped / MANIFEST
    whole = path.read_bytes()
    for at in range(len(whole)):
        for byte in (b" ", b"e", b"9"):
            if whole[at : at + 1] != byte:
                path.write_bytes(whole[:at] + byte + whole[at + 1 :])
                with pytest.raises(ModelError):
                    open_model(shipped)


def test_the_message_names_the_file_and_what_to_do(shipped: Path) -> None:
    file = shipped / "tflite-int8.tflite"
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"tflite-int8\.tflite is not the file that was exported: .*again"):
        open_model(shipped)


def test_a_missing_file_is_named(shipped: Path) -> None:
    (shipped / "report.json").unlink()
    with pytest.raises(IntegrityError, match=r"report\.json is missing.*incomplete"):
        open_model(shipped)


@pytest.mark.parametrize("name", ["../x.tflite", "/etc/passwd", "a/b.tflite", ".."])
def test_a_manifest_cannot_point_out_of_its_folder(shipped: Path, name: str) -> None:
    manifest = json.loads((shipped / MANIFEST).read_text())
    manifest["variants"]["tflite-int8"]["file"] = name
    _sign(shipped, manifest)
    with pytest.raises(ModelError, match="not a plain file name"):
        open_model(shipped)


def test_a_newer_schema_is_refused(shipped: Path) -> None:
    manifest = json.loads((shipped / MANIFEST).read_text())
    manifest["schema"] = 99
    _sign(shipped, manifest)
    with pytest.raises(ModelError, match="schema 99"):
        open_model(shipped)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_as_a_manifest_ends_in_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    folder = tmp_path_factory.mktemp("m")
    (folder / MANIFEST).write_text(json.dumps(value))
    with pytest.raises(OnsightError):
        Bundle.open(folder)


def test_what_is_not_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model at"):
        open_model(tmp_path / "nothing")
    with pytest.raises(ModelError, match="is not a bundle"):
        open_model(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ModelError, match="is not a model"):
        open_model(tmp_path / "photo.jpg")
    (tmp_path / "m.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="is not a TFLite model"):
        open_model(tmp_path / "m.tflite")
    (tmp_path / "model.keras").write_bytes(b"x")
    with pytest.raises(ModelError, match="onsight export"):
        open_model(tmp_path)


def test_a_bundle_without_a_model_is_none(shipped: Path) -> None:
    write_manifest(shipped, name="x", spec=Bundle.open(shipped).spec, variants={}, extra=["report.json"])
    with pytest.raises(ModelError, match="names no variant"):
        Bundle.open(shipped)


def test_an_unknown_variant_names_those_there_are(shipped: Path) -> None:
    with pytest.raises(ModelError, match="no variant 'tflite-int4'; it has tflite-int8"):
        open_model(shipped, variant="tflite-int4")
    with pytest.raises(ModelError, match="no onnx variant"):
        open_model(shipped, model_format="onnx")


def test_a_bare_onnx_carries_its_spec(tmp_path: Path, write_colours_onnx: Callable[..., Path]) -> None:
    model = open_model(write_colours_onnx(tmp_path / "m.onnx"))
    assert model.spec.classes == ("red", "green", "blue")
    with pytest.raises(ModelError, match="--spec"):
        open_model(write_colours_onnx(tmp_path / "bare.onnx", None))
    ModelSpec("x", ("1", "2", "3"), (8, 8)).save(tmp_path / "spec.json")
    assert open_model(tmp_path / "bare.onnx", spec=tmp_path / "spec.json").spec.classes == ("1", "2", "3")


def test_a_bare_tflite_carries_its_spec(shipped: Path) -> None:
    assert open_model(shipped / "tflite-int8.tflite").spec == open_model(shipped).spec


def test_spec_and_variant_are_for_the_right_kind(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="describes a bare model file"):
        open_model(shipped, spec=tmp_path / "spec.json")
    with pytest.raises(UsageError, match="chooses from a bundle"):
        open_model(shipped / "tflite-int8.tflite", variant="tflite-int8")


@given(st.binary(max_size=400))
def test_reading_what_rides_inside_survives_anything(data: bytes) -> None:
    assert read_spec(data, "onnx", "x") is None
    assert read_spec(data, "tflite", "x") is None


def test_damage_to_what_rides_inside_a_tflite_is_survived() -> None:
    body = io.BytesIO()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(body, "w", method) as archive:
            archive.writestr("onsight.json", json.dumps(ModelSpec("x", ("1", "2"), (8, 8)).to_json()))
        data = body.getvalue()
        assert read_spec(data, "tflite", "x") is not None
        for at in range(len(data)):
            for bit in range(8):
                spoiled = bytearray(data)
                spoiled[at] ^= 1 << bit
                with contextlib.suppress(ModelError):
                    read_spec(bytes(spoiled), "tflite", "x")


def test_every_truncation_of_an_onnx_is_survived(tmp_path: Path, write_colours_onnx: Callable[..., Path]) -> None:
    data = write_colours_onnx(tmp_path / "m.onnx").read_bytes()
    for length in range(len(data)):
        read_spec(data[:length], "onnx", "x")


def _sign(folder: Path, manifest: dict[str, object]) -> None:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    rest["sha256"] = sha256_bytes(canonical_json(rest).encode())
    write_json(folder / MANIFEST, rest)


def test_write_manifest_is_read_back(tmp_path: Path, colours_bundle: Path) -> None:
    bundle = Bundle.open(colours_bundle)
    assert bundle.name == "colours"
    assert bundle.variant("onnx-float32").model_format == "onnx"
    write_manifest(colours_bundle, name="b", spec=bundle.spec, variants={"onnx-float32": "onnx-float32.onnx"}, extra=[])
    assert Bundle.open(colours_bundle).name == "b"


def test_a_bundles_folder_opens_without_what_only_zips_and_bare_files_need(shipped: Path) -> None:
    """Starting is measured (`python -m onsight_benchmarks.startup`); these cost 10 to 40 ms of it."""
    script = f"""
import sys
from onsight_edge.classifier import Classifier
Classifier.open({str(shipped)!r})
print([m for m in ("subprocess", "zipfile", "onsight_edge.golden", "onsight_edge.trial") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
