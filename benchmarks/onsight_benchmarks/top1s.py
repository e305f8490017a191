"""A child that classifies prepared pictures with one model file in one runtime: python -m onsight_benchmarks.top1s.

It needs onsight_edge, NumPy and the runtime alone, so that it also runs in tflite-runtime's own environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from onsight_edge.classifier import Classifier
from onsight_edge.errors import OnsightError


def main() -> None:
    """BUNDLE VARIANT BACKEND PIXELS.npy OUT.npy: writes (N,) int64 and prints the runtime's version."""
    bundle, variant, backend, pixels, out = sys.argv[1:]
    try:
        with Classifier.open(bundle, variant=variant, backend=backend) as classifier:
            scores = classifier.scores(np.load(pixels, allow_pickle=False))
            np.save(Path(out), scores.argmax(axis=1))
            print(classifier.backend.version)
    except OnsightError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
