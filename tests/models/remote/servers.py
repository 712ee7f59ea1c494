"""Real HTTP servers: one that answers from models, and one that says whatever it is told to."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from models.sampling import Sampling
from tests.models.remote.served import Completion, ServedModels


@dataclass
class Seen:
    """What a server has seen."""

    requests: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0


class ModelServer:
    """`/embed`, `/rerank`, `/info`, `/v1/models` and both completions, from models.

    `delay`: seconds before each answer. `tls`: (certificate, key) files.
    """

    def __init__(
        self, models: ServedModels, *, delay: float = 0.0, tls: tuple[str, str] | None = None
    ) -> None:
        self.seen = Seen()
        self.delay = delay
        self.info: dict[str, Any] | None = {
            "model_id": "kin/model",
            "model_sha": "0123456789abcdef",
            "max_client_batch_size": 4,
        }
        self.listed: dict[str, Any] | None = {"data": [{"id": "gpt", "max_model_len": 512}]}
        self._server = _server(self, models)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join(5.0)
        self._server.server_close()


def _server(outer: ModelServer, models: ServedModels) -> ThreadingHTTPServer:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one packet for head and body

        def setup(self) -> None:
            super().setup()
            with lock:
                outer.seen.connections += 1

        def do_GET(self) -> None:
            answer = {"/info": outer.info, "/v1/models": outer.listed}.get(self.path)
            self._answer(answer)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen = outer.seen
            with lock:
                seen.requests.append((self.path, body))
                seen.headers.append(dict(self.headers))
                seen.at_once += 1
                seen.most_at_once = max(seen.most_at_once, seen.at_once)
            time.sleep(outer.delay)
            try:
                answer, status = answer_of(models, self.path, body), 200
            except Exception as error:  # noqa: BLE001 - as a service would
                answer, status = {"error": str(error), "error_type": "backend"}, 500
            with lock:
                seen.at_once -= 1
            self._answer(answer, status)

        def _answer(self, answer: Any, status: int = 200) -> None:
            raw = json.dumps(answer if answer is not None else {"error": "no route"}).encode()
            self.send_response(status if answer is not None else 404)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
            self.wfile.flush()

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller that leaves early is part of these tests."""

    return Quiet(("127.0.0.1", 0), Handler)


def answer_of(models: ServedModels, path: str, body: dict[str, Any]) -> Any:
    """The JSON of one answer; None where there is no such route."""
    if path == "/embed":
        return models.embed(body["inputs"])
    if path == "/rerank":
        scores = models.rerank(body["query"].split("\n"), body["texts"])
        ranks = [{"index": i, "score": score} for i, score in enumerate(scores)]
        return sorted(ranks, key=lambda rank: -float(rank["score"]))
    if path == "/v1/completions":
        lines = body["prompt"].split("\n\n", 1)[1].split("\n")[:-1]
        turns = [line.split(": ", 1)[1] for line in lines]
        found = _complete(models, turns, body, body["max_tokens"])
        return {"choices": [_plain(i, one) for i, one in enumerate(found)]}
    if path == "/v1/chat/completions":
        turns = [one["content"] for one in body["messages"] if one["role"] != "system"]
        found = _complete(models, turns, body, body["max_completion_tokens"])
        return {"choices": [_chat(i, one) for i, one in enumerate(found)]}
    return None


def _complete(
    models: ServedModels, turns: list[str], body: dict[str, Any], tokens: int
) -> list[Completion]:
    sampling = Sampling(
        temperature=body["temperature"],
        top_p=body["top_p"],
        top_k=body.get("top_k", 0),
        repetition_penalty=body.get("repetition_penalty", 1.0),
    )
    return models.complete(turns, body["n"], body["seed"], tokens, sampling)


def _plain(index: int, one: Completion) -> dict[str, Any]:
    return {
        "index": index,
        "text": f" {one.text}",
        "finish_reason": "stop" if one.finished else "length",
        "logprobs": {"token_logprobs": one.logprobs},
    }


def _chat(index: int, one: Completion) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": one.text},
        "finish_reason": "stop" if one.finished else "length",
        "logprobs": {"content": [{"token": "x", "logprob": value} for value in one.logprobs]},
    }


Script = Callable[[socket.socket, int], None]


class RawServer:
    """Runs a script for each connection, on its own thread: `script(socket, number)`, from 0."""

    def __init__(self, script: Script) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._script = script
        self._open: list[socket.socket] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End it and all its connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5.0)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(5.0)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number = self.connections
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, number))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError):
            self._script(sock, number)


def read_request(sock: socket.socket) -> bytes:
    """One whole request; empty where the caller has left."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = sock.recv(65536)
        if not part:
            return b""
        raw += part
    head, body = raw.split(b"\r\n\r\n", 1)
    size = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    while len(body) < size:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: str, body: bytes | Any, *headers: str) -> bytes:
    """The bytes of an answer; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + raw


def saying(*answers: bytes) -> Script:
    """Answers one request each, on however many connections; the last answer again and again."""
    left = list(answers)
    lock = threading.Lock()

    def script(sock: socket.socket, number: int) -> None:
        while read_request(sock):
            with lock:
                answer = left.pop(0) if len(left) > 1 else left[0]
            sock.sendall(answer)

    return script
