"""An HTTP proxy that makes tunnels (CONNECT, RFC 9110 section 9.3.6) to one place, whatever it is asked for."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading


class _Tunnel(socketserver.StreamRequestHandler):
    server: TunnelProxy

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode("latin-1").strip())
        while self.rfile.readline().strip():
            pass
        with self.server.dial() as further, contextlib.suppress(OSError):  # either side may leave without a word
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=_pump, args=(further, self.connection), daemon=True).start()
            _pump(self.connection, further)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # as above
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):  # as above
        target.shutdown(socket.SHUT_RDWR)


class TunnelProxy(socketserver.ThreadingTCPServer):
    """``asked``: the first line of each connection."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self._port = port
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port))

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()
