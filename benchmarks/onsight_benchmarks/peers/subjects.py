"""Who takes part: onsight, its other backends, and what a user would pick instead.

Left out, because they cannot execute a file of ours: Edge Impulse's `edge_impulse_linux` (runs `.eim` programs that its
studio builds) and Ultralytics (runs what its own exporter wrote).
"""

from __future__ import annotations

from dataclasses import dataclass

from onsight_benchmarks.environments import TFLITE_RUNTIME, Environment

REFERENCE = "onsight"
PRECISIONS = ("int8", "float32")

# The newest releases when this was written, pinned so that a record can be taken again; OpenCV for the resize.
_OPENCV = "opencv-python-headless==5.0.0.93"
MEDIAPIPE = Environment("mediapipe", ("mediapipe==1.2.3",))  # brings opencv-contrib-python
OPENVINO = Environment("openvino", ("openvino==2026.4.1", _OPENCV))
# pnnx requires torch, 5 GB with CUDA, for what its Python half does; the converter in its wheel needs none
NCNN = Environment("ncnn", ("ncnn==1.0.20261020", _OPENCV), alone=("pnnx==20261020",))
MNN = Environment("mnn", ("MNN==3.6.1", _OPENCV))
ENVIRONMENTS = (TFLITE_RUNTIME, MEDIAPIPE, OPENVINO, NCNN, MNN)


@dataclass(frozen=True, slots=True)
class Subject:
    """One that is measured.

    Attributes:
        name: in the record.
        adapter: the module in `peers.adapters`, or any module by its dotted name.
        takes: which files, the preferred first: `tflite`, `onnx`, `planes` (the ONNX from its first convolution on) or
            `keras`.
        option: see `Job.option`.
        environment: None for this very interpreter.
        precisions: of the files that it can take; what is left out is said in benchmarks/README.md.
        converts: the adapter makes the runtime's own file first.
        peer: what a user would pick instead of onsight: a target holds it against onsight. Else another backend of
            onsight's own.
    """

    name: str
    adapter: str
    takes: tuple[str, ...]
    option: str = ""
    environment: Environment | None = None
    precisions: tuple[str, ...] = PRECISIONS
    converts: bool = False
    peer: bool = True


FLOAT = ("float32",)
SUBJECTS = (
    Subject(REFERENCE, "onsight", ("tflite",), "litert", peer=False),
    Subject("onsight litert-builtin", "onsight", ("tflite",), "litert-builtin", peer=False),
    Subject("onsight tflite-runtime", "onsight", ("tflite",), "tflite-runtime", TFLITE_RUNTIME, peer=False),
    Subject("onsight onnxruntime", "onsight", ("onnx",), "onnxruntime", peer=False),
    Subject("onsight opencv", "onsight", ("onnx",), "opencv", precisions=FLOAT, peer=False),
    Subject("LiteRT script", "tflite", ("tflite",), "ai_edge_litert.interpreter"),
    Subject("LiteRT script (area resize)", "tflite", ("tflite",), "ai_edge_litert.interpreter:area"),
    Subject("tflite-runtime script", "tflite", ("tflite",), "tflite_runtime.interpreter", TFLITE_RUNTIME),
    Subject("ONNX Runtime script", "onnxruntime", ("onnx",)),
    Subject("OpenCV DNN script", "opencv", ("onnx",), precisions=FLOAT),
    Subject("MediaPipe", "mediapipe", ("tflite",), environment=MEDIAPIPE),
    Subject("OpenVINO", "openvino", ("onnx", "tflite"), environment=OPENVINO),
    Subject("ncnn", "ncnn", ("planes",), environment=NCNN, precisions=FLOAT, converts=True),
    Subject("MNN", "mnn", ("tflite",), environment=MNN, precisions=FLOAT, converts=True),
    Subject("Keras predict", "keras", ("keras",), "predict", precisions=FLOAT),
    Subject("Keras call", "keras", ("keras",), "call", precisions=FLOAT),
    Subject("tutorial's loop", "keras", ("keras",), "tutorial", precisions=FLOAT),
)
