"""A folder of networks with pictures of theirs, to be measured where neither runs nor data sets are.

KIT/NAME/model.keras, spec.json, pictures.npz
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from onsight_benchmarks.gpu.networks import UNTRAINED, find_networks
from onsight_benchmarks.gpu.pictures import CARRIED, drawn, find_pictures, save, seeded
from onsight_edge.datasets import cached_path, load_dataset
from onsight_edge.datasets.named import SETS
from onsight_edge.errors import UsageError
from onsight_edge.files import atomic_folder
from onsight_edge.spec import ModelSpec

_LIKE = "cifar10"  # untrained networks are built for its pictures


def prepare_kit(kit: Path, runs: Sequence[Path], archs: Sequence[str] | None = None, seed: int = 0) -> Iterator[str]:
    """Gather runs, and untrained networks of the architectures that none of them has.

    Args:
        kit: the folder to make; it must not be there.
        runs: trained ones.
        archs: names; None for every one that ships.
        seed: of untrained weights, and of which pictures are taken.

    Yields:
        A line on each network.

    Raises:
        ModelError: not a run, or no such architecture. UsageError: two runs of one name.
        OnsightError: the folder is there already.
    """
    from onsight_train.archs import ARCHITECTURES, find_arch

    networks = [find_networks(run)[0] for run in runs]
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
        raise UsageError("two runs have the same folder name: the records could not be told apart")
    there = {_arch(run) for run in runs}
    wanted = [find_arch(name).name for name in (list(ARCHITECTURES) if archs is None else archs)]
    with atomic_folder(kit) as folder:
        for name, network in zip(names, networks, strict=True):
            into = folder / name
            into.mkdir()
            shutil.copy(network.path, into / "model.keras")
            network.network_spec.save(into / "spec.json")
            pictures = find_pictures(network, seed)
            save(pictures, into / CARRIED)
            yield f"{name}: trained, {len(pictures.pixels)} pictures ({pictures.of})"
        for arch in wanted:
            if arch not in there:
                yield _build(arch, folder / f"{arch}-{UNTRAINED}", seed)


def _build(arch: str, into: Path, seed: int) -> str:
    """An untrained network, its weights drawn by a seed, and pictures for it."""
    from onsight_train.archs import find_arch
    from onsight_train.frameworks import load_keras

    keras, like = load_keras(), SETS[_LIKE]
    height, width = like.shape[:2]
    keras.utils.set_random_seed(seed)
    model = find_arch(arch).build((height, width, 3), len(like.classes))
    into.mkdir()
    model.save(into / "model.keras")
    ModelSpec(f"{arch} {UNTRAINED}", like.classes, (width, height)).save(into / "spec.json")
    network = find_networks(into)[0]
    cached = cached_path(_LIKE).is_file()
    pictures = drawn(load_dataset(_LIKE), seed) if cached else seeded(network.spec, seed)
    save(pictures, into / CARRIED)
    return f"{into.name}: weights drawn by seed {seed}, {len(pictures.pixels)} pictures ({pictures.of})"


def _arch(run: Path) -> str | None:
    """Which architecture a run has, by its metrics; None where it does not say."""
    try:
        return str(json.loads((run / "metrics.json").read_text(encoding="utf-8"))["arch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
