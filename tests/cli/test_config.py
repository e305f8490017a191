"""The TOML file of `onsight run`, and `onsight config`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from onsight.commands.run import command as run
from onsight.configuration import configuration_text, parameters, read_configuration
from onsight.main import main
from onsight_edge.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "onsight.toml"


def test_what_a_file_says_is_done_and_flags_win(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        'model = "default"\nsource = "synthetic://?fps=100"\nframes = 7\nthreshold = 1.0\njsonl = "lines.jsonl"\n'
        "quiet = true\nroi = '0,0,0.5,0.5'\n"
    )
    assert call("run", "--config", str(file), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["classified"] == 7 and said["rejected"] == 7
    assert len(Path("lines.jsonl").read_text().splitlines()) == 7
    assert call("run", "--config", str(file), "--json", "--frames", "3", "--threshold", "0") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["classified"] == 3 and said["rejected"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'source = "0"\n\n# x\ntreshold = 0.5',
            "line 4: treshold is no setting of onsight run; did you mean threshold?",
        ),
        ("zebra = 1", "line 1: zebra is no setting"),
        ('source = "0"\nthreshold = "high"', "line 2: threshold: 'high' is not a valid float"),
        ("threshold = 1.5", "line 1: threshold: 1.5 is not in the range 0<=x<=1"),
        ("threshold = nan", "line 1: threshold"),
        ("threshold = true", "line 1: threshold must be a text or a number, not true"),
        ("quiet = 1", "line 1: quiet must be true or false, not 1"),
        ('policy = "newest"', "line 1: policy: 'newest' is not one of"),
        ('source = "0"\nroi = "1,2"', "line 2: roi: "),
        ('source = "0"\n[threshold]\nx = 1', "line 2: threshold is a table"),
        ("source = ['0']", "line 1: source must be a text or a number"),
        ('config = "other.toml"', "line 1: config is no setting"),
        ("json = true", "line 1: json is no setting"),
        ("source = ", "is no TOML"),
        ("a = 1\na = 2", "is no TOML"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_wrong_file_is_one_line(file: Path, capsys: pytest.CaptureFixture[str], text: str | bytes, said: str) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for arguments in (("run", "--config", str(file), "--source", "synthetic://"), ("config", str(file), "--check")):
        assert call(*arguments) == 2
        shown = capsys.readouterr()
        assert said in shown.err and str(file) in shown.err
        assert len(shown.err.strip().splitlines()) == 1 and not shown.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('rotate-size = "1MB"', "--rotate-... and --fsync do nothing without"),
        ('mqtt = "http://host"', "expected mqtt://"),
        ('web-folder = "kept"', "does nothing without --web"),
        ('jsonl = "{file}"', "which is read here"),
    ],
)
def test_settings_that_do_not_go_together(file: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    file.write_text(text.format(file=file))
    for arguments in (("run", "--config", str(file), "--source", "synthetic://"), ("config", str(file), "--check")):
        assert call(*arguments) == 2
        assert said in capsys.readouterr().err
    assert file.read_text() == text.format(file=file)


def test_a_flag_that_may_stand_alone_is_true(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for value, address in (("true", "127.0.0.1:8000"), ("false", None), ('"[::1]:80"', "[::1]:80")):
        file.write_text(f"web = {value}\n")
        assert call("config", str(file), "--check") == 0
        context = run.make_context("run", ["--config", str(file), "--source", "0"])
        assert context.params["web"] == address


def test_no_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--config", str(file)) == 2
    assert "No such file" in capsys.readouterr().err
    assert call("config", "--check") == 2


def test_what_is_printed_says_the_same_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('source = "a\\\\b \\"c\\" \\u0007"\nthreshold = 0.25\nloop = true\nthreads = 2\n')
    assert call("config", str(file)) == 0
    printed = capsys.readouterr().out
    assert tomllib.loads(printed) == tomllib.loads(file.read_text())
    file.write_text(printed)
    assert call("config", str(file), "--check") == 0
    assert "4 settings" in capsys.readouterr().out


def test_every_flag_is_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "--json") == 0
    known = json.loads(capsys.readouterr().out)["known"]
    flags = {flag[2:] for one in run.params if isinstance(one, click.Option) for flag in one.opts if flag[:2] == "--"}
    assert set(known) == flags - {"config", "json"} | {"model"}
    assert tomllib.loads(configuration_text(run, {})) == {}, "all of it is commented out"


def test_examples_are_of_the_right_kind(file: Path) -> None:
    """What is commented out can be taken as it stands, where it is a value at all."""
    for line in configuration_text(run, {}).splitlines():
        if line.startswith("#") and " = " in line and not line.startswith("# ") and "NUMBER" not in line:
            file.write_text(line[1:])
            key = line[1:].split(" ")[0]
            given: dict[str, Any] = {}
            try:
                given = read_configuration(file, run).given
            except UsageError as error:
                assert "TEXT" in line, error  # a text of a form of its own
            assert "TEXT" in line or key in given
    assert "source" in parameters(run)
