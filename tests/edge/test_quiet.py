"""What libraries write to descriptor 2 stays away, and comes back afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from onsight_edge.quiet import quiet_stderr, wait_for_stderr


def test_quiet_stderr_silences_the_descriptor_until_the_outermost_block_ends(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"one\n")
        with quiet_stderr():
            os.write(2, b"two\n")
        os.write(2, b"three\n")
    os.write(2, b"four\n")
    assert capfd.readouterr().err == "four\n"


def test_whoever_waits_writes_after_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        wait_for_stderr(60)
        os.write(2, b"heard\n")

    with quiet_stderr():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join(60)
    assert capfd.readouterr().err == "heard\n"


def test_quiet_stderr_does_without_a_descriptor() -> None:
    code = "import os; os.close(2)\nfrom onsight_edge.quiet import quiet_stderr\nwith quiet_stderr(): print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "fine\n")
