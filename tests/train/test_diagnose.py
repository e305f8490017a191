"""What the curves are called."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_train.diagnose import diagnose
from onsight_train.history import Epoch
from onsight_train.recipes import RECIPES


def history(accuracy: list[float], val_accuracy: list[float], val_loss: list[float] | None = None) -> list[Epoch]:
    val_loss = val_loss or [1.0] * len(accuracy)
    rows = zip(accuracy, val_accuracy, val_loss, strict=True)
    return [Epoch(i, 1.0, a, loss, v, 0.1, 1.0) for i, (a, v, loss) in enumerate(rows, start=1)]


def test_validation_loss_that_rises_again_is_overfitting() -> None:
    found = diagnose(history([0.5, 0.7, 0.8, 0.85, 0.9], [0.5, 0.6, 0.82, 0.83, 0.83], [2, 1, 0.8, 1, 1.2]))
    assert found.kind == "overfitting" and found.best_epoch == 3
    assert "epoch 3" in found.sentence and "50%" in found.sentence and "--patience" in found.sentence


def test_a_wide_gap_is_overfitting() -> None:
    found = diagnose(history([0.5, 0.8, 0.95, 0.99], [0.5, 0.6, 0.65, 0.68], [2, 1.5, 1.4, 1.4]))
    assert found.kind == "overfitting" and found.gap == pytest.approx(0.31)
    assert "31.0 points" in found.sentence


def test_loss_that_still_falls_is_underfitting() -> None:
    found = diagnose(history([0.3, 0.4, 0.5, 0.6], [0.3, 0.4, 0.5, 0.6], [2, 1.8, 1.6, 1.4]))
    assert found.kind == "underfitting" and "--epochs" in found.sentence


def test_flat_and_low_is_underfitting() -> None:
    found = diagnose(history([0.5] * 6, [0.5] * 6))
    assert found.kind == "underfitting" and "--arch" in found.sentence


def test_high_and_level_is_balanced() -> None:
    found = diagnose(history([0.5, 0.8, 0.9, 0.9, 0.9], [0.5, 0.85, 0.88, 0.88, 0.88]))
    assert found.kind == "balanced"


def test_augmented_training_below_validation_is_no_overfitting() -> None:
    found = diagnose(history([0.6, 0.7, 0.8, 0.8, 0.8], [0.7, 0.8, 0.85, 0.85, 0.85]))
    assert found.kind == "balanced" and found.gap < 0


def test_two_epochs_tell_nothing() -> None:
    assert diagnose(history([0.1, 0.9], [0.1, 0.2])).kind == "unclear"
    with pytest.raises(ValueError, match="no epoch"):
        diagnose([])


shares = st.floats(0, 1)


@given(st.lists(st.tuples(shares, shares, st.floats(0, 50)), min_size=1, max_size=40))
def test_any_history_gets_one_sentence(rows: list[tuple[float, float, float]]) -> None:
    found = diagnose(history([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]))
    assert found.sentence.endswith(".") and "nan" not in found.sentence
    assert math.isfinite(found.gap)
    assert rows[found.best_epoch - 1][2] == min(r[2] for r in rows)


def test_a_loss_of_nothing_does_not_underfit() -> None:
    """A fall by a third of what prints as 0.0000 is no reason for more epochs."""
    history = [Epoch(n, 1e-5, 1.0, 3e-3 * 0.9**n, 1.0, 0.1, 1.0) for n in range(1, 31)]
    assert diagnose(history).kind == "balanced"


def test_advice_names_nothing_that_was_used() -> None:
    rising = history([0.5, 0.7, 0.8, 0.85, 0.9], [0.5, 0.6, 0.82, 0.83, 0.83], [2, 1, 0.8, 1, 1.2])
    used = RECIPES["standard"].with_overrides(dropout=0.3, mixup=0.2)
    sentence = diagnose(rising, used, patience=3).sentence
    assert not any(flag in sentence for flag in ("--patience", "--dropout", "--recipe", "--mixup"))
    assert "--cutmix" in sentence and "more pictures" in sentence
    plain = diagnose(rising, RECIPES["tutorial"]).sentence
    assert all(flag in plain for flag in ("--patience", "--dropout", "--recipe standard"))


def test_too_much_noise_is_named_where_nothing_is_learnt() -> None:
    flat = history([0.5] * 6, [0.5] * 6)
    strong = RECIPES["standard"].with_overrides(cutmix=1.0, dropout=0.5)
    assert "less --cutmix and --dropout" in diagnose(flat, strong).sentence
    assert "less" not in diagnose(flat, RECIPES["standard"]).sentence


def test_blended_pictures_keep_training_accuracy_low_in_a_good_network() -> None:
    assert diagnose(history([0.6] * 6, [0.9] * 6)).kind == "balanced"
