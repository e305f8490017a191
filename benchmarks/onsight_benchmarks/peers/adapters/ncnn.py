"""ncnn, its model made of the float ONNX with its own converter, pnnx.

Source: https://github.com/Tencent/ncnn/blob/master/python/README.md and its examples: `Mat.from_pixels_resize`,
`substract_mean_normalize`, `Extractor`. ncnn has neither a uint8 input nor channels last, so it gets the graph from its
first convolution on (planes.py) and does what stands before that itself.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def convert(job: Job, folder: Path) -> Path:
    """Run pnnx; its package cannot be imported without torch, but the program in it needs none."""
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise RuntimeError("pnnx is not installed")
    source = folder / "ncnn.onnx"
    shutil.copy(job.model, source)
    width, height = job.size_wh
    program = Path(spec.origin).with_name("pnnx")
    done = subprocess.run(
        [str(program), source.name, f"inputshape=[1,3,{height},{width}]", "fp16=0"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = folder / "ncnn.ncnn.param"
    if done.returncode or not found.exists():
        raise RuntimeError(f"pnnx failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return found


def open_subject(job: Job) -> Opened:
    """Open an .ncnn.param file and the .ncnn.bin beside it."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = job.threads
    net.opt.use_vulkan_compute = False
    if net.load_param(job.model) or net.load_model(str(Path(job.model).with_suffix(".bin"))):
        raise RuntimeError("ncnn does not load the model")
    width, height = job.size_wh
    order, scale = ncnn.Mat.PixelType.PIXEL_BGR2RGB, [job.scale] * 3

    def classify(frame: Any) -> int:
        pixels = ncnn.Mat.from_pixels_resize(frame, order, frame.shape[1], frame.shape[0], width, height)
        pixels.substract_mean_normalize([], scale)
        extractor = net.create_extractor()
        extractor.input("in0", pixels)
        return int(np.array(extractor.extract("out0")[1]).argmax())

    return Opened(classify, str(ncnn.__version__))
