"""`module:function`: the user's own network, and every way in which it may not do."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from onsight_edge.errors import ModelError
from onsight_train.archs import find_arch
from onsight_train.macs import count_macs

_HEAD = """
import keras
from keras import layers

def small(input_shape, classes, dropout, activation="softmax", middle=layers.Flatten, **more):
    x = layers.Input(input_shape)
    y = layers.Dropout(dropout)(middle()(layers.Rescaling(1 / 255)(x)))
    return keras.Model(x, layers.Dense(classes, activation=activation, **more)(y))

def good(input_shape, classes, dropout):
    return small(input_shape, classes, dropout)

class Twice(layers.Layer):
    def call(self, inputs):
        return keras.ops.reshape(inputs * 2, (-1, 48))
    def compute_output_shape(self, shape):
        return (shape[0], 48)

@keras.saving.register_keras_serializable()
class Registered(Twice):
    pass

def squash(x):
    return keras.ops.softmax(x)

value = 3
"""


@pytest.fixture
def nets(keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes `nets.py` into the current folder: what every case has, and its own lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(body: str = "", head: str = _HEAD) -> None:
        (tmp_path / "nets.py").write_text(head + body)
        monkeypatch.delitem(sys.modules, "nets", raising=False)

    yield write
    sys.modules.pop("nets", None)


def test_the_user_s_own_network(keras: Any, nets: Any) -> None:
    nets()
    arch = find_arch("nets:good")
    assert (arch.name, arch.recipe, arch.smallest) == ("nets:good", "standard", 1)
    keras.utils.set_random_seed(2)
    model = arch.build((4, 4, 3), 5, 0.5)
    state = random.getstate()
    assert model.output_shape == (None, 5) and count_macs(model) == 48 * 5
    keras.utils.set_random_seed(2)
    again = find_arch("nets:good").build((4, 4, 3), 5, 0.5)
    assert random.getstate() == state
    assert (again.get_weights()[0] == model.get_weights()[0]).all()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("return 3", r"returned int, expected a keras\.Model"),
        ("return keras.Sequential([layers.Dense(classes)])", r"begin it with keras\.Input"),
        (
            "raise ValueError('too\\nbad')",
            r"failed for input_shape=\(4, 4, 3\), .*: ValueError: too bad \(nets\.py, line",
        ),
        ("return small((8, 8, 3), classes, dropout)", r"takes \(None, 8, 8, 3\), expected \(None, 4, 4, 3\)"),
        ("return small(input_shape, 7, dropout)", r"gives \(None, 7\), expected \(None, 5\)"),
        ("return small(input_shape, classes, 0, None)", r"gives no probabilities: the 5 scores .*end with a softmax"),
        ("return small(input_shape, classes, 0, 'sigmoid')", "gives no probabilities"),
        ("return small(input_shape, classes, 0, middle=Twice)", r"has nets\.Twice, without which model\.keras"),
        ("return small(input_shape, classes, 0, middle=Registered)", r"has nets\.Registered"),
        ("return small(input_shape, classes, 0, squash)", "has the function squash"),
        (
            "return small(input_shape, classes, 0, middle=lambda: layers.Lambda(lambda x: x[:, 0, 0]))",
            "has a lambda",
        ),
        ("return small(input_shape, classes, 0, name='_x')", r"a layer named '_x'"),
        (
            "m = small(input_shape, classes, 0); m.compile('adam', 'categorical_crossentropy'); return m",
            r"leave compile\(\) out",
        ),
        (
            "x, y = layers.Input(input_shape), layers.Input(input_shape)\n"
            "    return keras.Model([x, y], layers.Dense(classes)(layers.Flatten()(x + y)))",
            r"takes .*expected \(None, 4, 4, 3\)",
        ),
    ],
)
def test_networks_that_will_not_do(nets: Any, body: str, complaint: str) -> None:
    nets(f"\ndef bad(input_shape, classes, dropout):\n    {body}\n")
    arch = find_arch("nets:bad")
    with pytest.raises(ModelError, match=f"^arch nets:bad .*{complaint}") as raised:
        arch.build((4, 4, 3), 5)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nowhere:build", "there is no module nowhere in "),
        ("nets.sub:build", r"there is no module nets\.sub in "),
        ("nets:build", "nets has no function build: it has small, good, Twice, Registered, squash$"),
        ("nets:value", "nets has no function but a value called value"),
        ("nets.py:good", r"must be module:function, such as nets:build \(the module's name, no file name\)"),
        ("nets:", "must be module:function"),
        (":good", "must be module:function"),
    ],
)
def test_names_that_lead_nowhere(nets: Any, name: str, complaint: str) -> None:
    nets()
    with pytest.raises(ModelError, match=complaint):
        find_arch(name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import no_such_package", "importing nets failed: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def build(:", r"importing nets failed: SyntaxError: .*nets\.py, line 1"),
        ("\n1 / 0", r"importing nets failed: ZeroDivisionError: division by zero \(nets\.py, line 2\)"),
        ("raise SystemExit(2)", r"importing nets failed: SystemExit: 2 \(nets\.py, line 1\)"),
    ],
)
def test_modules_that_cannot_be_imported(nets: Any, text: str, complaint: str) -> None:
    nets(text, head="")
    with pytest.raises(ModelError, match=complaint):
        find_arch("nets:build")
