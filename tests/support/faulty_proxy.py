"""A TCP proxy that can do what middleboxes do: forget connections without telling either end, reset them, and refuse new ones."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from typing import Final

RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class ForgetfulProxy:
    """In front of ``upstream`` (host:port); ``address`` is where it listens. Runs on threads of this process."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host.strip("[]"), int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._forgotten: set[socket.socket] = set()
        self.accepted = self._refused = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> int:
        """Whatever is sent on the connections that there are now is swallowed, and neither end hears of it. Returns how many."""
        for pair in self._pairs:
            self._forgotten.update(pair)
        return len(self._pairs)

    def reset(self) -> int:
        """The connections that there are. Returns how many."""
        pairs, self._pairs = self._pairs, []
        for client, _ in pairs:
            with contextlib.suppress(OSError):  # closed by then
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.shutdown(socket.SHUT_RD)  # its pump ends, and closes it
        return len(pairs)

    def refuse(self, times: int) -> None:
        """The next connections are reset as soon as something is sent on them."""
        self._refused = times

    def close(self) -> None:
        self._listener.close()
        for pair in self._pairs:
            for each in pair:
                with contextlib.suppress(OSError):  # closed by then
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.accepted += 1
            if self._refused:
                self._refused -= 1
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                with client, contextlib.suppress(OSError):  # a client that went away
                    client.recv(1)
                continue
            pair = client, socket.create_connection(self._upstream)
            self._pairs.append(pair)
            threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with client, server, contextlib.suppress(OSError):  # an end went away
            while True:
                for source in select.select(list(other), [], [])[0]:
                    data = source.recv(65536)
                    if client in self._forgotten:
                        if not data:
                            return
                    elif not data:
                        return
                    else:
                        other[source].sendall(data)
