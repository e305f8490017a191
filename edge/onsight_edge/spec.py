"""ModelSpec: all that must be known of a model to feed it rightly and to read its answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from onsight_edge.errors import ModelError
from onsight_edge.files import canonical_json, sha256_bytes, write_json
from onsight_edge.statistics import FEATURES, InputStatistics

SCHEMA = 1
Colour = Literal["rgb", "bgr", "grey"]
Resize = Literal["squash", "fit-shortest", "fit-longest"]
Output = Literal["probabilities", "logits"]
Flip = Literal["none", "horizontal", "vertical", "both"]
Rotate = Literal[0, 90, 180, 270]
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 10.0
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_PREPROCESS_KEYS = ("input_size_wh", "colour", "resize", "mean", "std", "roi", "rotate", "flip")
# Newer keys, written only where they say something: specs and their digests stay what they were without them.
_NEWER_KEYS = {"roi": None, "rotate": 0, "flip": "none", "input_statistics": None}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model expects and what it answers.

    Attributes:
        name: what to call it, for people.
        classes: the names, in the order of the output.
        input_size_wh: width and height of the input in pixels.
        colour: the channel order the model was trained on; `grey` has one channel.
        resize: `squash` stretches to the input; `fit-shortest` cuts the middle out; `fit-longest` pads with black.
        mean, std: the model is fed (pixel - mean) / std with pixels 0..255, one value for all channels or one
            each. Models that onsight exports take raw pixels: 0 and 1.
        output: `probabilities`, or `logits` that still need a softmax.
        threshold: answers scored below it are reported as `unknown`; 0 never rejects.
        temperature: scores are divided by it in the log domain, so that they say how often they are right (Guo et
            al. 2017); 1 leaves them as the model gives them. It never changes which class is best.
        roi: the part of a frame that is looked at, (left, top, width, height) as shares 0..1 of the frame as it comes
            from the camera; None for all of it. Cut out first, then rotated, then flipped, then resized.
        rotate: degrees clockwise by which the cut is turned.
        flip: `horizontal` swaps left and right, `vertical` top and bottom, after the rotation.
        input_statistics: what the training pictures were like; None where nobody took them.
    """

    name: str
    classes: tuple[str, ...]
    input_size_wh: tuple[int, int]
    colour: Colour = "rgb"
    resize: Resize = "squash"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    output: Output = "probabilities"
    threshold: float = 0.0
    temperature: float = 1.0
    roi: tuple[float, float, float, float] | None = None
    rotate: Rotate = 0
    flip: Flip = "none"
    input_statistics: InputStatistics | None = None

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise ModelError(f"a spec needs at least two classes, not {len(self.classes)}")
        if len(set(self.classes)) != len(self.classes):
            raise ModelError("a spec's class names must differ from each other")
        width, height = self.input_size_wh
        if not (1 <= width <= 8192 and 1 <= height <= 8192):
            raise ModelError(f"input_size_wh must be 1..8192 pixels a side, not {width}x{height}")
        for name, choices in (("colour", Colour), ("resize", Resize), ("output", Output), ("flip", Flip)):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise ModelError(f"{name} must be one of {', '.join(get_args(choices))}, not {value!r}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) not in (1, self.channels):
                raise ModelError(f"{name} needs 1 or {self.channels} values, not {len(values)}")
        if self.rotate not in get_args(Rotate):
            raise ModelError(f"rotate must be 0, 90, 180 or 270 degrees clockwise, not {self.rotate!r}")
        if self.roi is not None:
            left, top, wide, high = self.roi
            inside = (
                left >= 0 and top >= 0 and wide > 0 and high > 0 and left + wide <= 1 + 1e-9 and top + high <= 1 + 1e-9
            )
            if not inside:
                raise ModelError(
                    f"roi must be left, top, width and height as shares 0..1 that end within the frame, not {self.roi}"
                )
        statistics = self.input_statistics
        if statistics is not None and len(statistics.mean) != FEATURES[self.channels]:
            raise ModelError(
                f"input_statistics must be of {FEATURES[self.channels]} features for {self.colour} pictures, "
                f"not {len(statistics.mean)}"
            )
        if 0.0 in self.std:
            raise ModelError("std must not be 0: pixels are divided by it")
        if not 0.0 <= self.threshold <= 1.0:
            raise ModelError(f"threshold must be 0..1, not {self.threshold}")
        if not MIN_TEMPERATURE <= self.temperature <= MAX_TEMPERATURE:
            raise ModelError(f"temperature must be {MIN_TEMPERATURE}..{MAX_TEMPERATURE:g}, not {self.temperature}")

    @property
    def channels(self) -> int:
        """1 for grey, else 3."""
        return 1 if self.colour == "grey" else 3

    @property
    def raw_pixels(self) -> bool:
        """Whether the model takes pixels 0..255 as they are."""
        return set(self.mean) == {0.0} and set(self.std) == {1.0}

    @property
    def sha256(self) -> str:
        """Digest of the whole spec."""
        return sha256_bytes(canonical_json(self.to_json()).encode())

    @property
    def preprocess_sha256(self) -> str:
        """Digest of what decides the input tensor alone: equal ones mean comparable measurements."""
        everything = self.to_json()
        return sha256_bytes(canonical_json({k: everything[k] for k in _PREPROCESS_KEYS if k in everything}).encode())

    def to_json(self) -> dict[str, Any]:
        """The spec as JSON values; `from_json` gives it back."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _NEWER_KEYS and value == _NEWER_KEYS[field.name]:
                continue
            if isinstance(value, InputStatistics):
                value = value.to_json()
            plain[field.name] = list(value) if isinstance(value, tuple) else value
        return {"schema": SCHEMA, **plain}

    @classmethod
    def from_json(cls, value: Any, where: str = "spec") -> ModelSpec:
        """Read what `to_json` wrote; `where` names the file in messages.

        Raises:
            ModelError: a key is missing, unknown or of the wrong kind, or the schema is a newer one.
        """
        if not isinstance(value, dict):
            raise ModelError(f"{where}: expected a JSON object, found {type(value).__name__}")
        if value.get("schema") != SCHEMA:
            raise ModelError(f"{where}: schema {value.get('schema')!r} is not {SCHEMA}: written by another onsight")
        known = {f.name for f in fields(cls)}
        given = set(value) - {"schema"}
        if unknown := sorted(given - known):
            raise ModelError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if missing := [k for k in ("name", "classes", "input_size_wh") if k not in given]:
            raise ModelError(f"{where}: the key {missing[0]!r} is missing")
        try:
            return cls(**{key: _checked(key, value[key]) for key in given})
        except ModelError as error:
            raise ModelError(f"{where}: {error}") from error

    @classmethod
    def load(cls, path: Path) -> ModelSpec:
        """Read a spec from a JSON file.

        Raises:
            ModelError: not there, not JSON, or not a spec.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")), str(path))
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path} is not JSON: {error}") from error

    def save(self, path: Path) -> None:
        """Write the spec to a JSON file, whole or not at all."""
        write_json(path, self.to_json())


def _checked(key: str, value: Any) -> Any:
    """A spec's value as its field holds it; JSON's kinds are not bent into one another."""
    if key in ("roi", "input_statistics") and value is None:
        return None
    if key == "input_statistics":
        return InputStatistics.from_json(value)
    if key in ("classes", "input_size_wh", "mean", "std", "roi"):
        if not isinstance(value, list):
            raise ModelError(f"{key} must be a list")
        if key == "roi" and len(value) != 4:
            raise ModelError("roi must be [left, top, width, height]")
        if key == "input_size_wh" and len(value) != 2:
            raise ModelError("input_size_wh must be [width, height]")
        return tuple(_item(key, item) for item in value)
    return _item(key, value)


def _item(key: str, value: Any) -> str | int | float:
    if key in ("input_size_wh", "rotate"):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ModelError(f"{key} must hold whole numbers, not {value!r}")
    if key in ("mean", "std", "threshold", "temperature", "roi"):
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30:
            return float(value)
        raise ModelError(f"{key} must hold finite numbers, not {value!r}")
    if isinstance(value, str) and not _HALF_CHARACTER.search(value):  # half a surrogate pair can be printed nowhere
        return value
    raise ModelError(f"{key} must be text, not {value!r}")
