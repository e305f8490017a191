"""The child process that loads a .keras file to count: `python -m onsight.keras_costs`.

The file comes on stdin, the answer goes to stdout as JSON. Only Keras knows the shapes between layers. It loads in its
safe mode, which builds no layer from code inside the file.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from onsight_edge.errors import ModelError, OnsightError


def costs(data: bytes) -> dict[str, Any]:
    """Load the network and count as `onsight archs` does.

    Returns:
        `parameters`; `layers`: name, kind, output, parameters, macs of each call, None where they cannot be followed;
        `inputs` and `outputs`: name, dtype, shape of each.
    """
    from onsight_train.frameworks import load_keras
    from onsight_train.macs import layer_costs

    keras = load_keras()
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        file = Path(folder) / "model.keras"
        file.write_bytes(data)
        model = keras.models.load_model(file, compile=False, safe_mode=True)
    layers = layer_costs(model)
    return {
        "parameters": int(model.count_params()),
        "layers": layers and [[c.name, c.kind, list(c.output), c.parameters, c.macs] for c in layers],
        "inputs": [_tensor(tensor) for tensor in model.inputs],
        "outputs": [_tensor(tensor) for tensor in model.outputs],
    }


def _tensor(tensor: Any) -> list[Any]:
    return [tensor.name, str(tensor.dtype), [-1 if side is None else int(side) for side in tensor.shape]]


def main() -> None:
    """Read stdin, write stdout; refuse by raising, as onsight_edge.trial wants it.

    Raises:
        ModelError: Keras cannot load it.
    """
    data = sys.stdin.buffer.read()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = costs(data)
    except OnsightError:
        raise
    except Exception as error:  # Keras raises ValueError, TypeError and classes of its own
        raise ModelError(" ".join(str(error).split())[:200] or type(error).__name__) from error
    # half a surrogate pair in a layer's name can be printed nowhere
    sys.stdout.buffer.write(json.dumps(found, ensure_ascii=False).encode(errors="replace"))


if __name__ == "__main__":
    main()
