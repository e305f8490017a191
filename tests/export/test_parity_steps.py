"""Parity's pure parts: figures of a step, what is broken, and which value is which layer's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsight_edge.errors import DataError, ModelError
from onsight_export.parity.locate import channels_last, relative_error
from onsight_export.parity.matching import Layer, Value, culprit, group, match, resolve
from onsight_export.parity.step import compare, drop_interval, picture_names
from onsight_export.parity.tolerance import objections, tolerance_of

CLASSES = ("a", "b", "c")


def one_hot(predicted: list[int], sure: float = 0.8) -> np.ndarray:  # type: ignore[type-arg]
    rest = (1 - sure) / 2
    return np.array([[sure if c == p else rest for c in range(3)] for p in predicted], np.float32)


def test_flips_drop_and_agreement_are_counted() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    before, after = one_hot([0, 0, 1, 1, 2, 0]), one_hot([0, 1, 0, 1, 0, 0])
    found = compare(before, after, labels, CLASSES, picture_names((), range(6)), seed=1)
    assert (found.correct, found.only_reference, found.only_step) == (3, 1, 1) and found.drop_points == 0
    assert found.agreement == pytest.approx(3 / 6)
    assert found.largest_difference == pytest.approx(0.7) and found.mean_difference == pytest.approx(3 * 1.4 / 18)
    flips = {name: (f.pictures, f.lost, f.won, f.moved) for name, f in found.flips.items()}
    assert flips == {"a": (3, 1, 1, 0), "b": (2, 0, 0, 1), "c": (1, 0, 0, 0)}
    assert [(one.row, one.name, one.before, one.after) for one in found.worst] == [
        (1, "test[1]", "a", "b"),
        (2, "test[2]", "b", "a"),
        (4, "test[4]", "c", "a"),
    ]


def test_equal_scores_have_no_worst_pictures() -> None:
    scores = one_hot([0, 1, 2])
    found = compare(scores, scores, np.array([0, 1, 1]), CLASSES, ["x"] * 3)
    assert found.worst == () and found.agreement == 1 and found.drop_interval == (0, 0)
    assert objections(found, "float32") == ()


def test_scores_that_are_no_numbers_break_a_step() -> None:
    scores = one_hot([0, 1, 2])
    bad = scores.copy()
    bad[1, 1] = np.nan
    found = compare(scores, bad, np.array([0, 1, 2]), CLASSES, ["x"] * 3)
    assert objections(found, "int8")[0] == "1 of 3 pictures get scores that are no numbers"


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [((4, 3), 5, "do not fit"), ((0, 3), 0, "no pictures"), ((4, 2), 4, "do not fit")],
)
def test_what_does_not_fit_is_refused(scores: tuple[int, int], labels: int, words: str) -> None:
    some = np.zeros(scores, np.float32)
    with pytest.raises(DataError, match=words):
        compare(some, some, np.zeros(labels, int), CLASSES, [""] * labels)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3000), st.floats(0, 0.3), st.floats(0, 0.3), st.integers(0, 100))
def test_the_bootstrap_by_counts_is_the_bootstrap_by_pictures(total: int, a: float, b: float, seed: int) -> None:
    lost, won = int(total * a), int(total * b)
    low, high = drop_interval(lost, won, total, seed=seed)
    drop = 100 * (lost - won) / total
    assert low <= drop <= high and drop_interval(lost, won, total, seed=seed) == (low, high)
    signs = np.concatenate([np.ones(lost), -np.ones(won), np.zeros(total - lost - won)])
    drawn = np.random.default_rng(seed).integers(0, total, (400, total))
    by_pictures = np.quantile(100 * signs[drawn].mean(axis=1), (0.025, 0.975))
    width = 4 * 100 * np.sqrt(max((lost + won) / total, 1 / total) / total)
    assert abs(low - by_pictures[0]) < width and abs(high - by_pictures[1]) < width


def test_counts_that_cannot_be_have_no_interval() -> None:
    with pytest.raises(DataError, match="3 lost and 2 won of 4"):
        drop_interval(3, 2, 4)


def answers(drop: int, differ: int, total: int = 1000, away: float = 0.0):  # type: ignore[no-untyped-def]
    """`drop` pictures lost, `differ` of all with another class, and one score `away`."""
    labels = np.zeros(total, int)
    before = [0] * total
    after = [1] * drop + [0] * (total - drop)
    for place in range(differ - drop):  # wrong both times
        before[-1 - place], after[-1 - place] = 1, 2
    scores, other = one_hot(before), one_hot(after)
    other[drop, 0] += away
    return compare(scores, other, labels, CLASSES, [""] * total)


@pytest.mark.parametrize(
    ("drop", "differ", "away", "number_format", "words"),
    [
        (0, 0, 5e-5, "float32", ()),
        (0, 0, 2e-4, "float32", ("a score is 0.0002 away, float32 explains 0.0001",)),
        (0, 0, 0.04, "float16", ()),
        (0, 0, 0.06, "float16", ("a score is 0.06 away, float16 explains 0.05",)),
        (5, 60, 0.0, "int8", ()),
        (0, 101, 0.0, "int8", ("it names the same class on 89.90% of the pictures, not 90.0%",)),
        (40, 60, 0.0, "dynamic", ("it loses 4.00 points of accuracy, more than 1",)),
    ],
)
def test_a_step_is_broken_by_what_its_format_does_not_explain(
    drop: int, differ: int, away: float, number_format: str, words: tuple[str, ...]
) -> None:
    assert objections(answers(drop, differ, away=away), number_format) == words


def test_one_lost_picture_of_few_is_no_finding() -> None:
    found = answers(1, 1, total=20)
    assert found.drop_points == 5 and found.drop_interval[0] == 0 and objections(found, "int8") == ()


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ModelError, match="unknown number format 'int4'"):
        tolerance_of("int4")


CHAIN = [
    Layer("pixels", "InputLayer", (8, 8, 3), (), 0),
    Layer("conv", "Conv2D", (8, 8, 4), (0,), 108),
    Layer("norm", "BatchNormalization", (8, 8, 4), (1,), 0),
    Layer("conv_1", "Conv2D", (8, 8, 4), (2,), 144),
    Layer("add", "Add", (8, 8, 4), (2, 3), 0),
    Layer("pool", "GlobalAveragePooling2D", (4,), (4,), 0),
    Layer("scores", "Dense", (3,), (5,), 12),
]


def test_values_are_matched_to_the_last_layer_that_they_name() -> None:
    values = [
        Value(0, (8, 8, 3), "net_1/conv_1/Cast"),  # another shape: a copy of the pixels
        Value(1, (8, 8, 4), "net_1/norm_1/add_1;net_1/conv_1/Conv2D"),
        Value(2, (4, 8, 8), "net_1/conv_1_2/BiasAdd"),
        Value(3, (8, 8, 4), "net_1/conv_1_2/BiasAdd:0_DequantizeLinear_Output"),
        Value(4, (1, 1, 4), "net_1/pool_1/Mean"),
        Value(5, (3,), "net_1/scores_1/MatMul"),
        Value(6, (3,), "StatefulPartitionedCall", is_output=True),
    ]
    found = {CHAIN[place].name: value.key for place, value in match(values, CHAIN).items()}
    assert found == {"norm": 1, "conv_1": 3, "pool": 4, "scores": 6}
    matched = [2, 3, 5, 6]
    assert group(CHAIN, matched, 2) == ([1, 2], [0]) and culprit(CHAIN, [1, 2]) == 1
    # the sum has no value of its own: it belongs to the pooling, which reads both branches
    assert group(CHAIN, matched, 5) == ([4, 5], [2, 3]) and culprit(CHAIN, [4, 5]) == 5
    assert group(CHAIN, matched, 6) == ([6], [5])


@pytest.mark.parametrize(
    ("parts", "names", "meant"),
    [
        (["stem_1", "norm_1"], ["stem", "norm"], {"stem_1": "stem", "norm_1": "norm"}),
        (["conv_1", "conv_1_2"], ["conv", "conv_1"], {"conv_1": "conv", "conv_1_2": "conv_1"}),
        (["conv", "conv_1"], ["conv", "conv_1"], {"conv": "conv", "conv_1": "conv_1"}),
        (["net", "conv_1", "pool_1"], ["conv", "conv_1", "pool"], {"conv_1": "conv", "pool_1": "pool"}),
        (["net", "conv_1", "pool"], ["conv", "conv_1", "pool"], {"conv_1": "conv_1", "pool": "pool"}),
    ],
)
def test_tracing_s_numbers_are_told_from_the_layers_own(
    parts: list[str], names: list[str], meant: dict[str, str]
) -> None:
    assert resolve(parts, names) == meant


@given(st.lists(st.sampled_from(["conv", "conv_1", "conv_2", "pool"]), unique=True), st.integers(1, 9))
def test_every_layer_is_found_whatever_the_number(names: list[str], number: int) -> None:
    parts = [f"{name}_{number}" for name in names]
    found = resolve(parts, names)
    assert set(found.values()) <= set(names) and len(set(found.values())) == len(found)
    if number > 2:
        assert found == dict(zip(parts, names, strict=True))


def test_channels_are_moved_to_where_keras_has_them() -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype(np.float32)
    assert (channels_last(np.moveaxis(values, -1, 1), values) == values).all()
    assert (channels_last(values, values) == values).all()
    cube = np.random.default_rng(1).normal(size=(2, 4, 4, 4)).astype(np.float32)
    assert (channels_last(np.moveaxis(cube, -1, 1), cube) == cube).all()
    flat = cube[:, 0, 0]
    assert (channels_last(flat.reshape(2, 4, 1, 1), flat) == flat).all()


def test_relative_error() -> None:
    wanted = np.array([[3.0, 4.0]])
    assert relative_error(wanted, wanted) == 0 and relative_error(wanted * 1.1, wanted) == pytest.approx(0.1)
    assert relative_error(np.array([[np.nan, 4.0]]), wanted) == np.inf
    with pytest.raises(ValueError, match="cannot be compared"):
        relative_error(wanted, wanted[0])
