"""Classifier: a model, what executes it, and what stands before and after. The heart of onsight.

from onsight import Classifier
import cv2

with Classifier.open("default") as classifier:
    print(classifier.classify(cv2.imread("photo.jpg")).top(3))
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.backends import Backend, backend_format, open_backend
from onsight_edge.bundle import ModelFile, open_model
from onsight_edge.errors import DataError, ModelError
from onsight_edge.frame import Prediction, Timings
from onsight_edge.postprocess import Postprocessor
from onsight_edge.preprocess import Preprocessor
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Classifier:
    """Classifies pictures with one model in one runtime. Not for two threads at once: open one for each.

    Attributes:
        spec: what the model expects and answers.
        backend: what executes it.
        model: the file, None for a classifier built from a backend.
    """

    def __init__(self, spec: ModelSpec, backend: Backend, model: ModelFile | None = None) -> None:
        self.spec = spec
        self.backend = backend
        self.model = model
        self._preprocess = Preprocessor(spec, backend.input)
        self._postprocess = Postprocessor(spec, backend.output)
        self._infer = backend.infer

    @classmethod
    def open(
        cls,
        model: str | Path = "default",
        *,
        variant: str | None = None,
        backend: str = "auto",
        threads: int | None = None,
        spec: Path | None = None,
        trusted: bool = False,
    ) -> Classifier:
        """Find a model, check it, and load it into a runtime.

        Args:
            model: `default` (the small CIFAR-10 model in the package), a bundle, a .tflite or .onnx file.
            variant: which of a bundle's variants; by default the best that the backend executes.
            backend: `auto`, or one of `onsight_edge.backends.BACKENDS`.
            threads: for one inference; default 1.
            spec: a ModelSpec's JSON file, for third-party files that carry none.
            trusted: load a bare file here at once, without a child process that tries it first.

        Raises:
            ModelError, IntegrityError: the model cannot be used.
            BackendError, MissingExtraError: no runtime takes it.
        """
        model_format = None if variant is not None else backend_format(backend)
        file = open_model(
            model, variant=variant, model_format=model_format, spec=spec, backend=backend, trusted=trusted
        )
        opened = open_backend(file.data, model_format=file.model_format, backend=backend, threads=threads)
        return cls(file.spec, opened, file)

    def classify(self, image_bgr: NDArray[np.uint8]) -> Prediction:
        """What the model says of a picture.

        Args:
            image_bgr: (H, W, 3) uint8 in OpenCV's channel order, any size; grey and BGRA are taken too.

        Raises:
            DataError: not a uint8 picture. BackendError: the runtime failed.
        """
        return self._postprocess(self._infer(self._preprocess(image_bgr)))

    def classify_timed(self, image_bgr: NDArray[np.uint8]) -> tuple[Prediction, Timings]:
        """`classify`, and where its time went."""
        started = time.perf_counter_ns()
        tensor = self._preprocess(image_bgr)
        prepared = time.perf_counter_ns()
        output = self._infer(tensor)
        inferred = time.perf_counter_ns()
        prediction = self._postprocess(output)
        done = time.perf_counter_ns()
        return prediction, Timings(prepared - started, inferred - prepared, done - inferred)

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores of pictures that already have the model's size and colour, as data sets hold them.

        Args:
            pixels: (N, height, width, channels) uint8, what `Preprocessor.pixels` yields.

        Returns:
            (N, classes) float32. Each picture goes through the runtime alone, as it does live.

        Raises:
            DataError: another shape or dtype.
        """
        width, height = self.spec.input_size_wh
        wanted = (height, width, self.spec.channels)
        if pixels.ndim != 4 or pixels.shape[1:] != wanted or pixels.dtype != np.uint8:
            raise DataError(
                f"expected pictures of shape (N, {height}, {width}, {self.spec.channels}) uint8, "
                f"not {pixels.shape} {pixels.dtype}"
            )
        scores = np.empty((len(pixels), len(self.spec.classes)), np.float32)
        for row, picture in enumerate(pixels):
            scores[row] = self._postprocess.scores(self._infer(self._preprocess.encode(picture)))[0]
        return scores

    @property
    def seen(self) -> NDArray[np.uint8]:
        """The last picture as the model saw it: (height, width, channels) uint8; the next one overwrites it."""
        return self._preprocess.seen

    def reduction(self, frame_wh: tuple[int, int]) -> int:
        """The most by which a JPEG of this size may be reduced while it is decoded: 1, 2, 4 or 8."""
        return self._preprocess.reduction(frame_wh)

    def with_spec(self, spec: ModelSpec) -> Classifier:
        """The same model under another spec: another threshold, region of the frame, turn or flip.

        Both share the runtime, so they may not be used by two threads at once, and closing either closes both.

        Raises:
            UnsupportedModelError: the model takes no input, or gives no answer, such as `spec` describes.
        """
        return type(self)(spec, self.backend, self.model)

    def twin(self) -> Classifier:
        """The same model once more, in a runtime of its own: for another thread.

        Raises:
            ModelError: this classifier was built from a backend and has no file. BackendError: it does not open again.
        """
        if self.model is None:
            raise ModelError("a classifier without a model file cannot be opened a second time")
        name, threads = self.backend.name, self.backend.threads
        opened = open_backend(self.model.data, model_format=self.model.model_format, backend=name, threads=threads)
        return type(self)(self.spec, opened, self.model)

    def close(self) -> None:
        """Free the runtime's memory."""
        self.backend.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
