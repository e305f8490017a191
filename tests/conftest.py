"""For all tests: one thread for TensorFlow, in this process and in those that tests start, and no device profiles.

Its thread pools can only be set before its first operation, which any test may be the one to run. One thread makes sums
repeatable and leaves the second core to the commands under test. A profile of whoever runs the tests would decide what
`onsight run` opens.
"""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(autouse=True, scope="session")
def no_profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this session's profiles are kept: none are there at first."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["ONSIGHT_STATE"] = str(folder)
    return folder
