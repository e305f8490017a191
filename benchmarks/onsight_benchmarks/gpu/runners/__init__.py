"""What executes a network: one module a framework, imported by name in a worker.

Each module has `look(tf32)`, which imports the framework, sets its arithmetic and says what GPU it sees, and
`open_runner(job, gpu)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sight:
    """What a framework sees.

    Attributes:
        version: its own.
        gpu: the graphics processor's name, None where it sees none.
        why: it sees none, one clause after the framework's name; empty where it sees one.
        providers: of ONNX Runtime, `CUDA` or `TensorRT`.
    """

    version: str
    gpu: str | None
    why: str = ""
    providers: tuple[str, ...] = ()


class Runner(Protocol):
    """One network at one batch size and precision, compiled.

    Attributes:
        detail: how it is executed: the compiler, graph capture.
    """

    detail: str

    def upload(self, pictures: NDArray[Any]) -> Any:
        """(batch, height, width, channels) uint8 onto the device; returns when it is there."""

    def compute(self, on_device: Any) -> Any:
        """From pictures on the device to scores on the device; returns when they are done."""

    def download(self, scores: Any) -> NDArray[Any]:
        """Scores from the device: (batch, classes) float32."""

    def answer(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """From pictures on the host to scores on the host, waiting once, for the scores."""

    def queued_ns(self, on_device: Sequence[Any], calls: int) -> int:
        """What so many `compute` take, launched one after the other with one wait at the end, in nanoseconds."""
