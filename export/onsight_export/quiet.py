"""Keeps the chatter of the conversion libraries off the user's terminal, without hiding their errors."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from onsight_edge.errors import OnsightError


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Catch what the block prints on file descriptors 1 and 2, and Python warnings; drop it if all went well.

    When the block ends in an exception that onsight did not raise on purpose, all of it is printed on stderr:
    it is what explains the exception. The descriptors themselves are redirected because TensorFlow's converter
    prints from C++. Whoever prints meanwhile, such as a progress bar, needs a descriptor of its own (os.dup).
    """
    _flush()
    with tempfile.TemporaryFile() as log:
        saved = []
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # closed by whoever started us: nothing to keep quiet
                saved.append((descriptor, os.dup(descriptor)))
                os.dup2(log.fileno(), descriptor)
        failed = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (OnsightError, KeyboardInterrupt):
            raise
        except BaseException:
            failed = True
            raise
        finally:
            _flush()
            for descriptor, copy in saved:
                os.dup2(copy, descriptor)
                os.close(copy)
            if failed:
                log.seek(0)
                sys.stderr.write(log.read().decode(errors="replace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
