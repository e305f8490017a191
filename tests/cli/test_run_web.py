"""`onsight run --web` and `onsight collect` as a user starts them: processes, a real port, real signals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from onsight.configuration import read_configuration
from onsight.saving import save_settings

SCRIPT = "import sys; from onsight.main import main; main(sys.argv[1:])"


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)


def onsight(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


def address(process: subprocess.Popen[str]) -> str:
    """What the run prints of its dashboard."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if found := re.match("dashboard: (.*)", line):
            return found[1]
    raise AssertionError("no address was printed")


def ask(url: str, body: dict[str, Any] | None = None, method: str | None = None, token: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def test_a_run_is_served_until_it_ends_and_settings_are_saved(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('# mine\nsource = "synthetic://"\nthreshold = 0.5  # half\nweb = "127.0.0.1:0"\n')
    run = start("run", "--config", str(config), "--quiet", "--web-folder", "kept", "--json", cwd=tmp_path)
    try:
        url = address(run)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        info = ask(f"{url}api/info")
        assert info["settings"]["threshold"] == 0.5 and info["settings"]["savable"]
        saved = ask(f"{url}api/settings", {"threshold": 0.75, "agree": 5, "save": True}, "PUT")
        assert saved["saved"] and saved["threshold"] == 0.75
        assert ask(f"{url}api/collect", {"label": "cat"})["labels"] == {"cat": 1}
    finally:
        run.send_signal(signal.SIGTERM)
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert json.loads(out)["sinks"][0]["name"] == "web"
    text = config.read_text()
    assert text.startswith("# mine\n") and "threshold = 0.75  # half\n" in text and "agree = 5\n" in text
    assert len(list((tmp_path / "kept" / "collected" / "cat").iterdir())) == 1
    with pytest.raises(urllib.error.URLError):
        ask(f"{url}api/info")


def test_in_a_network_a_token_is_printed_once_or_stands_in_a_file(tmp_path: Path) -> None:
    run = start("run", "--source", "synthetic://", "--web", "0.0.0.0:0", "--quiet", cwd=tmp_path)
    try:
        url, _, token = address(run).partition("?token=")
        assert len(token) >= 22
        port = url.rstrip("/").rpartition(":")[2]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(f"http://127.0.0.1:{port}/api/info")
        assert ask(f"http://127.0.0.1:{port}/api/info", token=token)["source"]["name"] == "synthetic://"
        assert run.stderr is not None and "without --web-cert" in run.stderr.readline()
    finally:
        run.terminate()
        out, err = run.communicate(timeout=60)
    assert token not in out + err
    run = start("run", "--source=synthetic://", "--web=127.0.0.1:0", "--web-token-file=t", "--quiet", cwd=tmp_path)
    try:
        said = address(run)
        token = (tmp_path / "t").read_text().strip()
        assert token not in said
        assert ask(f"{said.partition('?')[0]}healthz", token=token)["status"] in ("ok", "starting")
    except urllib.error.HTTPError as error:
        assert error.code == 503  # no frame yet
    finally:
        run.terminate()
        run.communicate(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--web", "nonsense:port"), "--web takes HOST:PORT"),
        (("--web-folder", "x"), "does nothing without --web"),
        (("--web=0", "--web-cert", "c.pem"), "given together"),
        (("--web=0", "--web-name", "a b"), "--web-name takes a host's name"),
        (("--web=256.0.0.1:1", "--quiet"), "cannot listen on"),
        (("--web=127.0.0.1:0", "--web-cert=no.pem", "--web-key=no.pem"), "cannot use the certificate"),
    ],
)
def test_wrong_flags_get_a_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    done = onsight("run", "--source", "synthetic://", *arguments, cwd=tmp_path)
    assert done.returncode in (1, 2) and line in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_service_keeps_its_token_in_a_file(tmp_path: Path) -> None:
    arguments = ("service", "install", "--print", "--user", "root", "--", "--source", "synthetic://", "--web=0.0.0.0:0")
    refused = onsight(*arguments, cwd=tmp_path)
    assert refused.returncode == 2 and "--web-token-file" in refused.stderr
    allowed = onsight(*arguments, "--web-token-file", str(Path.home() / "onsight-token"), cwd=tmp_path)
    assert allowed.returncode == 0, allowed.stderr


def test_settings_are_written_between_the_lines_of_a_file(tmp_path: Path) -> None:
    from onsight.commands.run import command

    path = tmp_path / "a.toml"
    path.write_text('source = "0"\nsmooth=1 # s\n"agree" = 2')
    save_settings(path, {"threshold": 0.25, "smooth": 0.5, "agree": 3, "hysteresis": None})
    assert path.read_text() == 'source = "0"\nsmooth=0.5 # s\n"agree" = 3\nthreshold = 0.25\n'
    given = read_configuration(path, command).given
    assert given == {"source": "0", "smooth": 0.5, "agree": 3, "threshold": 0.25}


def test_collect_makes_a_data_set(tmp_path: Path) -> None:
    for label in ("moving", "other"):
        arguments = ("--source", "synthetic://", "--label", label, "--out", "set", "--count", "3", "--every", "0.05")
        done = onsight("collect", *arguments, "--keep-alike", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["saved"] == 3
    assert json.loads(onsight("data", "set", "--json", cwd=tmp_path).stdout)["classes"] == ["moving", "other"]
    refused = onsight("collect", "--source", "synthetic://", "--label", "../x", "--out", "set", cwd=tmp_path)
    assert refused.returncode == 2 and "class name" in refused.stderr


def test_collect_ends_on_a_signal_with_what_it_has(tmp_path: Path) -> None:
    run = start("collect", "--source=synthetic://", "--label=a", "--out=s", "--count=100000", "--json", cwd=tmp_path)
    deadline = 200
    while not list(tmp_path.glob("s/a/*.jpg")) and deadline:
        deadline -= 1
        signal.sigtimedwait([], 0.1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert json.loads(out)["saved"] >= 1
