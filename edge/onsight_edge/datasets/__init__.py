"""Labelled pictures: class folders, .npz files and cached public sets, read with NumPy and OpenCV alone.

It stands on the device's floor because the device uses data sets too: `onsight val` there, `dataset://`
cameras, and `onsight collect`. Fetching a public set over the network is training's matter (onsight_train.fetch).
"""

from onsight_edge.datasets.dataset import Dataset, LeftOut, Split
from onsight_edge.datasets.load import calibration_images, load_dataset
from onsight_edge.datasets.named import NAMED, cached_path

__all__ = ["NAMED", "Dataset", "LeftOut", "Split", "cached_path", "calibration_images", "load_dataset"]
