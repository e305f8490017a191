"""What a URI says before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from onsight_edge.sources import is_continuous


@pytest.mark.parametrize(
    ("uri", "continuous"),
    [
        ("0", True),
        ("/dev/video0", True),
        ("csi://0", True),
        ("rtsp://camera/stream", True),
        ("HTTP://camera/stream", True),
        ("synthetic://", True),
        ("pipe:?format=bgr24&size=4x4", True),
        ("clip.mp4", True),
        ("file:///clips/clip.mp4", True),
        ("photo.JPG", False),
        ("file:///photos/photo.jpg", False),
        ("dataset://cifar10", False),
        ("watch://inbox", False),
    ],
)
def test_frames_of_folders_and_sets_do_not_follow_each_other(uri: str, continuous: bool) -> None:
    assert is_continuous(uri) is continuous


def test_a_folder_is_no_film(tmp_path: Path) -> None:
    assert not is_continuous(str(tmp_path))
