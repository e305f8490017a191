"""Recipes: their values are checked, what the shipped record depends on stays."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import ModelError, UsageError
from onsight_train.recipes import RECIPES, TEACHER_SHARE, Recipe, find_recipe

PLAIN = Recipe("plain", epochs=2, batch=8, lr=0.1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "--epochs must be at least 1, not 0"),
        ("batch", 0, "--batch must be at least 1, not 0"),
        ("pad", -1, "--pad must be at least 0, not -1"),
        ("cutout", -2, "--cutout must be at least 0, not -2"),
        ("lr", 0.0, "--lr must be a positive number, not 0.0"),
        ("temperature", -1.0, "--temperature must be a positive number, not -1.0"),
        ("weight_decay", -0.1, "--weight-decay must be 0 or a positive number, not -0.1"),
        ("warmup_epochs", -1.0, "--warmup-epochs must be 0 or a positive number, not -1.0"),
        ("mixup", -0.2, "--mixup must be 0 or a positive number, not -0.2"),
        ("cutmix", math.inf, "--cutmix must be 0 or a positive number, not inf"),
        ("clip_norm", -1.0, "--clip-norm must be 0 or a positive number, not -1.0"),
        ("label_smoothing", 1.0, "--label-smoothing must be at least 0 and less than 1, not 1.0"),
        ("ema", 1.0, "--ema must be at least 0 and less than 1, not 1.0"),
        ("dropout", -0.1, "--dropout must be at least 0 and less than 1, not -0.1"),
        ("colour", 1.5, "--colour must be from 0 to 1, not 1.5"),
        ("distill", 1.1, "--distill must be from 0 to 1, not 1.1"),
        ("optimizer", "lion", "--optimizer must be adam or sgd, not lion"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_the_name_of_their_flag(
    field: str, value: object, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        PLAIN.with_overrides(**{field: value})
    assert str(caught.value) == message


NUMBERS = [field.name for field in dataclasses.fields(Recipe) if isinstance(getattr(PLAIN, field.name), float)]


@pytest.mark.parametrize("field", NUMBERS)
def test_nan_is_refused_everywhere(field: str) -> None:
    with pytest.raises(UsageError, match=f"--{field.replace('_', '-')} must be .*, not nan"):
        dataclasses.replace(PLAIN, **{field: math.nan})


@given(epochs=st.none() | st.integers(1, 500), mixup=st.none() | st.floats(0, 5), flip=st.none() | st.booleans())
def test_overrides_change_what_is_given_and_nothing_else(
    epochs: int | None, mixup: float | None, flip: bool | None
) -> None:
    given_ = {"epochs": epochs, "mixup": mixup, "flip": flip}
    changed = RECIPES["standard"].with_overrides(**given_)
    for field in dataclasses.fields(Recipe):
        wanted = given_.get(field.name)
        expected = getattr(RECIPES["standard"], field.name) if wanted is None else wanted
        assert getattr(changed, field.name) == expected


def test_unknown_attributes_are_the_caller_s_mistake() -> None:
    with pytest.raises(TypeError, match="learning_rate"):
        PLAIN.with_overrides(learning_rate=1)


def test_a_teacher_brings_its_share() -> None:
    assert PLAIN.distill == 0 and PLAIN.with_teacher().distill == TEACHER_SHARE
    half = PLAIN.with_overrides(distill=0.5)
    assert half.with_teacher() == half


@pytest.mark.parametrize("change", [{"flip": True}, {"pad": 1}, {"colour": 0.1}, {"mixup": 0.2}, {"cutmix": 1.0}])
def test_what_changes_pictures_says_so(change: dict[str, object]) -> None:
    assert not PLAIN.augments
    assert PLAIN.with_overrides(**change).augments


def test_what_the_records_were_trained_by_stays() -> None:
    """The shipped model's record is reproduced by these: a new value needs a new name."""
    off = {
        "label_smoothing": 0.0, "cutout": 0, "colour": 0.0, "mixup": 0.0, "cutmix": 0.0, "clip_norm": 0.0, "ema": 0.0,
        "class_weights": False, "dropout": 0.0, "mixed_precision": False, "distill": 0.0, "temperature": 4.0,
    }  # fmt: skip
    assert RECIPES["standard"].to_json() == off | {
        "name": "standard", "epochs": 50, "batch": 128, "lr": 0.1, "optimizer": "sgd", "weight_decay": 2e-3,
        "warmup_epochs": 2, "cosine": True, "flip": True, "pad": 4,
    }  # fmt: skip
    assert RECIPES["tutorial"].to_json() == off | {
        "name": "tutorial", "epochs": 10, "batch": 32, "lr": 1e-3, "optimizer": "adam", "weight_decay": 0.0,
        "warmup_epochs": 0.0, "cosine": False, "flip": False, "pad": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_become_json_and_are_found(name: str) -> None:
    assert Recipe(**RECIPES[name].to_json()) == RECIPES[name] == find_recipe(name)


def test_unknown_recipes_are_answered_with_the_closest() -> None:
    with pytest.raises(ModelError, match="unknown recipe 'Standart': did you mean standard"):
        find_recipe("Standart")


def test_a_network_without_batch_norm_gets_a_learning_rate_of_its_own() -> None:
    for name in ("standard", "best"):
        general, own = RECIPES[name], find_recipe(name, arch="seed-cnn")
        assert find_recipe(name, arch="resnet8") == find_recipe(name) == general
        assert (own.name, own.optimizer, own.flip, own.pad) == (name, "adam", general.flip, general.pad)
        assert own.lr < general.lr / 10 and own.dropout > 0
    assert find_recipe("tutorial", arch="seed-cnn") == RECIPES["tutorial"]
