"""Score the pictures of an .npz file with the shipped model: answers.py PICTURES OUT. Runs here and in the userland."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from onsight_edge.classifier import Classifier

pictures, out = sys.argv[1:]
with Classifier.open("default") as classifier:
    scores = classifier.scores(np.load(pictures)["pixels"])
np.savez(Path(out), scores=scores)
