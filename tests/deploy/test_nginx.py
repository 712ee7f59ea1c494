"""The example of nginx, by a real nginx before a small upstream that says what it was told."""

from __future__ import annotations

import datetime
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SITE = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONNECTIONS = 8  # of an address at once, in place of the example's thousand
_FRAME = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    may_go_on = threading.Event()

    def do_GET(self) -> None:
        self._say({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Accept") == "text/event-stream":
            self._events()
        else:
            self._say({"length": len(sent), "encoding": self.headers.get("Transfer-Encoding")})

    def _say(self, told: object) -> None:
        text = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"event: typing\ndata: {}\n\n")
        self.wfile.flush()
        self.may_go_on.wait(10)
        self.wfile.write(b"event: reply\ndata: {}\n\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "privkey.pem").write_bytes(private)
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _site(folder: Path, plain: int, secure: int, upstream: int) -> str:
    """The example, at ports of this test and in its folder; the rest is as it stands."""
    lines = SITE.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if "listen [::]" not in line)
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{secure} ssl"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
        ("/etc/ssl/kindred", str(folder)),
        ("/var/log/nginx", str(folder)),
        ("limit_conn kindred_connections 1000;", f"limit_conn kindred_connections {CONNECTIONS};"),
        ("client_body_timeout 10s;", "client_body_timeout 60s;"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """(plain, secure) of a running nginx."""
    if NGINX is None:
        pytest.skip("no nginx")
    folder = tmp_path_factory.mktemp("nginx")
    plain, secure = _free_port(), _free_port()
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    _certificate(folder)
    site = _site(folder, plain, secure, upstream.server_address[1])
    (folder / "site.conf").write_text(site, encoding="utf-8")
    (folder / "nginx.conf").write_text(_FRAME.format(folder=folder), encoding="utf-8")
    process = subprocess.Popen(
        [NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.PIPE
    )
    try:
        _await(process, secure)
        yield plain, secure
    finally:
        process.terminate()
        process.communicate(timeout=20)
        upstream.shutdown()
        upstream.server_close()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            _, said = process.communicate()
            raise AssertionError(said.decode())
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")


@pytest.fixture
def secure(ports: tuple[int, int]) -> Iterator[http.client.HTTPSConnection]:
    """A connection by https, to a certificate of this test."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", ports[1], context=context, timeout=20)
    yield connection
    connection.close()


def test_http_is_sent_to_https(ports: tuple[int, int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=20)
    connection.request("GET", "/chat?x=1", headers={"Host": "kindred.example.org"})
    answer = connection.getresponse()
    assert answer.status == 308
    assert answer.headers["Location"] == "https://kindred.example.org/chat?x=1"
    connection.close()


def test_what_a_caller_claims_of_addresses_does_not_arrive(
    secure: http.client.HTTPSConnection,
) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    secure.request("GET", "/v1/me", headers={**claims, "X-Forwarded-Host": "evil.example"})
    told = json.loads(secure.getresponse().read())["headers"]
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["x-forwarded-proto"] == "https"
    assert "forwarded" not in told
    assert "x-forwarded-host" not in told


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/health"])
def test_what_machines_ask_is_not_for_everybody(
    secure: http.client.HTTPSConnection, path: str
) -> None:
    secure.request("GET", path)
    assert secure.getresponse().status == 404


def test_a_body_that_is_too_long_is_refused(secure: http.client.HTTPSConnection) -> None:
    secure.request("POST", "/v1/me", body=b"x" * (256 * 1024 + 1))
    assert secure.getresponse().status == 413


def test_a_chunked_body_arrives_with_its_length(secure: http.client.HTTPSConnection) -> None:
    secure.request(
        "POST",
        "/v1/chat",
        body=iter([b"ab", b"cde"]),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert json.loads(secure.getresponse().read()) == {"length": 5, "encoding": None}


def test_an_event_arrives_before_the_next_one_is_made(
    secure: http.client.HTTPSConnection,
) -> None:
    _Upstream.may_go_on.clear()
    secure.request("POST", "/v1/chat", body=b"{}", headers={"Accept": "text/event-stream"})
    answer = secure.getresponse()
    assert answer.readline() == b"event: typing\n"
    _Upstream.may_go_on.set()
    assert b"event: reply" in answer.read()


def test_messages_are_not_counted_before_they_are_read(
    secure: http.client.HTTPSConnection,
) -> None:
    """Kindred answers a crisis before every limit, so nothing before it may count messages."""
    _, _, chat = SITE.read_text(encoding="utf-8").partition("location = /v1/chat {")
    body = chat.partition("}")[0]
    assert "proxy_pass" in body
    assert "limit_req" not in body
    before = SITE.read_text(encoding="utf-8").partition("location /")[0]
    assert "limit_req zone" not in before
    assert "limit_conn kindred_connections 1" not in before
    statuses = set()
    for _ in range(200):
        secure.request("POST", "/v1/chat", body=b"{}")
        answer = secure.getresponse()
        answer.read()
        statuses.add(answer.status)
    assert statuses == {200}


def test_bodies_that_never_end_hold_no_more_than_their_share(ports: tuple[int, int]) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    begun = b"POST /v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{"
    held: list[ssl.SSLSocket] = []
    try:
        for _ in range(CONNECTIONS + 1):
            plain = socket.create_connection(("127.0.0.1", ports[1]), timeout=20)
            held.append(context.wrap_socket(plain))
            held[-1].sendall(begun)
            time.sleep(0.02)  # nginx reads them in their order
        assert held[-1].recv(64).startswith(b"HTTP/1.1 429")
        held[0].settimeout(0.1)
        with pytest.raises(TimeoutError):
            held[0].recv(1)
    finally:
        for each in held:
            each.close()
