"""What Home Assistant is told of this device, so that it appears there by itself.

Device discovery, one message for all entities: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onsight_edge.frame import UNKNOWN

MOST_OPTIONS = 100  # classes that are listed one by one
_LONGEST_STATE = 255  # characters; Home Assistant refuses longer states


def discovery(
    *,
    identity: str,
    name: str,
    topic: str,
    model: str,
    classes: Sequence[str],
    board: str | None,
    version: str,
    every_s: float,
    has_temperature: bool,
) -> dict[str, Any]:
    """The payload for `homeassistant/device/IDENTITY/config`, to be retained.

    Args:
        identity: the same for ever; unique ids are made of it.
        name: for people.
        topic: below it lie `status` (availability) and `state` (see `MqttSink`).
        model: the network's name.
        classes: the labels it gives, beside `unknown`.
        board: the hardware's name, where it tells.
        version: onsight's.
        every_s: how often `state` comes at least.
        has_temperature: whether `state` has one.
    """
    state = f"{topic}/state"
    expires = {"expire_after": max(60, round(5 * every_s))}

    def sensor(key: str, label: str, template: str, **more: Any) -> dict[str, Any]:
        return {
            "platform": "sensor",
            "unique_id": f"{identity}_{key}",
            "name": label,
            "state_topic": state,
            "value_template": template,
            **expires,
            **more,
        }

    figure = {"state_class": "measurement", "entity_category": "diagnostic"}
    seen = sensor("label", "Seen", "{{ value_json.label }}", icon="mdi:eye", json_attributes_topic=state)
    if len(classes) <= MOST_OPTIONS and all(len(one) <= _LONGEST_STATE for one in classes):
        seen |= {"device_class": "enum", "options": [*dict.fromkeys((*classes, UNKNOWN))]}
    components = {
        "label": seen,
        "score": sensor(
            "score",
            "Score",
            "{{ (value_json.score * 100) | round(1) if value_json.score is not none else none }}",
            icon="mdi:percent",
            unit_of_measurement="%",
            state_class="measurement",
        ),
        "fps": sensor(
            "fps",
            "Results a second",
            "{{ value_json.fps }}",
            icon="mdi:speedometer",
            unit_of_measurement="fps",
            **figure,
        ),
        "age": sensor(
            "age", "Frame age", "{{ value_json.age_ms }}", device_class="duration", unit_of_measurement="ms", **figure
        ),
        "trouble": {
            "platform": "binary_sensor",
            "unique_id": f"{identity}_trouble",
            "name": "Trouble",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.trouble else 'OFF' }}",
            **expires,
        },
    }
    if has_temperature:
        components["temperature"] = sensor(
            "temperature",
            "Processor temperature",
            "{{ value_json.temperature_c }}",
            device_class="temperature",
            unit_of_measurement="°C",
            **figure,
        )
    return {
        "device": {
            "identifiers": [identity],
            "name": name,
            "manufacturer": "onsight",
            "model": board or "onsight device",
            "sw_version": f"onsight {version}, {model}",
        },
        "origin": {"name": "onsight", "sw_version": version},
        "availability": [{"topic": f"{topic}/status"}],
        "components": components,
    }
