"""The networks that onsight trains, by name: plain Keras 3 layers, raw RGB pixels 0..255 in, probabilities out.

Every network begins with `Rescaling(1/255)`, so that whoever runs it feeds pixels as they are (contract 1 of
docs/architecture.md); the TFLite converter folds it away. No layer is of our own making: a saved `model.keras`
loads anywhere without custom objects. One file a family; docs/architectures.md tells where each comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from onsight_edge.errors import ModelError
from onsight_train.archs.architecture import Architecture
from onsight_train.archs.mobilenet import NARROWEST, WIDEST, mobilenetv1, mobilenetv2
from onsight_train.archs.nano import onsight_nano
from onsight_train.archs.resnet import resnet8, resnet20
from onsight_train.archs.seed_cnn import seed_cnn
from onsight_train.archs.user import find_user_arch
from onsight_train.names import find_named

__all__ = ["ARCHITECTURES", "Architecture", "find_arch"]

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        arch.name: arch
        for arch in (
            Architecture(
                "seed-cnn",
                "two convolutions and a hidden layer, as tutorials have it; trains in minutes, overfits",
                recipe="tutorial",
                smallest=10,
                construct=seed_cnn,
            ),
            Architecture(
                "resnet8",
                "MLPerf Tiny's ResNet-8: 77.7 thousand parameters, fast on a microprocessor",
                recipe="standard",
                smallest=4,
                construct=resnet8,
            ),
            Architecture(
                "resnet20",
                "the residual paper's network for CIFAR-10: deeper, three times the work of ResNet-8",
                recipe="standard",
                smallest=4,
                construct=resnet20,
            ),
            Architecture(
                "mobilenetv1",
                "depthwise and 1x1 convolutions; mobilenetv1-0.25 has a quarter of the channels",
                recipe="standard",
                smallest=16,
                construct=mobilenetv1(1.0),
                scaled=mobilenetv1,
            ),
            Architecture(
                "mobilenetv2",
                "inverted residuals; mobilenetv2-0.35 has 0.35 times the channels",
                recipe="standard",
                smallest=8,
                construct=mobilenetv2(1.0),
                scaled=mobilenetv2,
            ),
            Architecture(
                "onsight-nano",
                "our own residual network: fewer than 100 thousand parameters, plain 3x3 convolutions and ReLU",
                recipe="standard",
                smallest=4,
                construct=onsight_nano,
            ),
        )
    }
)


def find_arch(name: str) -> Architecture:
    """The architecture called `name`: one of ARCHITECTURES, `NAME-WIDTH`, or `module:function`, the user's own.

    `mobilenetv2-0.35` has 0.35 times the channels. `module:function` imports the module, looked for in the current
    folder first, see `find_user_arch`.

    Raises:
        ModelError: there is none; the message lists the known ones and the closest.
        MissingExtraError: it is the user's own and Keras is not installed.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    if ":" in name:
        return find_user_arch(name)
    stem, _, width = name.rpartition("-")
    if stem in ARCHITECTURES and ARCHITECTURES[stem].scaled is not None:
        if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", width) or not NARROWEST <= float(width) <= WIDEST:
            raise ModelError(
                f"unknown arch {name!r}: after {stem}- comes the width multiplier, {NARROWEST:g} to {WIDEST:g}, "
                f"as in {stem}-0.5"
            )
        return ARCHITECTURES[stem].at_width(float(width))
    return find_named("arch", name, ARCHITECTURES)
