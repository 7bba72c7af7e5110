"""A threaded HTTP/1.1 server that keeps what it received byte for byte, and can misbehave on purpose."""
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

from .wait import free_port


@dataclass
class Received:
    method: str
    target: str
    headers: list
    body: bytes
    raw_head: bytes
    at: float

    def header(self, name):
        found = self.all(name)
        return found[0] if found else None

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def names(self):
        return [k.lower() for k, _ in self.headers]

    @property
    def path(self):
        return self.target.partition("?")[0]


@dataclass
class Answer:
    """`body` may be a list: its strings are sent one by one, its numbers are pauses in seconds,
    its events (threading.Event) are waited for."""
    status: int = 200
    headers: list = field(default_factory=list)
    body: object = b""
    raw: bytes | None = None


HANG = object()


class _Gone(Exception):
    pass


class Server:
    """Subclasses or callers set `handler(received) -> Answer | HANG`."""

    def __init__(self, handler=None, tls=None):
        self.port = free_port()
        self.handler = handler
        self.tls = tls
        self.requests: list[Received] = []
        self._connections: set = set()
        self._lock = threading.Lock()
        self._socket = None
        self._stop = threading.Event()

    @property
    def origin(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        self._stop = threading.Event()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self._socket = listener
        threading.Thread(target=self._accept, args=(listener, self._stop), daemon=True).start()
        return self

    def stop(self):
        """Stops listening and cuts every connection, as a dead process would."""
        self._stop.set()
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
        with self._lock:
            connections, self._connections = self._connections, set()
        for sock in connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def clear(self):
        with self._lock:
            self.requests = []

    def count(self, path=None):
        with self._lock:
            return sum(1 for r in self.requests if path is None or r.path == path)

    @property
    def last(self) -> Received:
        with self._lock:
            assert self.requests, "the server received nothing"
            return self.requests[-1]

    def _accept(self, listener, stop):
        while not stop.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(sock)
            threading.Thread(target=self._serve, args=(sock, stop), daemon=True).start()

    def _serve(self, plain, stop):
        sock = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.tls / "leaf/cert.pem", self.tls / "leaf/key.pem")
                sock = context.wrap_socket(plain, server_side=True)
            buffer = b""
            while not stop.is_set():
                received, buffer = self._read(sock, buffer)
                with self._lock:
                    self.requests.append(received)
                answer = self.handler(received)
                if answer is HANG:
                    self._wait_for_end(sock, stop)
                    return
                if not self._send(sock, received, answer, stop):
                    return
        except (OSError, _Gone):
            pass
        finally:
            with self._lock:
                self._connections.discard(plain)
            sock.close()

    def _wait_for_end(self, sock, stop):
        sock.settimeout(0.1)
        while not stop.is_set():
            try:
                if not sock.recv(4096):
                    return
            except TimeoutError:
                continue

    @staticmethod
    def _fill(sock, buffer):
        piece = sock.recv(65536)
        if not piece:
            raise _Gone
        return buffer + piece

    def _read(self, sock, buffer):
        while b"\r\n\r\n" not in buffer:
            buffer = self._fill(sock, buffer)
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        method, target, _ = lines[0].decode("latin-1").split(" ", 2)
        headers = []
        for line in lines[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip(" \t")))
        length, chunked = 0, False
        for name, value in headers:
            if name.lower() == "content-length":
                length = int(value)
            chunked |= name.lower() == "transfer-encoding" and "chunked" in value.lower()
        body = b""
        if chunked:
            while True:
                while b"\r\n" not in buffer:
                    buffer = self._fill(sock, buffer)
                size, _, buffer = buffer.partition(b"\r\n")
                need = int(size.split(b";")[0], 16)
                while len(buffer) < need + 2:
                    buffer = self._fill(sock, buffer)
                body, buffer = body + buffer[:need], buffer[need + 2:]
                if need == 0:
                    break
        else:
            while len(buffer) < length:
                buffer = self._fill(sock, buffer)
            body, buffer = buffer[:length], buffer[length:]
        return Received(method, target, headers, body, head, time.time()), buffer

    def _send(self, sock, received, answer, stop):
        """Returns whether the connection lives on."""
        if answer.raw is not None:
            sock.sendall(answer.raw)
            return False
        names = {k.lower() for k, _ in answer.headers}
        lines = [f"HTTP/1.1 {answer.status} Status"]
        streamed = isinstance(answer.body, list)
        if streamed:
            lines.append("Transfer-Encoding: chunked")
        elif "content-length" not in names and answer.status not in (204, 304):
            lines.append(f"Content-Length: {len(answer.body)}")
        lines += [f"{k}: {v}" for k, v in answer.headers]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if received.method == "HEAD" or answer.status in (204, 304):
            return True
        if not streamed:
            sock.sendall(answer.body)
            return True
        for piece in answer.body:
            if isinstance(piece, (int, float)):
                stop.wait(piece)
            elif isinstance(piece, threading.Event):
                piece.wait(30)
            else:
                data = piece.encode() if isinstance(piece, str) else piece
                sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            if stop.is_set():
                return False
        sock.sendall(b"0\r\n\r\n")
        return True
