"""The tables of live records say what stands in the records."""

from __future__ import annotations

from onsight_benchmarks.tables.live import sentinel, unknowns


def test_a_row_a_kind_of_pictures_and_a_column_a_change() -> None:
    rates = {
        "as it is": {"runs": 4, "warned": 0.0, "after_s": None, "others": {}},
        "swapped": {"runs": 4, "warned": 0.975, "after_s": 4.4, "others": {}},
    }
    lines = sentinel({"passing by": rates, "still": rates})
    assert lines[0] == "| pictures | as it is | swapped |"
    assert lines[2:4] == ["| passing by | 0.0 % | 97.5 %, 4.4 s |", "| still | 0.0 % | 97.5 %, 4.4 s |"]


def test_a_row_a_file_and_a_score() -> None:
    found = {"false_rejects": 0.05, "accuracy_accepted": None, "false_accepts": {"shoes": 0.5}}
    lines = unknowns({"net int8": {"scores": {"maximum": found, "margin": found}}})
    assert lines[0].endswith("| shoes accepted |") and len(lines) == 4
    assert lines[2] == "| net int8 | maximum | 5.0 % | - | 50.0 % |"
