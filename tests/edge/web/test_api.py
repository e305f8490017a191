"""The API over real connections: every route, what it answers and what it refuses."""

from __future__ import annotations

import http.client
import json
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from onsight_edge.backends.fake import FakeBackend
from onsight_edge.classifier import Classifier
from onsight_edge.datasets import load_dataset
from onsight_edge.events import SINK_BACK, SINK_FAILED
from onsight_edge.frame import SOURCE_BACK, SOURCE_LOST, Notice
from onsight_edge.judge import Settings, make_judge


def test_info_says_what_runs(plain: Any) -> None:
    info = plain.ask("GET", "/api/info").json
    assert info["model"]["name"] == "colours" and info["model"]["classes"] == ["red", "green", "blue"]
    assert info["backend"]["name"] == "fake" and info["source"]["live"] is True
    assert info["settings"] == {"threshold": 0.0, "smooth": 0.0, "agree": 1, "hysteresis": 0.1, "savable": False}
    assert "opencv" in info["device"]


def test_state_follows_the_run(plain: Any, until: Any) -> None:
    first = plain.ask("GET", "/api/state").json
    assert first["flowing"] and first["result"]["label"] == "green" and first["result"]["decision"] == "green"
    assert first["notices"] == [] and first["source"] == {"skipped": 0, "frozen": 0, "resized": 0, "reopened": 0}
    until(lambda: plain.ask("GET", "/api/state").json["classified"] > first["classified"])
    later = plain.ask("GET", "/api/state").json
    assert later["result"]["frame"] > first["result"]["frame"]
    assert [sink["name"] for sink in later["sinks"]] == ["web"]
    assert plain.ask("GET", "/healthz").json["status"] == "ok"


def read_events(served: Any, path: str, wanted: Callable[[list[dict[str, Any]]], bool], **headers: str) -> Any:
    """Server-sent events until there are enough of them: dictionaries with event, data and perhaps id."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/event-stream")
    found: list[dict[str, Any]] = []
    entry: dict[str, Any] = {}
    while not wanted(found):
        line = response.readline().decode().rstrip("\n")
        if line:
            key, _, value = line.partition(": ")
            entry[key] = json.loads(value) if key == "data" else value
        else:
            found.append(entry)
            entry = {}
    connection.close()
    return found


def test_events_bring_results_at_a_limited_rate_and_the_state(plain: Any) -> None:
    began = time.monotonic()
    events = read_events(plain, "/api/events", lambda found: len([e for e in found if e.get("event") == "result"]) > 8)
    assert time.monotonic() - began > 0.6  # 10 a second, where 30 frames a second come
    results = [e["data"]["frame"] for e in events if e.get("event") == "result"]
    assert results == sorted(set(results))
    assert any(e.get("event") == "state" and e["data"]["flowing"] for e in events)
    assert not any("id" in e for e in events if e.get("event") == "result")


def test_missed_events_come_first_and_only_once(serve: Any, scripted: Any, until: Any) -> None:
    source = scripted()
    with serve(source=source) as served:
        source.on_notice(Notice(SOURCE_LOST, f"{source.uri}: the cable was pulled", time.monotonic_ns()))
        source.on_notice(Notice(SOURCE_BACK, f"{source.uri} is back", time.monotonic_ns(), over=True))
        until(lambda: len(served.ask("GET", "/api/history").json["events"]) == 3)
        history = served.ask("GET", "/api/history").json
        kinds = [(event["kind"], event.get("event") or event["notice"]) for event in history["events"]]
        assert kinds == [("decision", "green"), ("notice", SOURCE_LOST), ("notice", SOURCE_BACK)]
        assert history["events"][1]["text"] == "clip.mp4: the cable was pulled"
        first, lost, back = (event["id"] for event in history["events"])

        def named(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [event for event in events if "id" in event]

        resumed = read_events(served, "/api/events", lambda e: bool(named(e)), **{"Last-Event-ID": lost})
        assert [event["id"] for event in named(resumed)] == [back]
        queried = read_events(served, f"/api/events?after={first}", lambda e: len(named(e)) == 2)
        assert [event["id"] for event in named(queried)] == [lost, back]
        restarted = read_events(served, "/api/events", lambda e: len(named(e)) == 3, **{"Last-Event-ID": "old-run-7"})
        assert [event["id"] for event in named(restarted)] == [first, lost, back]
        new = read_events(served, "/api/events", lambda e: any(one.get("event") == "result" for one in e))
        assert not named(new)
        assert [e["id"] for e in served.ask("GET", f"/api/history?after={lost}").json["events"]] == [back]
        assert len(served.ask("GET", "/api/history?limit=1").json["events"]) == 1


def test_a_lost_source_is_no_health_and_a_notice_until_it_is_back(serve: Any, scripted: Any, until: Any) -> None:
    source = scripted()
    with serve(source=source) as served:
        source.held.set()
        source.on_notice(Notice(SOURCE_LOST, "gone", time.monotonic_ns()))
        until(lambda: served.ask("GET", "/healthz").status == 503)
        assert served.ask("GET", "/healthz").json["status"] == "stalled"
        state = served.ask("GET", "/api/state").json
        assert not state["flowing"] and state["fps"] == 0
        assert [notice["notice"] for notice in state["notices"]] == [SOURCE_LOST]
        dark = cv2.imdecode(np.frombuffer(served.ask("GET", "/snapshot.jpg?plain=1").body, np.uint8), cv2.IMREAD_COLOR)
        assert np.ptp(dark.reshape(-1, 3).astype(int), axis=1).mean() < 12  # grey: nobody takes it for now
        for notice in (Notice(SINK_FAILED, "csv: full", 1), Notice(SINK_FAILED, "mqtt: away", 2)):
            source.on_notice(notice)
        source.on_notice(Notice(SINK_BACK, "mqtt: works again", 3, over=True))
        source.on_notice(Notice(SOURCE_BACK, "back", time.monotonic_ns(), over=True))
        source.held.clear()
        until(lambda: served.ask("GET", "/healthz").status == 200)
        assert [one["text"] for one in served.ask("GET", "/api/state").json["notices"]] == ["csv: full"]


def test_snapshot_is_the_picture_and_plain_has_nothing_drawn_on_it(plain: Any) -> None:
    shots = {}
    for query in ("", "?plain=1"):
        answer = plain.ask("GET", f"/snapshot.jpg{query}")
        assert answer.status == 200 and answer.headers["content-type"] == "image/jpeg"
        shots[query] = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
        assert shots[query].shape == (240, 320, 3)
    lower = slice(180, 240)
    assert shots[""][lower].mean() < shots["?plain=1"][lower].mean() - 20  # the panel


def read_parts(served: Any, path: str, count: int) -> list[tuple[dict[str, str], bytes]]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    boundary = response.headers["Content-Type"].partition("boundary=")[2].encode()
    parts = []
    assert response.readline().rstrip() == b"--" + boundary
    for _ in range(count):
        head = {}
        while line := response.readline().decode().strip():
            key, _, value = line.partition(": ")
            head[key.lower()] = value
        parts.append((head, response.read(int(head["content-length"]))))
        assert response.readline() == b"\r\n" and response.readline().rstrip() == b"--" + boundary
    connection.close()
    return parts


def test_the_stream_moves(plain: Any) -> None:
    parts = read_parts(plain, "/stream.mjpg", 4)
    frames = [int(head["x-frame"]) for head, _ in parts]
    assert frames == sorted(set(frames))
    pictures = [cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) for _, body in parts]
    assert all(picture.shape == (240, 320, 3) for picture in pictures)
    assert (pictures[0] != pictures[-1]).any()
    assert plain.ask("HEAD", "/stream.mjpg").status == 200 and plain.ask("HEAD", "/api/events").status == 200


def test_nothing_is_encoded_while_nobody_watches(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    real = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *a, **k: (encoded.append(1), real(*a, **k))[1])
    time.sleep(0.5)
    assert not encoded
    read_parts(plain, "/stream.mjpg", 2)
    assert encoded


def test_what_the_stream_showed_can_be_collected(serve: Any, tmp_path: Path, until: Any) -> None:
    with serve(folder=tmp_path) as served:
        shown = read_parts(served, "/stream.mjpg?plain=1", 1)[0]
        index = int(shown[0]["x-frame"])
        until(lambda: served.ask("GET", "/api/state").json["result"]["frame"] > index)
        answer = served.ask("POST", "/api/collect", {"label": "Katze groß", "frame": index})
        assert answer.status == 201, answer.json
        saved = answer.json["saved"]
        assert saved["label"] == "Katze groß" and saved["frame"] == index and saved["size_wh"] == [320, 240]
        file = tmp_path / "collected" / saved["name"]
        kept = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR).astype(int)
        seen = cv2.imdecode(np.frombuffer(shown[1], np.uint8), cv2.IMREAD_COLOR).astype(int)
        assert abs(kept - seen).mean() < 3
        assert served.ask("POST", "/api/collect", {"label": "dog"}).status == 201
        assert served.ask("GET", "/api/collect").json["labels"] == {"Katze groß": 1, "dog": 1}
        gone = served.ask("POST", "/api/collect", {"label": "dog", "frame": 10**9})
        assert (gone.status, gone.code) == (409, "gone")
    found = load_dataset(str(tmp_path / "collected"))
    assert found.classes == ("Katze groß", "dog")


@pytest.mark.parametrize(
    "label", ["../up", "a/b", ".hidden", "", " ", "train", "a\x00b", "x" * 101, "con\n", "-x", "a."]
)
def test_class_names_lead_nowhere_else(plain: Any, label: str) -> None:
    answer = plain.ask("POST", "/api/collect", {"label": label})
    if label == "con\n":  # white space around a name is no part of it
        assert answer.json["saved"]["label"] == "con"
        return
    assert (answer.status, answer.code) == (400, "bad-value")


def test_without_a_folder_nothing_is_written(serve: Any) -> None:
    with serve() as served:
        assert served.ask("POST", "/api/collect", {"label": "cat"}).code == "no-folder"
        assert served.ask("POST", "/api/recording", {"action": "start"}).code == "no-folder"
        assert served.ask("GET", "/api/recording").json["possible"] is False
        assert served.ask("GET", "/api/collect").json["possible"] is False


def test_a_budget_is_kept(serve: Any, tmp_path: Path) -> None:
    with serve(folder=tmp_path, budget_bytes=30_000) as served:
        codes = [served.ask("POST", "/api/collect", {"label": "cat"}).status for _ in range(12)]
        assert codes[0] == 201 and codes[-1] == 507
        assert sum(file.stat().st_size for file in (tmp_path / "collected" / "cat").iterdir()) <= 30_000
        assert str(tmp_path) not in served.ask("POST", "/api/collect", {"label": "cat"}).body.decode()


def test_a_recording_is_a_whole_video(serve: Any, tmp_path: Path, until: Any) -> None:
    left, others = tmp_path / "recordings" / ".1.x.tmp.mp4", tmp_path / "recordings" / ".2.y.tmp.mp4"
    left.parent.mkdir()
    for file in (left, others):
        file.write_bytes(b"half")
    os.utime(left, (0, 0))  # of a run that was killed; the other one is being written by another run
    with serve(folder=tmp_path) as served:
        began = served.ask("POST", "/api/recording", {"action": "start"}).json
        assert began["recording"]
        assert served.ask("POST", "/api/recording", {"action": "start"}).json["name"] == began["name"]
        at = served.ask("GET", "/api/state").json
        assert at["recording"]["recording"]
        until(lambda: served.ask("GET", "/api/state").json["classified"] > at["classified"] + 8)
        ended = served.ask("POST", "/api/recording", {"action": "stop"}).json
        assert not ended["recording"] and ended["error"] is None and ended["name"] == began["name"]
        video = cv2.VideoCapture(str(tmp_path / "recordings" / began["name"]))
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 5
        video.release()
        served.ask("POST", "/api/recording", {"action": "start"})
        at = served.ask("GET", "/api/state").json
        until(lambda: served.ask("GET", "/api/state").json["classified"] > at["classified"] + 3)
    # one that runs when the run ends is finished too
    assert len(list((tmp_path / "recordings").glob("[0-9]*.mp4"))) == 2
    assert list((tmp_path / "recordings").glob(".*")) == [others]


def test_a_recording_that_is_too_long_ends_by_itself_as_a_whole_file(
    serve: Any, tmp_path: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onsight_edge.web.recording.LONGEST_S", 0.2)
    monkeypatch.setattr("onsight_edge.web.recording._LOOK_S", 0.1)
    with serve(folder=tmp_path) as served:
        name = served.ask("POST", "/api/recording", {"action": "start"}).json["name"]
        until(lambda: not served.ask("GET", "/api/recording").json["recording"])
    assert cv2.VideoCapture(str(tmp_path / "recordings" / name)).get(cv2.CAP_PROP_FRAME_COUNT) > 0


def test_settings_act_live_and_only_as_a_whole(serve: Any, until: Any) -> None:
    with serve(savable=True) as served:
        answer = served.ask("PUT", "/api/settings", {"threshold": 0.9})
        assert answer.json["threshold"] == 0.9 and answer.json["saved"] is False
        until(lambda: served.ask("GET", "/api/state").json["result"]["decision"] == "unknown")
        assert served.ask("POST", "/api/settings", {"threshold": 0.0, "agree": 2, "save": True}).json["saved"] is True
        assert served.saved == [Settings(0.0, 0.0, 2, 0.1)]
        for wrong in ({"threshold": 2}, {"agree": 0}, {"smooth": -1}, {"hysteresis": 1e9}, {"smooth": 1e300}):
            answer = served.ask("PUT", "/api/settings", {"agree": 3, **wrong})
            assert (answer.status, answer.code) == (400, "bad-value"), wrong
        for wrong in ({"agree": 2.5}, {"threshold": True}, {"threshold": "0.5"}, {"threshold": None}):
            assert served.ask("PUT", "/api/settings", wrong).code == "bad-value", wrong
        assert served.ask("PUT", "/api/settings", {"treshold": 0.5}).code == "unknown-key"
        assert (
            served.ask("PUT", "/api/settings", b'{"threshold": NaN}', {"Content-Type": "application/json"}).status
            == 400
        )
        assert served.ask("PUT", "/api/settings", b"[" * 5000, {"Content-Type": "application/json"}).code == "bad-json"
        assert served.ask("GET", "/api/settings").json["agree"] == 2


def test_settings_without_a_file_are_not_saved_and_not_changed(plain: Any) -> None:
    answer = plain.ask("PUT", "/api/settings", {"threshold": 0.9, "save": True})
    assert (answer.status, answer.code) == (409, "no-config")
    assert plain.ask("GET", "/api/settings").json["threshold"] == 0.0


def test_a_picture_is_classified_by_a_runtime_of_its_own(serve: Any) -> None:
    """With the model that ships: the answer is the same as `predict`'s, and the loop's threshold holds."""
    with Classifier.open("default") as classifier:
        judge = make_judge(classifier, Settings(0.0), sentinel=False)
        rng = np.random.default_rng(1)
        image = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
        png = cv2.imencode(".png", image)[1].tobytes()
        expected = classifier.classify(image).top(10)
        with serve(judge=judge) as served:
            form = (
                b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
                + png
                + b"\r\n--xx--\r\n"
            )
            for body, kind in ((png, "image/png"), (form, "multipart/form-data; boundary=xx"), (png, "")):
                answer = served.ask("POST", "/api/image", body, {"Content-Type": kind})
                assert answer.status == 200, answer.body
                found = answer.json["result"]["classification"]
                assert found == pytest.approx(dict(expected), abs=1e-5)
                assert answer.json["image"] == {"width": 320, "height": 240}
                assert answer.json["timing"]["classification"] > 0
            served.ask("PUT", "/api/settings", {"threshold": 1.0})
            assert served.ask("POST", "/api/image", png).json["result"]["label"] == "unknown"
            assert len(served.ask("GET", "/api/info").json["model"]["sha256"]) == 64
            damaged = served.ask("POST", "/api/image", bomb_png(64, 64))
            assert (damaged.status, damaged.code) == (400, "bad-picture")


def test_another_model_answers_pictures_too_and_the_change_is_an_event(serve: Any, judged: Any) -> None:
    with Classifier.open("default") as classifier:
        judge = make_judge(classifier, Settings(0.0, smooth=0.0), sentinel=False)
        with serve(judge=judge) as served:
            png = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
            assert served.ask("POST", "/api/image", png).status == 200
            served.control.replace(lambda now: make_judge(classifier.twin(), now, sentinel=False))
            assert served.ask("POST", "/api/image", png).status == 200
            served.control.replace(lambda now: judged(now))
            assert served.ask("GET", "/api/info").json["model"]["name"] == "colours"
            assert served.ask("POST", "/api/image", png).code == "classifier"  # made of a backend, without a file
            events = [event.get("notice") for event in served.ask("GET", "/api/history").json["events"]]
            assert events.count("model-changed") == 2 and served.ask("GET", "/api/state").json["notices"] == []


def bomb_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def bomb_jpeg() -> bytes:
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 60000, 60000)
    return bytes(data)


def test_pictures_that_are_none_or_too_large_are_refused_before_they_are_decoded(
    plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    monkeypatch.setattr("onsight_edge.web.classify.decode_image", lambda data: decoded.append(data))
    jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    for body, status, code in (
        (bomb_png(50_000, 50_000), 413, "too-many-pixels"),
        (bomb_jpeg(), 413, "too-many-pixels"),
        (b"", 415, "not-a-picture"),
        (b"GIF89a" + bytes(50), 415, "not-a-picture"),
        (b"\x89PNG\r\n\x1a\n", 400, "bad-picture"),
        (bomb_png(0, 5), 400, "bad-picture"),
        (jpeg[:4], 400, "bad-picture"),
    ):
        answer = plain.ask("POST", "/api/image", body, {"Content-Type": "image/jpeg"})
        assert (answer.status, answer.code) == (status, code)
    assert not decoded
    kind = {"Content-Type": "multipart/form-data; boundary=xx"}
    text = b'--xx\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--xx--\r\n'
    assert plain.ask("POST", "/api/image", text, kind).code == "no-file"
    assert plain.ask("POST", "/api/image", b"garbage", kind).code in ("bad-form", "no-file")
    assert plain.ask("POST", "/api/image", text, {"Content-Type": "multipart/form-data"}).code == "bad-form"


def test_no_answer_holds_a_path_of_the_device(serve: Any, scripted: Any, tmp_path: Path, until: Any) -> None:
    source = scripted(name="/home/someone/secret folder/pictures/a.jpg")
    with serve(source=source, folder=tmp_path / "kept") as served:
        source.on_notice(Notice("frozen", f"{source.uri}: frozen; see /var/log/onsight/run.log", time.monotonic_ns()))
        until(lambda: served.ask("GET", "/api/state").json["notices"])
        texts = [
            served.ask("GET", path).body.decode()
            for path in ("/api/info", "/api/state", "/api/history", "/api/recording", "/api/collect", "/openapi.json")
        ]
        (tmp_path / "kept").mkdir(exist_ok=True)
        (tmp_path / "kept" / "collected").write_text("a file stands where the folder should")
        (tmp_path / "kept" / "recordings").write_text("here too")
        refused = served.ask("POST", "/api/collect", {"label": "cat"})
        assert (refused.status, refused.code) == (507, "no-room")
        texts += [refused.body.decode(), served.ask("POST", "/api/recording", {"action": "start"}).body.decode()]
    for text in texts:
        assert "/home" not in text and "secret" not in text and "/var" not in text and str(tmp_path) not in text, text
    assert '"name":"a.jpg"' in texts[1] and "frozen; see run.log" in texts[1]


def test_unknown_pages_methods_and_queries_get_json(plain: Any) -> None:
    for method, path, status, code in (
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/info/", 404, "not-found"),
        ("DELETE", "/api/info", 405, "wrong-method"),
        ("GET", "/api/image", 405, "wrong-method"),
        ("GET", "/snapshot.jpg?plain=yes", 400, "bad-query"),
        ("GET", "/stream.mjpg?fps=0", 400, "bad-query"),
        ("GET", "/api/history?limit=%D9%A3", 400, "bad-query"),
    ):
        answer = plain.ask(method, path)
        assert (answer.status, answer.code) == (status, code), path


def test_before_the_first_frame_nothing_is_made_up(serve: Any, scripted: Any) -> None:
    source = scripted()
    source.held.set()
    with serve(source=source, frames=0) as served:
        state = served.ask("GET", "/api/state").json
        assert state["result"] is None and state["since_ms"] is None and not state["flowing"]
        assert served.ask("GET", "/healthz").json == {"status": "starting", "since_ms": None}
        assert served.ask("GET", "/snapshot.jpg").code == "no-frame"


def test_where_nothing_is_decided_there_are_no_events_until_a_setting_asks_for_them(
    serve: Any, judged: Any, until: Any
) -> None:
    with serve(judge=judged(Settings(0.0))) as served:
        assert served.ask("GET", "/api/history").json["events"] == []
        settings = served.ask("GET", "/api/settings").json
        assert settings["smooth"] is None and settings["agree"] is None
        assert served.ask("PUT", "/api/settings", {"agree": 2}).json["smooth"] == 0.25
        until(lambda: served.ask("GET", "/api/history").json["events"])


def test_prometheus_reads_the_same_figures_as_of_its_own_sink(plain: Any) -> None:
    pytest.importorskip("prometheus_client", reason="the extra metrics is not installed")
    from prometheus_client.parser import text_string_to_metric_families

    answer = plain.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    before = plain.ask("GET", "/api/state").json["classified"]
    assert 0 < found["onsight_frames"].samples[0].value <= before
    assert next(sample.labels for sample in found["onsight_info"].samples)["model"] == "colours"


def test_info_asks_anew_where_the_model_was_replaced_while_it_was_asked(serve: Any, judged: Any) -> None:
    with serve() as served:

        class Replaced(FakeBackend):
            """Replaced, and closed, as soon as it is asked for its version."""

            @property
            def version(self) -> str:  # type: ignore[override]
                served.control.replace(judged)
                return "of before"

        spec = served.control.judge.classifier.spec
        own = Replaced(spec, lambda batch: np.array([[0.2, 0.7, 0.1]], np.float32))
        served.control.replace(lambda now: make_judge(Classifier(spec, own), now, sentinel=False))
        assert served.ask("GET", "/api/info").json["backend"]["version"] == "0"
