"""The next batches are made while a step runs: NumPy in one thread, the framework in another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_WAIT_S = 0.2


class _End:
    """Stands behind the last item; carries what ended the source, if that was an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def prefetched(source: Iterator[T], depth: int = 3) -> Iterator[Iterator[T]]:
    """The items of `source` in their order, up to `depth` of them made ahead in a thread.

    An error in `source` is raised where its item would have come. On leaving, the thread is ended.
    """
    made: queue.Queue[T | _End] = queue.Queue(depth)
    left = threading.Event()

    def put(item: T | _End) -> bool:
        while not left.is_set():
            try:
                made.put(item, timeout=_WAIT_S)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in source:
                if not put(item):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    def items() -> Iterator[T]:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error:
            raise item.error

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        yield items()
    finally:
        left.set()
        thread.join()
