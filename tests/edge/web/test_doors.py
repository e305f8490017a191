"""Each door closed: names, origins, tokens, sizes, slow clients, paths. Real server, real sockets."""

from __future__ import annotations

import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from onsight_edge.errors import SinkError, UsageError
from onsight_edge.web.address import Address, new_token, parse_address, token_file
from onsight_edge.web.app import MOST_STREAMS
from onsight_edge.web.guard import MOST_BODY
from onsight_edge.web.protocol import GuardedProtocol
from onsight_edge.web.public import public_source, public_text
from onsight_edge.web.server import listen
from onsight_edge.web.tokens import Keeper

TOKEN = "a-token-of-more-than-twenty-two-letters"


@pytest.fixture(scope="module")
def locked(serve: Any) -> Iterator[Any]:
    """Listens on all addresses, as in a network, with a token and a name."""
    with serve(address=Address("0.0.0.0", 0), token=TOKEN, names=("door.example.org",)) as served:
        yield served


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("localhost:1", True),
        ("[::1]:8000", True),
        ("LOCALHOST.", True),
        ("192.168.1.7:8000", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("evil.example@localhost", False),
        ("localhost/evil", False),
        ("localhost:x", False),
        ("", False),
    ],
)
def test_a_loopback_server_is_asked_under_loopback_names_only(plain: Any, host: str, allowed: bool) -> None:
    answer = plain.ask("GET", "/api/info", headers={"Host": host})
    assert answer.status == (200 if allowed else 421)
    assert allowed or answer.code == "wrong-host"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("192.168.1.7:8000", True), ("door.example.org", True), ("Door.Example.org:443", True), ("evil.example", False)],
)
def test_in_a_network_addresses_and_the_allowed_name_too(locked: Any, host: str, allowed: bool) -> None:
    assert locked.ask("GET", "/api/info", headers={"Host": host}).status == (200 if allowed else 421)


def test_a_request_without_or_with_two_hosts_is_none(plain: Any) -> None:
    for lines in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        with plain.raw(b"GET /api/info HTTP/1.1\r\n" + lines + b"\r\n") as connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 400")


ROUTES = (
    "/",
    "/static/app.js",
    "/api/info",
    "/api/state",
    "/api/events",
    "/api/history",
    "/stream.mjpg",
    "/snapshot.jpg",
)
ROUTES += ("/healthz", "/metrics", "/openapi.json", "/api/settings", "/api/collect", "/api/recording", "/nothing")


@pytest.mark.parametrize("path", ROUTES)
def test_without_the_token_nothing_is_told(locked: Any, path: str) -> None:
    for headers in ({"Authorization": "Bearer"}, {"Cookie": "other=1"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = locked.ask("GET", path, headers=headers)
        assert (answer.status, answer.code) == (401, "no-token")
    assert locked.ask("POST", "/api/settings", {"threshold": 1}, {"Cookie": "x=y"}).status == 401


def test_a_person_without_the_token_gets_a_page_that_says_so(locked: Any) -> None:
    answer = locked.ask("GET", "/", headers={"Accept": "text/html", "Cookie": "x=y"})
    assert answer.status == 401 and b"token" in answer.body and TOKEN.encode() not in answer.body


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address(locked: Any) -> None:
    answer = locked.ask("GET", f"/?token={TOKEN}", headers={"Cookie": "x=y"})
    assert answer.status == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie
    assert TOKEN not in cookie
    pair = cookie.partition(";")[0]
    assert pair.startswith(f"onsight_{locked.port}=")
    assert locked.ask("GET", "/api/info", headers={"Cookie": pair}).status == 200
    assert locked.ask("GET", "/api/info", headers={"Cookie": pair[:-1] + "x"}).status == 401
    # followed from another page a Strict cookie does not go along with a redirect: a page of ours leads on
    onward = locked.ask(
        "GET",
        f"/?token={TOKEN}",
        headers={"Cookie": "x=y", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    )
    assert onward.status == 200 and b"http-equiv" in onward.body and "set-cookie" in onward.headers
    # only there: a token in other addresses would be kept by proxies and histories
    assert locked.ask("GET", f"/api/info?token={TOKEN}", headers={"Cookie": "x=y"}).status == 401


def test_a_cookie_alone_changes_nothing_without_the_origin_of_the_page(locked: Any) -> None:
    answer = locked.ask("GET", f"/?token={TOKEN}", headers={"Cookie": "x=y"})
    cookie = answer.headers["set-cookie"].partition(";")[0]
    own = f"http://127.0.0.1:{locked.port}"
    for origin, status in (
        (own, 200),
        ("http://evil.example", 403),
        ("null", 403),
        (f"http://127.0.0.1:{locked.port + 1}", 403),
        (f"http://127.0.0.1:{locked.port}.evil.example", 403),
        (None, 403),
    ):
        headers = {"Cookie": cookie} | ({"Origin": origin} if origin else {})
        answer = locked.ask("PUT", "/api/settings", {"agree": 1}, headers)
        assert answer.status == status, origin
    assert locked.ask("PUT", "/api/settings", {"agree": 1}).status == 200  # a Bearer token is no browser's doing


def test_on_loopback_pages_from_elsewhere_change_and_embed_nothing(plain: Any) -> None:
    change: dict[str, Any] = {"agree": 1}
    assert plain.ask("PUT", "/api/settings", change).status == 200  # curl
    own = {"Origin": f"http://127.0.0.1:{plain.port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert plain.ask("PUT", "/api/settings", change, own).status == 200
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert plain.ask("PUT", "/api/settings", change, {"Origin": origin}).code == "wrong-origin"
        form = {"Origin": origin, "Content-Type": "multipart/form-data; boundary=x"}
        assert plain.ask("POST", "/api/image", b"--x--\r\n", form).code == "wrong-origin"
    assert plain.ask("PUT", "/api/settings", change, {"Sec-Fetch-Site": "none"}).code == "no-origin"
    for site in ("cross-site", "same-site"):
        embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        assert plain.ask("GET", "/snapshot.jpg", headers=embedded).code == "cross-site"
        assert plain.ask("GET", "/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status == 200
    # a form of another page could send this type without asking first
    plain_text = {"Content-Type": "text/plain"}
    assert plain.ask("PUT", "/api/settings", b'{"agree": 1}', plain_text).code == "not-json"


def test_guessing_is_slowed_down_and_the_right_cookie_goes_on(serve: Any) -> None:
    with serve(address=Address("0.0.0.0", 0), token=TOKEN) as served:
        cookie = (
            served.ask("GET", f"/?token={TOKEN}", headers={"Cookie": "x=y"}).headers["set-cookie"].partition(";")[0]
        )
        codes = [
            served.ask("GET", "/api/info", headers={"Authorization": f"Bearer guess{n}"}).status for n in range(12)
        ]
        assert codes == [401] * 10 + [429] * 2
        refused = served.ask("GET", "/api/info")  # the right one, from where so much was guessed
        assert refused.status == 429 and int(refused.headers["retry-after"]) > 50
        assert served.ask("GET", f"/?token={TOKEN}", headers={"Cookie": "x=y"}).status == 429
        assert served.ask("GET", "/api/info", headers={"Cookie": cookie}).status == 200
        wrong = cookie.partition("=")[0] + "=" + "0" * 64
        codes = [served.ask("GET", "/api/info", headers={"Cookie": wrong}).status for _ in range(12)]
        assert codes == [401] * 10 + [429] * 2


def test_guesses_are_forgotten_after_a_while_and_of_too_many_addresses() -> None:
    now = [0.0]
    keeper = Keeper(TOKEN, 8000, clock=lambda: now[0])
    for _ in range(10):
        keeper.failed("10.0.0.1")
    assert keeper.wait_s("10.0.0.1") == 60 and keeper.wait_s("10.0.0.2") == 0
    now[0] = 61
    assert keeper.wait_s("10.0.0.1") == 0
    for number in range(5000):
        keeper.failed(str(number))
    assert len(keeper._failures) == 1024
    assert not keeper.fits_token("ä") and not keeper.fits_cookie("\ud800") and keeper.fits_token(TOKEN)


def test_every_answer_has_the_security_headers_and_none_says_what_serves(plain: Any) -> None:
    answers = [
        plain.ask("GET", "/"),
        plain.ask("GET", "/api/info"),
        plain.ask("GET", "/snapshot.jpg"),
        plain.ask("GET", "/nothing"),
        plain.ask("GET", "/", headers={"Host": "evil.example"}),
        plain.ask("POST", "/api/settings", b"x"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "permissions-policy" in answer.headers and "server" not in answer.headers
    assert [answer.headers["cache-control"] for answer in answers] == ["no-cache"] + ["no-store"] * 5
    page = answers[0].body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=|javascript:|https?://", page)


ELSEWHERE = ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/")
ELSEWHERE += ("/static/%2fetc%2fpasswd", "/static/.hidden", "/static/app.js%00.css", "/..%2f..%2fetc/passwd", "//evil/")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_path_leads_out_of_the_static_files(plain: Any, path: str) -> None:
    with plain.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_static_files_are_there_and_known_by_their_tag(plain: Any) -> None:
    answer = plain.ask("GET", "/static/app.js")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/javascript")
    again = plain.ask("GET", "/static/app.js", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304 and again.body == b""


def test_bodies_are_bounded_whether_or_not_they_say_how_long_they_are(plain: Any) -> None:
    head = b"POST /api/image HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    with plain.raw(head + f"Content-Length: {MOST_BODY + 1}\r\n\r\n".encode()) as connection:
        answer = ended(connection, 10)
        assert answer.startswith(b"HTTP/1.1 413") and b"too-large" in answer
    with plain.raw(head + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        piece = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        sent = 0
        try:
            while sent < 4 * MOST_BODY:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:  # closed in the middle
            pass
        assert sent < 3 * MOST_BODY
    big = b'{"label": "' + b"x" * 20_000 + b'"}'
    assert plain.ask("POST", "/api/collect", big, {"Content-Type": "application/json"}).status == 413
    head = b"PUT /api/settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with plain.raw(head + f"Content-Length: {MOST_BODY}\r\n\r\n".encode() + bytes(20_000)) as connection:
        assert ended(connection, 10).startswith(b"HTTP/1.1 413"), "without the rest, which would take the memory"
    with plain.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 40_000) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    at_once = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 17_000 + b"\r\n\r\n"
    with plain.raw(at_once) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert plain.ask("GET", "/healthz").status == 200


def ended(connection: socket.socket, seconds: float) -> bytes:
    """What came until the server closed; fails if it does not within so many seconds."""
    connection.settimeout(seconds)
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedProtocol, "head_s", 0.5)
    monkeypatch.setattr(GuardedProtocol, "body_s", 0.7)
    monkeypatch.setattr(GuardedProtocol, "read_s", 0.5)


def test_slow_requests_are_ended_however_steadily_they_drip(serve: Any, hasty: None) -> None:
    with serve() as served:
        silent = served.raw()
        dripping = served.raw(b"GET / HTTP/1.1\r\n")
        unfinished = served.raw(b"POST /api/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx")
        second = served.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert second.recv(4096).startswith(b"HTTP/1.1 200")
        second.sendall(b"GET /healthz")  # the next one on the same connection
        try:
            for letter in b"X-Header: a very long one, letter by letter":
                dripping.sendall(bytes([letter]))
                time.sleep(0.05)
        except OSError:
            pass
        for connection in (silent, dripping, unfinished, second):
            with connection:
                assert b"408" in ended(connection, 10) or connection is dripping
        assert served.ask("GET", "/healthz").status == 200


def deaf(served: Any, count: int) -> list[socket.socket]:
    """Clients that ask for the stream and never read."""
    made = []
    for _ in range(count):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", served.port))
        one.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        made.append(one)
    return made


def test_streams_are_bounded_and_a_place_is_free_again(serve: Any, until: Callable[..., Any]) -> None:
    with serve() as served:
        watching = deaf(served, MOST_STREAMS)
        until(lambda: b"503" in status_of_a_stream(served))
        assert served.ask("GET", "/api/state").json["flowing"]
        for one in watching:
            one.close()
        until(lambda: b"200" in status_of_a_stream(served))


def status_of_a_stream(served: Any) -> bytes:
    with served.raw(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        return bytes(connection.recv(4096)).partition(b"\r\n")[0]


def test_who_does_not_read_is_cut_off(serve: Any, hasty: None, until: Callable[..., Any]) -> None:
    with serve() as served:
        watching = deaf(served, 4)
        connections = served.web._server._server.server_state.connections
        until(lambda: len(connections) == 4)
        until(lambda: not connections)  # once its buffers are full and it has read nothing for half a second
        for one in watching:
            one.close()


def test_connections_are_bounded(serve: Any, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]) -> None:
    monkeypatch.setattr(GuardedProtocol, "most_connections", 8)
    with serve() as served:
        kept = [served.raw(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(8)]
        for connection in kept:
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
        with served.raw() as late:
            assert b"too-many-connections" in ended(late, 10)
        for connection in kept:
            connection.close()
        until(lambda: b"200" in first_state(served))


def first_state(served: Any) -> bytes:
    with served.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as connection:
        return ended(connection, 10)


def test_a_mistake_is_told_without_a_traceback(
    plain: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("the secret is in /etc/shadow")

    monkeypatch.setattr(plain.web._hub, "active", fails)
    answer = plain.ask("GET", "/api/state")
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body and b"Traceback" not in answer.body
    assert "RuntimeError: the secret" in capsys.readouterr().err  # for the user of the device


def test_the_token_is_never_logged(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(address=Address("0.0.0.0", 0), token=TOKEN) as served:
        served.ask("GET", f"/?token={TOKEN}")
        served.ask("GET", "/api/info")
        served.ask("GET", f"/nothing?token={TOKEN}")
        for path in ("/api/info", "/api/state", "/api/history", "/openapi.json"):
            assert TOKEN not in served.ask("GET", path).body.decode()
        assert TOKEN in served.web.url
    out = capsys.readouterr()
    assert TOKEN not in out.out + out.err


def test_a_port_that_is_taken_is_told_before_the_run_starts(serve: Any) -> None:
    with serve() as served, pytest.raises(SinkError, match=r"cannot listen on 127\.0\.0\.1:.*--web HOST:PORT"):
        listen(Address("127.0.0.1", served.port))


def test_tls_makes_the_cookie_secure(serve: Any, tmp_path: Path) -> None:
    import http.client
    import ssl
    import subprocess

    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            key,
            "-out",
            cert,
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is not installed")
    with serve(frames=0, token=TOKEN, certificate=(cert, key)) as served:
        assert served.web.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=context, timeout=20)
        connection.request("GET", f"/?token={TOKEN}")
        response = connection.getresponse()
        assert response.status == 303 and "Secure" in response.headers["Set-Cookie"]
        connection.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("localhost", ("localhost", 8000)),
        ("[::1]:9", ("::1", 9)),
        ("::1", ("::1", 8000)),
        ("door.example.org:443", ("door.example.org", 443)),
        ("my.bundle", ("my.bundle", 8000)),
    ],
)
def test_addresses_are_read(text: str, expected: tuple[str, int]) -> None:
    found = parse_address(text)
    assert (found.host, found.port) == expected


@pytest.mark.parametrize(
    "text", ["", ":", "a b", "x:y", "127.0.0.1:99999", "[::1", "http://x/", "/dev/video0", "[x]:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse_address(text)


def test_only_loopback_is_loopback() -> None:
    assert all(Address(host).loopback for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"))
    assert not any(Address(host).loopback for host in ("0.0.0.0", "::", "192.168.1.1", "example.org", "localhost.evil"))


def test_a_token_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = token_file(path)
    assert token_file(path) == token and len(token) == 32 and new_token() != new_token()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short\n")
    with pytest.raises(UsageError, match="holds no token"):
        token_file(path)
    with pytest.raises(SinkError, match="cannot use the token file"):
        token_file(tmp_path / "no folder" / "token")


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("0", "0"),
        ("/dev/video0", "video0"),
        ("csi://0", "csi://0"),
        ("/home/me/clip.mp4", "clip.mp4"),
        ("file:///home/me/clip.mp4", "clip.mp4"),
        ("watch:///home/me/in?keep=1", "watch://in"),
        ("dataset://cifar10", "dataset://cifar10"),
        ("synthetic://?fps=3", "synthetic://"),
        ("rtsp://user:secret@cam.local:554/h264?key=1", "rtsp://cam.local:554"),
        ("http://cam/stream?token=x", "http://cam"),
        ("pipe:?size=2x2", "pipe"),
        ("folder/", "folder"),
    ],
)
def test_sources_are_named_without_their_place(uri: str, public: str) -> None:
    assert public_source(uri) == public


def test_texts_lose_their_paths_and_nothing_else() -> None:
    text = "cannot write '/home/me/a b.mp4': 1/2 of http://cam/x and ~/x.txt, /var/log/run.log; 3 fps/s"
    assert public_text(text) == "cannot write 'a b.mp4': 1/2 of http://cam/x and x.txt, run.log; 3 fps/s"
