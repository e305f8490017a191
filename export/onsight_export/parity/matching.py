"""Which of a converted graph's values is which layer's output: told from names and shapes. Pure.

Converters keep the layer's name in the name of what they make of it, as one part of a path: `net_1/stem_1/Relu`. The
number at the end is the tracing's, not the layer's, and not the same for every layer. A value that several layers were
fused into names all of them, and is the output of the last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PATHS = re.compile(r"[;,]")
_NUMBER = re.compile(r"_\d+$")


@dataclass(frozen=True, slots=True)
class Value:
    """A value that a graph computes.

    Attributes:
        key: how the runtime is asked for it: a tensor's index, or its name.
        shape: without the batch; 0 or less where it is not known.
        name: in the file.
        is_output: of the whole graph.
    """

    key: int | str
    shape: tuple[int, ...]
    name: str
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the network, in the order of computing.

    Attributes:
        name: the layer's.
        kind: its class, such as `Conv2D`.
        shape: of its output, without the batch.
        inputs: positions of the layers it reads.
        weights: numbers in its kernels.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    weights: int


def match(values: Sequence[Value], layers: Sequence[Layer]) -> dict[int, Value]:
    """Layer -> the value that is its output, for the layers that a graph still has one for.

    Args:
        values: in the order of computing.
        layers: in the order of computing; the last gives the network's output. Their names differ from each other.

    Returns:
        Position in `layers` -> value. Of several values of one layer, such as a convolution's before and after its
        activation, the last.
    """
    places = {layer.name: place for place, layer in enumerate(layers)}
    meant = resolve([part for value in values for part in _parts(value.name)], list(places))
    found: dict[int, Value] = {}
    for value in values:
        if value.is_output:
            found[len(layers) - 1] = value
            continue
        named = {places[meant[part]] for part in _parts(value.name) if part in meant}
        # an input layer computes nothing: what bears its name is a copy of the pixels
        able = [place for place in named if layers[place].inputs and _fits(value.shape, layers[place].shape)]
        if able:
            found[max(able)] = value
    return found


def group(layers: Sequence[Layer], matched: Sequence[int], place: int) -> tuple[list[int], list[int]]:
    """The layers that a matched layer's value stands for, and the matched ones that feed them.

    Args:
        layers: see `match`.
        matched: positions that have a value.
        place: one of them.

    Returns:
        (positions fused into this value, itself last; positions of matched or input layers that they read), both
        sorted.
    """
    known = set(matched)
    inside, feeding, waiting = {place}, set(), list(layers[place].inputs)
    while waiting:
        one = waiting.pop()
        if one in known or not layers[one].inputs:
            feeding.add(one)
        elif one not in inside:
            inside.add(one)
            waiting += layers[one].inputs
    return sorted(inside), sorted(feeding)


def culprit(layers: Sequence[Layer], inside: Sequence[int]) -> int:
    """The layer to name for a value that several were fused into: the last that has kernels, else the last."""
    weighted = [place for place in inside if layers[place].weights]
    return weighted[-1] if weighted else inside[-1]


def resolve(parts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Which layer each part of the values' names means.

    A part is a layer's name, or that with a number behind it. `conv_1` can thus be the layer `conv_1` or the layer
    `conv`: parts that can mean one layer only are settled first and take it from the others. What is left open then is
    read with a number where the settled parts have one, else without.

    Args:
        parts: in the order of their appearance.
        names: of the layers.

    Returns:
        Part -> layer, for those that mean one.
    """
    known = set(names)
    open_parts = {
        part: [name for name in (part, _NUMBER.sub("", part)) if name in known] for part in dict.fromkeys(parts)
    }
    found: dict[str, str] = {}
    while open_parts := {part: left for part, left in open_parts.items() if left}:
        part = next((part for part, left in open_parts.items() if len(set(left)) == 1), None)
        if part is None:
            part = next(iter(open_parts))
            numbered = sum(one != layer for one, layer in found.items())
            found[part] = open_parts[part][-1 if 2 * numbered >= len(found) else 0]
        else:
            found[part] = open_parts[part][0]
        del open_parts[part]
        for left in open_parts.values():
            left[:] = [name for name in left if name != found[part]]
    return found


def _parts(name: str) -> list[str]:
    """The folders of all paths in a value's name; what stands last in a path is the operation."""
    return [part for path in _PATHS.split(name) for part in path.split("/")[:-1]]


def _fits(shape: tuple[int, ...], layer: tuple[int, ...]) -> bool:
    """Whether a value can be a layer's output: the same sizes, channels last or first; ones do not count."""
    if not shape:
        return not layer
    return any(_squeezed(shape) == _squeezed(order) for order in (layer, channels_first(layer)))


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width, channels) as (channels, height, width); others as they are."""
    return (shape[-1], *shape[:-1]) if len(shape) > 1 else shape


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
