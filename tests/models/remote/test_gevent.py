"""The remote models in the place where they serve: native threads beside gevent's hub."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models.runtimes.remote import Client
from models.runtimes.remote.client import Request
from models.runtimes.remote.errors import RemoteUnreachable
from tests.models.remote.served import FakeModels
from tests.models.remote.servers import ModelServer

ROOT = Path(__file__).parents[3]
Serve = Callable[..., ModelServer]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(certificate, key) files for 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kindred test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(files[0]), str(files[1])


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Serve:
    """Starts servers around made-up models."""

    def start(**options: object) -> ModelServer:
        server = ModelServer(FakeModels(), **options)  # type: ignore[arg-type]
        request.addfinalizer(server.close)
        return server

    return start


def test_tls_is_kept_and_checked(
    serve: Serve, certificate: tuple[str, str], client_of: Callable[..., Client]
) -> None:
    server = serve(tls=certificate)
    asked: Request[object] = Request("/embed", {"inputs": ["hello"]}, lambda answer: answer)
    client = client_of(server.url, ca_file=certificate[0])
    assert [client.one(asked) for _ in range(3)] == [FakeModels().embed(["hello"])] * 3
    assert server.seen.connections == 1
    with pytest.raises(RemoteUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        client_of(server.url).one(asked)


def test_native_threads_ask_while_the_hub_goes_on(
    serve: Serve, certificate: tuple[str, str]
) -> None:
    plain, tls, slow = serve(), serve(tls=certificate), serve(delay=0.3)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    program = Path(__file__).with_name("under_gevent.py")
    ended = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", program,
         plain.url, tls.url, certificate[0], slow.url, dead],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    models = FakeModels()
    for rows in seen["vectors"]:
        assert rows == [pytest.approx(row, abs=1e-6) for row in models.embed(["hello", "a cat"])]
    talk = ["hi there", "Hello! How are you?", "tired"]
    assert seen["scores"] == [models.rerank(talk, ["hi you", "no", "so tired"])] * 10
    assert [texts[0] for texts in seen["replies"]] == [
        f"Reply {seed}.0 to tired" for seed in range(8)
    ]
    assert seen["seconds"] < 2.0  # eight of 0.3 s, side by side
    assert seen["ran"] >= 10  # every 5 ms: the hub was not held up
    assert seen["together"] == [True] * 3
    assert (seen["late"], seen["dead"], seen["untrusted"]) == (
        "RemoteTimeout", "RemoteUnreachable", "RemoteUnreachable",
    )  # fmt: skip
    assert seen["late_seconds"] < 1.0
    assert seen["after"]
    # One of `connect`, in the hub's thread, and one of the lane.
    assert plain.seen.connections == 2
    assert tls.seen.most_at_once == 1
    assert ended.stderr == ""
