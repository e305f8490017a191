"""Options that several verbs share: numbers that are none, and names that no file system takes."""

from __future__ import annotations

import pytest

from onsight.main import main
from onsight.predicting import names_a_model


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "run", "--max-drop"),
        ("predict", "a.jpg", "--threshold"),
        ("run", "--source", "0", "--threshold"),
        ("run", "--source", "0", "--fps"),
        ("run", "--source", "0", "--seconds"),
        ("bench", "--seconds"),
        ("data", "set", "--validation"),
        ("train", "set", "--validation"),
        ("train", "set", "--dropout"),
        ("train", "set", "--lr"),
        ("val", "default", "set", "--validation"),
    ],
)
def test_a_number_is_finite(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "nan"])
    assert ended.value.code == 2
    assert f"'{arguments[-1]}': 'nan' is not a finite number" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["export", "bench", "data", "train", "val"])
def test_a_seed_is_one_that_numpy_takes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in ("-1", str(2**32)):
        with pytest.raises(SystemExit) as ended:
            main([verb, "x", *(["y"] if verb == "val" else []), "--seed", seed])
        assert ended.value.code == 2
        assert "'--seed'" in capsys.readouterr().err


LONG = "x" * 300


def test_too_long_a_name_is_no_model() -> None:
    assert not names_a_model(LONG)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "set", "--out", LONG),
        ("predict", LONG),
        ("data", LONG),
        ("train", LONG),
        ("val", "default", LONG),
        ("export", LONG),
    ],
)
def test_too_long_a_name_is_one_line(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 1
    printed = capsys.readouterr()
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("onsight: ") and LONG in lines[0]
