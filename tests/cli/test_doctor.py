"""`onsight doctor` as a person calls it."""

from __future__ import annotations

import json

import pytest

from onsight.main import main
from onsight_edge import doctor
from onsight_edge.doctor import Finding

WELL = Finding("python", "ok", "Python")
WORSE = Finding("clock", "warning", "the governor [bold]powersave", "echo performance")
BAD = Finding("opencv", "problem", "two of them", "pip uninstall one of the two " + "x" * 80)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("found", "status"), [((WELL, WORSE), 0), ((WELL, WORSE, BAD), 1)])
def test_only_a_problem_sets_the_exit_status(
    found: tuple[Finding, ...], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: found)
    monkeypatch.setenv("COLUMNS", "60")
    assert call() == status
    text = capsys.readouterr().out
    assert "[bold]powersave" in text and "echo performance" in text and "1 warning" in text
    assert call("--json") == status
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == [one.to_json() for one in found]
    assert (document["problems"], document["warnings"]) == (status, 1)
    assert document["device"]["machine"]


def test_this_machine_is_examined(capsys: pytest.CaptureFixture[str]) -> None:
    call("--json")
    areas = {one["area"]: one["level"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert areas["runtime"] == areas["self-test"] == areas["python"] == "ok"
