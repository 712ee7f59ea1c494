"""A line to Redis on which an answer can be lost: the request has arrived, and was obeyed."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path


class LossyLine:
    """Passes bytes between clients and Redis; when told to, cuts the line instead of answering.

    Where Redis is away, a client's connection is closed at once.
    """

    def __init__(self, path: Path, target: str) -> None:
        self.url = f"unix://{path}"
        self._target = target
        self._marker: bytes | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(256)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def lose_next_answer(self, to: bytes = b"") -> None:
        """Cut the line of the next request that holds these bytes, once Redis has answered it."""
        self._marker = to

    def lead_to(self, target: str) -> None:
        """Connections made from now on are to another Redis."""
        self._target = target

    @property
    def lost(self) -> bool:
        """Whether it has happened."""
        return self._marker is None

    def close(self) -> None:
        """End; every client must have ended before."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self._target)
            except OSError:
                return
            cut = threading.Event()
            up = threading.Thread(target=self._pass_requests, args=(client, server, cut))
            up.start()
            with suppress(OSError):
                while data := server.recv(65_536):
                    if cut.is_set():
                        break
                    client.sendall(data)
            for each in (client, server):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            up.join()

    def _pass_requests(
        self, client: socket.socket, server: socket.socket, cut: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if self._marker is not None and self._marker in data:
                    self._marker = None
                    cut.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
