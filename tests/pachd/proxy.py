"""A TCP proxy that stalls, cuts and refuses connections when it is told to: a network that fails."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

BUFFER_BYTES = 64 << 10


class Proxy:
    """Forwards to `target`, host and port. Used as a context; `address` is where it listens.

    `stalled`: nothing is forwarded, in either direction, and connections stay open.
    `cut()`: all connections break off, at once and without a word.
    `refuse()` and `accept()`: whether anything listens. `cut_after(n)`: once n more bytes have come from the target.
    """

    def __init__(self, target: tuple[str, int]):
        self.target = target
        self.sent = 0  # bytes to the target
        self.received = 0  # bytes from it
        self._cut_at: int | None = None
        self._running = threading.Event()
        self._running.set()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.address = ("127.0.0.1", 0)
        self.accept()

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def stalled(self) -> bool:
        return not self._running.is_set()

    @stalled.setter
    def stalled(self, value: bool) -> None:
        (self._running.clear if value else self._running.set)()

    def __enter__(self) -> Proxy:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.stalled = False
        self.cut()

    def accept(self) -> None:
        """Listen, on the same port as ever."""
        listener = socket.create_server(self.address, reuse_port=False)
        self.address = listener.getsockname()[:2]
        self._listener = listener
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """Listen no more: new connections are refused; those that are open stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count: int) -> None:
        self._cut_at = self.received + count

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.add((client, server))
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    self._running.wait()
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    data = source.recv(BUFFER_BYTES)
                    if not data:
                        return
                    if source is server and not self._count_received(len(data)):
                        return
                    key.data.sendall(data)
                    if source is client:
                        self.sent += len(data)

    def _count_received(self, count: int) -> bool:
        """False: the connections are cut now."""
        self.received += count
        if self._cut_at is not None and self.received >= self._cut_at:
            self._cut_at = None
            self.cut()
            return False
        return True
