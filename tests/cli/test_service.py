"""`onsight service` on a machine whose systemctl is a script that notes what it is asked."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from onsight.commands import service
from onsight.main import main
from onsight.systemd import MARK, Systemd

RUN = ("--", "default", "--source", "synthetic://", "--jsonl", "/var/results.jsonl", "--events", "-")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with systemctl's calls; units stand beside it."""
    log = tmp_path / "asked"
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "systemctl"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" = show ] || exit 0\n'
        "printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nNRestarts=2\\nStatusText=cat 0.91\\n"
        "Result=watchdog\\nUnitFileState=enabled\\n'\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr(service, "Systemd", partial(Systemd, units=tmp_path, running=tmp_path))
    monkeypatch.chdir(tmp_path)
    return log


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["service", *arguments])
    return int(ended.value.code or 0)


def test_install_status_uninstall(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("install", "--user", "root", "--name", "cam", "--json", *RUN) == 0
    document = json.loads(capsys.readouterr().out)
    file = asked.parent / "cam.service"
    assert file.read_text() == document["unit"] and document["unit"].startswith(MARK)
    assert "run default --source synthetic:// --jsonl /var/results.jsonl --events - --quiet" in document["unit"]
    assert " -/var\n" in document["unit"], "it may write where its outputs lie"
    assert f"WorkingDirectory={asked.parent}" in document["unit"]
    assert asked.read_text().splitlines() == ["daemon-reload", "enable cam.service", "restart --no-block cam.service"]

    assert call("status", "--name", "cam") == 0
    shown = capsys.readouterr().out
    assert "active (running), enabled" in shown and "cat 0.91" in shown and "started again 2 times" in shown
    assert "watchdog" in shown

    assert call("uninstall", "--name", "cam") == 0 and not file.exists()
    assert asked.read_text().splitlines()[-2:] == ["disable --now cam.service", "daemon-reload"]
    assert call("uninstall", "--name", "cam") == 0
    assert "there is no cam.service" in capsys.readouterr().out


def test_print_installs_nothing(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("install", "--print", "--user", "root", "--watchdog", "0", *RUN) == 0
    assert "WatchdogSec=" not in capsys.readouterr().out
    assert not list(asked.parent.glob("*.service")) and not asked.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("install",), "what shall the service run"),
        (("install", "--", "default"), "--source"),
        (("install", "--", "--source", "0", "--nonsense"), "--nonsense"),
        (("install", "--", "--source", "0", "--window"), "--window needs a screen"),
        (("install", "--user", "root", "--", "--source", "0", "--web-folder", "x"), "does nothing without --web"),
        (("install", "--user", "root", "--", "--source", "0", "--mqtt", "http://x"), "expected mqtt://"),
        (("install", "--user", "root", "--", "--source", "0", "--csv", "/var/a", "--jsonl", "/var/a"), "the same file"),
        (("install", "--user", "nobody-of-that-name", *RUN), "no user"),
        (("install", "--user", "root", "--dynamic-user", *RUN), "contradict"),
        (("install", "--watchdog", "1", *RUN), "at least 5 seconds"),
        (("install", "--name", "../x", "--user", "root", *RUN), "a service's name"),
        (("install", "--user", "root", "--write", "none", *RUN), "no such folder"),
        (("install", "--user", "root", "--secrets", "none", *RUN), "no such file"),
        (("install", "--user", "root", "--", "--source", "0", "--mp4", "/tmp/x.mp4"), "a /tmp of its own"),
        (("install", "--user", "root", "--", "--source", "0", "--jsonl", "/none/x"), "there is no folder /none"),
        (("install", "--dynamic-user", *RUN), "/var/lib/onsight only"),
        (("status", *RUN), "takes no arguments"),
    ],
)
def test_a_wrong_call_is_one_line(
    asked: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert call(*arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err and len(shown.err.strip().splitlines()) == 1 and not shown.out
    assert not list(asked.parent.glob("*.service"))


def test_it_sees_the_device_profiles_of_who_installs_it(
    asked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONSIGHT_STATE", "profiles of mine")
    assert call("install", "--print", "--user", "root", *RUN) == 0
    assert f'Environment="ONSIGHT_STATE={asked.parent}/profiles of mine"' in capsys.readouterr().out


def test_a_unit_of_somebody_else_stays(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = asked.parent / "ssh.service"
    file.write_text("[Unit]\nDescription=mine\n")
    assert call("install", "--name", "ssh", "--user", "root", *RUN) == 2
    assert call("uninstall", "--name", "ssh") == 2
    assert "not written by onsight" in capsys.readouterr().err and file.read_text().startswith("[Unit]")


def test_without_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(service, "Systemd", partial(Systemd, units=tmp_path, running=tmp_path / "none"))
    assert call("status") == 2
    assert "systemd does not run this machine" in capsys.readouterr().err


def test_a_dynamic_user_that_could_not_read_the_model(
    asked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.parent.chmod(0o700)
    assert call("install", "--dynamic-user", "--", "--source", "0") == 2
    assert "closed to others" in capsys.readouterr().err
