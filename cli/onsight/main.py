"""The `onsight` command from its start to its exit status.

`onsight predict` is what a script calls for every picture anew, so that its start-up counts: without options it needs
no parser and begins here. Everything else goes through click (group.py).
"""

from __future__ import annotations

import os
import sys
from typing import Any

from onsight_edge.errors import OnsightError, UsageError

# verb -> its line in `onsight --help`; here so that help imports no verb
VERBS = {
    "demo": "The whole path on CIFAR-10: train, export, benchmark, live.",
    "data": "Describe a data set: counts, sizes, what was left out, a contact sheet.",
    "archs": "List the networks with parameters and MACs, or the layers of one.",
    "train": "Train a network on pictures; writes a run folder.",
    "runs": "Compare runs: accuracy against size, MACs and latency; a table and a plot.",
    "val": "Accuracy of a run, a bundle or one model file on a data set.",
    "export": "Quantize a run to TFLite and ONNX; writes a checked bundle.",
    "parity": "A network and every file made of it, step beside step; names what broke.",
    "info": "What is in a model file of any maker: inputs, classes, operators, quantization, cost.",
    "predict": "Classify picture files.",
    "cameras": "List this machine's cameras, and how to name each one to `onsight run`.",
    "collect": "Save pictures of a camera under a class name, for training.",
    "doctor": "What is wrong with this machine, and the command that mends it.",
    "run": "Classify a camera, a video or a stream, live.",
    "config": "Check or print the TOML file that `onsight run --config` takes.",
    "service": "Install a live run as a systemd service, look at it, remove it.",
    "tune": "Find what is fastest on this device; `onsight run` uses it from then on.",
    "bench": "Measure latency by variant, backend and threads; writes a record.",
    "compare": "Compare bench records: edge against GPU, board against board; table and HTML page.",
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit status 0 done, 1 failed, 2 called wrongly, 130 interrupted.

    Errors that onsight raises on purpose are one line on stderr; `--debug` shows the traceback.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    _ensure_streams()
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("onsight: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `onsight ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OnsightError as error:
        if debug:
            raise
        print(f"onsight: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:  # a full disk behind stdout, a folder that may not be looked into
        if debug:
            raise
        about = f"{error.filename}: " if error.filename else ""
        print(f"onsight: {about}{error.strerror or error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what could not be written now cannot be written at exit
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _run(arguments: list[str]) -> Any:
    if len(arguments) > 1 and arguments[0] == "predict" and not any(one.startswith("-") for one in arguments):
        import gc

        gc.disable()  # modules leave no garbage while they are imported
        from onsight.predicting import predict

        gc.enable()
        status = predict(arguments[1:])
        gc.freeze()  # nor does a process that ends need any collected
        return status
    from onsight.group import run

    return run(arguments)


def _ensure_streams() -> None:
    """Give a process that was started without standard streams, as services may be, ones that lead nowhere."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def print_json(value: Any) -> None:
    """Print what `--json` asked for: one JSON document on stdout."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False), flush=True)
