"""The connection to an MQTT broker: events leave their queue on the disk when the broker has acknowledged them."""

from __future__ import annotations

import contextlib
import queue
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from onsight_edge.errors import MissingExtraError, SinkError
from onsight_edge.events import OUTBOX, REFUSED
from onsight_edge.sinks.broker import Broker, Tls
from onsight_edge.sinks.connection import Connection
from onsight_edge.sinks.outbox import Outbox

if TYPE_CHECKING:
    from paho.mqtt.client import Client

ONLINE, OFFLINE = b"online", b"offline"
KEEPALIVE_S = 30
_UNACKNOWLEDGED = 20  # events on their way at once
_CONNECT_S = 5.0
_LONGEST_PAUSE_S = 30
_CLOSE_S = 3.0
_TICK_S = 0.25


class MqttLink:
    """Connects, connects again, and moves events from the outbox to the broker, on a thread of its own.

    paho-mqtt calls back from its own thread while it holds its locks; so the callbacks only put words into a mailbox,
    and the one thread that publishes events reads them there.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        outbox: Outbox,
        connection: Connection,
        greet: Callable[[], None],
    ) -> None:
        """Get ready; `start` begins.

        Args:
            broker: where.
            client_id: the same for ever, and no other device's.
            outbox: the events.
            connection: hears how it goes.
            greet: publishes what the broker keeps; called after each connecting, in this link's thread.

        Raises:
            MissingExtraError: paho-mqtt is not installed.
            SinkError: a certificate cannot be read.
        """
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise MissingExtraError("paho-mqtt", "mqtt", "--mqtt") from error
        self.broker = broker
        self.delivered = self.refused = 0
        self._outbox, self._connection, self._greet = outbox, connection, greet
        self._mail: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._on_way: dict[int, int] = {}  # message id -> place in the outbox
        self._sent = 0  # the last place that was handed to paho
        self._ready = self._closing = self._told = False
        self._close_by = float("inf")
        protocol = paho.MQTTv5 if broker.version == "5" else paho.MQTTv311
        self._client: Client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        self._client.connect_timeout = _CONNECT_S
        self._client.reconnect_delay_set(1, _LONGEST_PAUSE_S)
        self._client.max_inflight_messages_set(2 * _UNACKNOWLEDGED)
        self._client.will_set(f"{broker.topic}/status", OFFLINE, qos=1, retain=True)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls is not None:
            self._client.tls_set_context(_context(broker.tls))
            self._client.tls_insecure_set(broker.tls.unchecked)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._thread = threading.Thread(target=self._run, name="mqtt events", daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the broker answers."""
        return self._ready

    def start(self) -> None:
        """Connect in the background, again and again."""
        self._client.connect_async(self.broker.host, self.broker.port, KEEPALIVE_S)
        self._client.loop_start()
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._mail.put(("look", None))

    def publish(self, topic: str, body: bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Publish something that nobody misses when it is lost; any thread may call it.

        Args:
            topic: below the broker's, or with a leading / as it is.
            body: what.
            retain: the broker keeps the last one for later subscribers.
            qos: 0 or 1.
        """
        if self._ready:
            whole = topic[1:] if topic.startswith("/") else f"{self.broker.topic}/{topic}"
            self._client.publish(whole, body, qos=qos, retain=retain)

    def close(self) -> None:
        """Send what waits for at most 3 s more, if the broker answers, and take leave."""
        self._mail.put(("close", None))
        self._thread.join(_CLOSE_S + _CONNECT_S)
        if self._ready:
            with contextlib.suppress(ValueError, RuntimeError):
                leave = self._client.publish(f"{self.broker.topic}/status", OFFLINE, qos=1, retain=True)
                leave.wait_for_publish(1.0)
        self._client.disconnect()
        stopping = threading.Thread(target=self._client.loop_stop, name="mqtt end", daemon=True)
        stopping.start()  # it waits for a broker that hangs
        stopping.join(_CLOSE_S)

    def _run(self) -> None:
        while not self._done():
            try:
                word, value = self._mail.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            try:
                self._hear(word, value)
                self._send()
                self._told = False
            except SinkError as error:  # the outbox's disk
                if not self._told:
                    self._told = True
                    self._connection.say(OUTBOX, str(error))
                time.sleep(_TICK_S)
                self.wake()

    def _done(self) -> bool:
        if not self._closing:
            return False
        return not self._ready or not self._outbox.waiting or time.monotonic() > self._close_by

    def _hear(self, word: str, value: Any) -> None:
        if word == "connected":
            self._ready = True
            self._connection.up()
            self._greet()
        elif word == "down":
            self._ready = False
            if self.broker.qos == 0 and self._on_way:  # paho forgets what it had not sent
                self._sent = min(self._on_way.values()) - 1
                self._on_way.clear()
            if not self._closing:
                self._connection.down(f"no connection to {self.broker.shown}: {value}")
        elif word == "taken":
            message, why = value
            place = self._on_way.pop(message, None)
            if place is None:
                return
            self._outbox.done(place)
            if why is None:
                self.delivered += 1
            else:
                self.refused += 1
                self._connection.say(REFUSED, f"{self.broker.shown} refused an event: {why}")
        elif word == "close":
            self._closing, self._close_by = True, time.monotonic() + _CLOSE_S

    def _send(self) -> None:
        from paho.mqtt.enums import MQTTErrorCode

        while self._ready and len(self._on_way) < _UNACKNOWLEDGED:
            parcels = self._outbox.after(self._sent, _UNACKNOWLEDGED - len(self._on_way))
            if not parcels:
                return
            for parcel in parcels:
                sent = self._client.publish(f"{self.broker.topic}/event", parcel.body, qos=self.broker.qos)
                # with QoS 1 and 2 paho sends it when it is connected again
                if (sent.rc != 0 and self.broker.qos == 0) or sent.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                    return
                self._on_way[sent.mid] = parcel.n
                self._sent = parcel.n

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._mail.put(("down", str(reason)) if reason.is_failure else ("connected", None))

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        error = sys.exc_info()[1]  # paho calls this where it caught it
        why = getattr(error, "strerror", None) or str(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"its certificate is not trusted: {error.verify_message}; name the right one with --mqtt-ca"
        self._mail.put(("down", why))

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        why = str(reason)  # of MQTT 5; paho has no better word for a connection that broke
        self._mail.put(("down", "it was lost" if why == "Unspecified error" else why))

    def _on_publish(self, client: Any, data: Any, message: int, reason: Any, properties: Any) -> None:
        self._mail.put(("taken", (message, str(reason) if reason.is_failure else None)))


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(path) for path in (tls.ca, tls.certificate, tls.key) if path is not None)
        raise SinkError(f"--mqtt: no certificates can be read from {named}: {error}") from error
    if tls.unchecked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
