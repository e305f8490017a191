"""The flags of `onsight run` for what goes over a network: MQTT, webhook, Prometheus."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from onsight.options import F, FiniteRange, gathered
from onsight.units import Address, Duration
from onsight_edge.errors import MissingExtraError, UsageError
from onsight_edge.files import sha256_bytes, state_folder

if TYPE_CHECKING:
    from onsight_edge.sinks import Sink
    from onsight_edge.sinks.broker import Broker

NO_DISCOVERY = "none"
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class NetworkOutputs:
    """Network outputs; a field is a flag, without it None."""

    mqtt: str | None = None
    mqtt_password_file: Path | None = None
    mqtt_ca: Path | None = None
    mqtt_cert: Path | None = None
    mqtt_key: Path | None = None
    mqtt_insecure: bool = False
    mqtt_version: Literal["3.1.1", "5"] | None = None
    mqtt_qos: int | None = None
    mqtt_every: float | None = None
    mqtt_results: float | None = None
    mqtt_discovery: str | None = None
    webhook: str | None = None
    webhook_ca: Path | None = None
    prometheus: tuple[str, int] | None = None
    outbox: Path | None = None
    outbox_most: int | None = None
    device_name: str | None = None

    @property
    def targets(self) -> dict[str, Path | None]:
        """Flag -> what it names, of what is written."""
        return {"--outbox": self.outbox}

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What is read: passwords, certificates, keys."""
        return (self.mqtt_password_file, self.mqtt_ca, self.mqtt_cert, self.mqtt_key, self.webhook_ca)

    def check(self) -> None:
        """Refuse flags that would do nothing, and outputs whose packages are missing.

        Raises:
            UsageError: a flag of an output that was not asked for. MissingExtraError: an extra is not installed.
        """
        for flag, needed in (("mqtt", self.mqtt), ("webhook", self.webhook)):
            for field in self.__dataclass_fields__:
                value = getattr(self, field)
                if field.startswith(f"{flag}_") and needed is None and value is not None and value is not False:
                    raise UsageError(f"--{field.replace('_', '-')} does nothing without --{flag}")
        if (
            self.mqtt is None
            and self.webhook is None
            and (self.outbox, self.outbox_most, self.device_name) != (None,) * 3
        ):
            raise UsageError("--outbox, --outbox-most and --device-name do nothing without --mqtt or --webhook")
        if self.mqtt_key is not None and self.mqtt_cert is None:
            raise UsageError("--mqtt-key does nothing without --mqtt-cert")
        if self.mqtt is not None and find_spec("paho") is None:
            raise MissingExtraError("paho-mqtt", "mqtt", "--mqtt")
        if self.prometheus is not None and find_spec("prometheus_client") is None:
            raise MissingExtraError("prometheus-client", "metrics", "--prometheus")

    def sinks(self) -> list[Sink]:
        """Those that were asked for.

        Raises:
            UsageError: a URL is none. OnsightError: a password's file cannot be read.
        """
        made: list[Sink] = []
        if self.mqtt is not None:
            from onsight_edge.sinks.mqtt import MqttSink

            broker = self._broker(self.mqtt)
            discover = self.mqtt_discovery or "homeassistant"
            made.append(
                MqttSink(
                    broker,
                    self._outbox("mqtt", broker.shown),
                    most=self._most,
                    every_s=self.mqtt_every or 10.0,
                    results_per_s=self.mqtt_results or 0.0,
                    discover=None if discover == NO_DISCOVERY else discover,
                )
            )
        if self.webhook is not None:
            from onsight_edge.sinks.webhook import Receiver, WebhookSink

            receiver = Receiver(
                self.webhook,
                os.environ.get("ONSIGHT_WEBHOOK_TOKEN") or None,
                os.environ.get("ONSIGHT_WEBHOOK_SECRET") or None,
                self.webhook_ca,
                self._device,
            )
            made.append(WebhookSink(receiver, self._outbox("webhook", self.webhook), self._most))
        if self.prometheus is not None:
            from onsight_edge.sinks.prometheus import PrometheusSink

            made.append(PrometheusSink(*self.prometheus))
        return made

    @property
    def _device(self) -> str:
        if self.device_name:
            return self.device_name
        import socket

        return socket.gethostname()

    @property
    def _most(self) -> int:
        from onsight_edge.sinks.outbox import MOST

        return self.outbox_most or MOST

    def _outbox(self, kind: str, target: str) -> Path:
        folder = self.outbox or state_folder() / "outbox"
        return folder / f"{kind}-{sha256_bytes(target.encode(errors='replace'))[:16]}.sqlite"

    def _broker(self, url: str) -> Broker:
        from onsight_edge.sinks.broker import Tls, parse_broker

        certified = (self.mqtt_ca, self.mqtt_cert, self.mqtt_key) != (None,) * 3 or self.mqtt_insecure
        return parse_broker(
            url,
            self._device,
            password=self._password(),
            tls=Tls(self.mqtt_ca, self.mqtt_cert, self.mqtt_key, self.mqtt_insecure) if certified else None,
            version=self.mqtt_version or "3.1.1",
            qos=1 if self.mqtt_qos is None else self.mqtt_qos,
        )

    def _password(self) -> str | None:
        if self.mqtt_password_file is None:
            return os.environ.get("ONSIGHT_MQTT_PASSWORD") or None
        try:
            return self.mqtt_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"--mqtt-password-file {self.mqtt_password_file}: cannot be read: {why}") from error


def network_options(command: F) -> F:
    """All flags of `NetworkOutputs`; the command gets one as its parameter `network`."""
    return gathered(
        command,
        "network",
        NetworkOutputs,
        click.option("--mqtt", metavar="URL", help="Publish events and state: mqtt[s]://[USER@]HOST[:PORT][/TOPIC]."),
        click.option(
            "--mqtt-password-file",
            type=_FILE,
            help="The user's password; else it is taken from $ONSIGHT_MQTT_PASSWORD.",
        ),
        click.option("--mqtt-ca", type=_FILE, help="Certificates that vouch for the broker, in place of the system's."),
        click.option("--mqtt-cert", type=_FILE, help="This device's certificate."),
        click.option("--mqtt-key", type=_FILE, help="Its private key."),
        click.option("--mqtt-insecure", is_flag=True, help="Take any certificate from the broker."),
        click.option("--mqtt-version", type=click.Choice(["3.1.1", "5"]), help="Of the protocol; 3.1.1."),
        click.option("--mqtt-qos", type=click.IntRange(0, 2), help="Of events: 1, at least once."),
        click.option(
            "--mqtt-every", type=Duration(), metavar="TIME", help="Publish the state at least so often; 10 s."
        ),
        click.option(
            "--mqtt-results",
            type=FiniteRange(0, min_open=True),
            metavar="N",
            help="Publish single results too, at most N a second.",
        ),
        click.option(
            "--mqtt-discovery",
            metavar="TOPIC",
            help=f"Where Home Assistant looks: homeassistant; {NO_DISCOVERY}: tell it not.",
        ),
        click.option("--webhook", metavar="URL", help="POST each event as JSON, until it is taken."),
        click.option(
            "--webhook-ca", type=_FILE, help="Certificates that vouch for the receiver, in place of the system's."
        ),
        click.option(
            "--prometheus", type=Address(), metavar="[HOST:]PORT", help="Serve figures for Prometheus at /metrics."
        ),
        click.option(
            "--outbox",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder in which events wait for receivers.",
        ),
        click.option("--outbox-most", type=click.IntRange(1), metavar="N", help="Events that may wait; 10000."),
        click.option("--device-name", metavar="NAME", help="What receivers call this device; its host name."),
    )
