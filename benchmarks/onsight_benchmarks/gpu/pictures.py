"""Real pictures for a network: the test pictures of its data set, or seeded ones where those are not there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.gpu.networks import Network
from onsight_benchmarks.picture import Picture
from onsight_edge.errors import DataError, OnsightError
from onsight_edge.files import sha256_bytes
from onsight_edge.geometry import view_of
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from onsight_edge.datasets import Dataset

COUNT = 256
CARRIED = "pictures.npz"
"""Test pictures that travel in a run's folder to a machine without its data set (`gpu.records`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What is shown to a network.

    Attributes:
        pixels: (N, height, width, channels) uint8, as the network takes them.
        of: which pictures, in words.
        real: whether they are test pictures.
    """

    pixels: NDArray[np.uint8]
    of: str
    real: bool

    @property
    def picture(self) -> Picture:
        """How a record names them."""
        _, height, width, _ = self.pixels.shape
        return Picture(self.of, (width, height), sha256_bytes(self.pixels.tobytes()))


def find_pictures(network: Network, seed: int) -> Pictures:
    """Test pictures of the network's run, carried ones, or seeded ones.

    Args:
        network: of a run: its folder names the data set.
        seed: of which test pictures are taken, and of seeded ones.
    """
    folder = network.path.parent
    if network.keras and (folder / CARRIED).is_file():
        return carried(folder / CARRIED, network.spec)
    try:
        return drawn(_data_of(network), seed)
    except (OnsightError, ImportError, OSError, ValueError, KeyError, TypeError):
        # the data set is elsewhere, or OpenCV is: which pictures were shown stands in the record
        return seeded(network.spec, seed)


def drawn(data: Dataset, seed: int, count: int = COUNT) -> Pictures:
    """Test pictures of a data set, drawn by a seed."""
    images = data.test.images
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    return Pictures(np.ascontiguousarray(images[chosen]), f"{data.name} test", True)


def _data_of(network: Network) -> Dataset:
    """The data set of a run, or the public one that a bundle's report names.

    Raises:
        DataError: it is not there, or not the one of the training.
    """
    if network.keras:
        from onsight_export.run import load_run_data, open_run

        return load_run_data(open_run(network.path.parent))
    from onsight_edge.datasets import NAMED, load_dataset

    name = network.accuracy.dataset if network.accuracy is not None else ""
    if name not in NAMED:  # any other folder of that name may be something else
        raise DataError(f"the bundle does not say where its data set {name!r} is")
    spec = network.spec
    return load_dataset(name, size_wh=spec.input_size_wh, colour=spec.colour, resize=spec.resize, view=view_of(spec))


def carried(path: Path, spec: ModelSpec) -> Pictures:
    """Pictures that `save` wrote.

    Raises:
        DataError: damaged, or not the network's size.
    """
    width, height = spec.input_size_wh
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pixels, of, real = arrays["pixels"], str(arrays["of"]), bool(arrays["real"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{path} holds no pictures: {error}") from error
    if (
        pixels.dtype != np.uint8
        or pixels.ndim != 4
        or not len(pixels)
        or pixels.shape[1:] != (height, width, spec.channels)
    ):
        raise DataError(
            f"{path} holds {pixels.dtype} {pixels.shape}; the network takes uint8 (N, {height}, {width}, "
            f"{spec.channels})"
        )
    return Pictures(pixels, of, real)


def save(pictures: Pictures, path: Path) -> None:
    """Write pictures to an .npz file."""
    np.savez_compressed(path, pixels=pictures.pixels, of=np.str_(pictures.of), real=np.bool_(pictures.real))


def seeded(spec: ModelSpec, seed: int, count: int = COUNT) -> Pictures:
    """Soft shapes of colour with noise: nothing that a network was trained on, but no two alike."""
    width, height = spec.input_size_wh
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (count, 4, 4, spec.channels)).astype(np.float32)
    rows, columns = (np.minimum(np.arange(size) * 4 // size, 3) for size in (height, width))
    soft = coarse[:, rows][:, :, columns]
    noise = draw.integers(-16, 17, (count, height, width, spec.channels))
    return Pictures(np.clip(soft + noise, 0, 255).astype(np.uint8), f"seeded {seed}", False)
