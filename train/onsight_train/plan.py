"""What decides a training, and plan.json, which a killed training goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onsight_edge.errors import ModelError
from onsight_edge.files import canonical_json, sha256_bytes, write_json
from onsight_edge.geometry import WHOLE, View
from onsight_edge.spec import Resize
from onsight_train.archs import Architecture, find_arch
from onsight_train.recipes import Recipe

SCHEMA = 1
PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides a training beside the pictures.

    Attributes:
        arch: the network.
        recipe: how it is trained.
        seed: decides weights, order and changes.
        patience: epochs without a lower validation loss before it stops; None trains them all.
        validation: fraction of the training pictures set apart, as given to `load_dataset`.
        resize: how pictures were fitted, as given to `load_dataset`.
        limit: most pictures a split, as given to `load_dataset`.
        view: what of each picture is looked at, as given to `load_dataset`; live frames get the same.
        name: what the model is called.
        command: the command line, for the record.
        teacher: run folder of the network whose answers are learnt beside the labels.
        options: what the command was called with, by option; a call that goes on may not contradict it.
    """

    arch: Architecture
    recipe: Recipe
    seed: int = 0
    patience: int | None = None
    validation: float = 0.1
    resize: Resize = "squash"
    limit: int | None = None
    view: View = WHOLE
    name: str = "model"
    command: Sequence[str] = ()
    teacher: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values; `from_json` gives it back."""
        return {
            "arch": self.arch.name,
            "recipe": self.recipe.to_json(),
            "seed": self.seed,
            "patience": self.patience,
            "validation": self.validation,
            "resize": self.resize,
            "limit": self.limit,
            **({} if self.view.whole else {"view": self.view._asdict()}),
            "name": self.name,
            "command": list(self.command),
            "teacher": None if self.teacher is None else str(self.teacher),
            "options": dict(self.options),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError: it is not that.
            ModelError: its network is not to be found.
        """
        teacher = value["teacher"]
        view = value.get("view", {})
        return cls(
            **{
                **value,
                "arch": find_arch(value["arch"]),
                "recipe": Recipe(**value["recipe"]),
                "view": View(**{**view, "roi": tuple(view["roi"]) if view.get("roi") else None}),
                "teacher": None if teacher is None else Path(teacher),
            }
        )


@dataclass(frozen=True, slots=True)
class Planned:
    """plan.json: the plan with what it met.

    Attributes:
        plan: what was asked for.
        data: what data.json of the run holds: where the pictures came from, and their digest.
        teacher_sha256: digest of the teacher's model.keras; empty without one.
        versions: of what trains: Python, Keras, its backend.
    """

    plan: Plan
    data: Mapping[str, Any]
    teacher_sha256: str
    versions: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Digest of the whole."""
        return sha256_bytes(canonical_json(self.to_json()).encode())

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "schema": SCHEMA,
            "plan": self.plan.to_json(),
            "data": dict(self.data),
            "teacher_sha256": self.teacher_sha256,
            "versions": dict(self.versions),
        }

    def save(self, folder: Path) -> None:
        """Write plan.json, whole or not at all."""
        write_json(folder / PLAN, self.to_json())

    @classmethod
    def load(cls, folder: Path) -> Planned:
        """Read plan.json of a folder.

        Raises:
            ModelError: it is not there, damaged, or written by another onsight.
        """
        path = folder / PLAN
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["schema"] != SCHEMA:
                raise ModelError(
                    f"{path}: schema {value['schema']!r} is not {SCHEMA}: go on with the onsight it began with"
                )
            return cls(Plan.from_json(value["plan"]), value["data"], value["teacher_sha256"], value["versions"])
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path} is not a plan that this onsight reads ({error})") from error


def teacher_sha256(teacher: Path | None) -> str:
    """Digest of a teacher's weights, `Planned.teacher_sha256`.

    Raises:
        ModelError: the run has no model.
    """
    if teacher is None:
        return ""
    try:
        return sha256_bytes((teacher / "model.keras").read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read the teacher's {teacher / 'model.keras'}: {error.strerror}") from error
