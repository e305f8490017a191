"""The systemd unit of a live run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsight_edge.errors import UsageError
from onsight_edge.unit import Unit, quoted, unreadable_for_others, without_nested

AWKWARD = ("/bin/true", "a b", 'q"q', "it's", "50%", "$HOME", "back\\slash", "ü", "", "--web=0.0.0.0:8000", ";")


def unit(**changes: object) -> Unit:
    values: dict[str, object] = {"name": "cam", "command": AWKWARD, "folder": Path("/"), "user": "root"}
    return Unit(**{**values, **changes})  # type: ignore[arg-type]


def setting(text: str, key: str) -> list[str]:
    return [line.split("=", 1)[1] for line in text.splitlines() if line.startswith(f"{key}=")]


def unquoted(line: str) -> list[str]:
    """The words that systemd would make of a command line, by man systemd.syntax and systemd.service."""
    words: list[str] = []
    word: str | None = None
    inside = False
    at = 0
    while at < len(line):
        letter = line[at]
        if letter == "\\":
            at += 1
            word = (word or "") + line[at]
        elif letter == '"':
            inside = not inside
            word = word or ""
        elif letter == " " and not inside:
            words += [] if word is None else [word]
            word = None
        elif letter in "%$":
            assert line[at + 1] == letter, "it would be expanded"
            at += 1
            word = (word or "") + letter
        else:
            word = (word or "") + letter
        at += 1
    return words + ([] if word is None else [word])


printable = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f"))


@given(st.lists(printable))
def test_words_survive(words: list[str]) -> None:
    assert unquoted(" ".join(map(quoted, words))) == words


def test_a_shell_sign_stays_quoted() -> None:
    assert quoted(";") == '";"' and quoted("") == '""' and quoted("--source=/dev/video0") == "--source=/dev/video0"


def test_a_line_end_cannot_bring_in_a_line_of_its_own() -> None:
    with pytest.raises(UsageError, match="control character"):
        unit(command=("/bin/true", "x\nExecStartPre=/bin/false"))
    for name in ("", "../cam", "a b", "-cam"):
        with pytest.raises(UsageError, match="a service's name"):
            unit(name=name)


def test_who_runs_it_and_what_it_may_write() -> None:
    text = unit(user="pi", groups=("video",), writes=(Path("/data/a b"), Path("/srv/100%"))).text
    assert setting(text, "User") == ["pi"] and not setting(text, "DynamicUser")
    assert setting(text, "SupplementaryGroups") == ["video"]
    assert setting(text, "ReadWritePaths") == ['"-/data/a b" -/srv/100%%']
    assert setting(text, "ProtectSystem") == ["strict"]
    text = unit(user=None, groups=()).text
    assert setting(text, "DynamicUser") == ["yes"] and not setting(text, "User")


def test_watching() -> None:
    assert setting(unit(watchdog_s=12.5).text, "WatchdogSec") == ["12.5"]
    assert not setting(unit(watchdog_s=None).text, "WatchdogSec")
    assert setting(unit().text, "Type") == ["notify"] and setting(unit().text, "Restart") == ["on-failure"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("user", ["root", None])
def test_systemd_takes_it(tmp_path: Path, user: str | None) -> None:
    secrets = tmp_path / "100% secret"
    secrets.write_text("MQTT_PASSWORD=x\n")
    environment = (("ONSIGHT_CACHE", "/a b/%c"),)
    made = unit(user=user, writes=(Path("/srv/a b"),), environment=environment, secrets=secrets, folder=tmp_path)
    file = tmp_path / "cam.service"
    file.write_text(made.text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, timeout=60
    )
    assert "cam.service" not in done.stderr + done.stdout, done.stderr
    file.write_text(made.text.replace("WatchdogSec=30", "WatchdogSec=often"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, timeout=60
    )
    assert "cam.service" in done.stderr + done.stdout, "it looks at what it is given"


def test_what_strangers_may_not_read() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to others
        home = Path(folder)
        home.chmod(0o755)
        file = home / "model"
        file.touch()
        file.chmod(0o644)
        assert unreadable_for_others(file) is None
        home.chmod(0o700)
        assert unreadable_for_others(file) == home
        home.chmod(0o755)
        file.chmod(0o600)
        assert unreadable_for_others(file) == file
        assert unreadable_for_others(home / "none") == home / "none"


def test_folders_within_folders_are_one() -> None:
    assert without_nested([Path("/a/b"), Path("/a"), Path("/ab"), Path("/a")]) == (Path("/a"), Path("/ab"))
