"""What every backend is to the rest of onsight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from onsight_edge.frame import TensorInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Backend(Protocol):
    """One model loaded into one runtime. Not for two threads at once.

    Attributes:
        name: one of `onsight_edge.backends.BACKENDS`, or `fake`.
        version: the runtime's own.
        threads: what it was given.
        detail: what really executes, such as the ONNX Runtime provider or the TFLite delegate.
        input, output: the model's tensors as its file declares them.
        metadata: what rides inside the file under onsight's keys, where the runtime can read it.
    """

    name: str
    version: str
    threads: int
    detail: str
    input: TensorInfo
    output: TensorInfo
    metadata: dict[str, str]

    def infer(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """Run the model.

        Args:
            batch: as `input` declares it, C-contiguous. The runtime may read it only until this returns.

        Returns:
            (batch, classes) in `output`'s dtype, valid until the next call.

        Raises:
            BackendError: the runtime refused or failed.
        """
        ...

    def close(self) -> None:
        """Free the runtime's memory; nothing but `close` may be called afterwards."""
        ...


@runtime_checkable
class Resizable(Protocol):
    """A backend that can be made ready for another batch size than the one picture that live frames come as."""

    def resize(self, batch: int) -> None:
        """Take batches of so many pictures from now on, and no others.

        Raises:
            BackendError: the file allows no such batch.
        """
        ...
