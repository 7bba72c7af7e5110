"""A client that sends exactly the bytes it is told to, also those no library would send."""
import http.client
import json
import socket
import ssl
from dataclasses import dataclass, field


@dataclass
class Response:
    status: int
    headers: list
    body: bytes = b""
    site: object = field(default=None, repr=False)

    def header(self, name):
        found = self.all(name)
        return found[0] if found else None

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    @property
    def request_id(self):
        return self.header("X-Request-Id")

    @property
    def challenge(self):
        """The parameters of WWW-Authenticate: Bearer, as a dict."""
        value = self.header("WWW-Authenticate")
        assert value and value.startswith("Bearer "), f"no Bearer challenge: {value!r}"
        params = {}
        rest = value[len("Bearer "):]
        while rest:
            key, _, rest = rest.partition('="')
            text, _, rest = rest.partition('"')
            params[key.strip(" ,")] = text
        return params

    def event(self, timeout=5.0):
        """The audit event of this call."""
        assert self.site is not None and self.request_id, f"no request id on {self.status}: {self.headers}"
        return self.site.nginx.event(self.request_id, timeout)


def _bytes(value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def encode(method, target, headers=(), body=b"", chunked=False, host="127.0.0.1"):
    """The request's bytes. A header given as (name, None) suppresses the one that would be added."""
    given = {k.lower() if isinstance(k, str) else k.decode("latin-1").lower() for k, _ in headers}
    lines = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1"]
    if "host" not in given:
        lines.append(b"Host: " + _bytes(host))
    if "connection" not in given:
        lines.append(b"Connection: close")
    body = _bytes(body)
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
        size = max(1, len(body) // 3)
        parts = [body[i:i + size] for i in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    elif "content-length" not in given and (body or method in ("POST", "PUT", "PATCH")):
        lines.append(b"Content-Length: %d" % len(body))
    lines += [_bytes(k) + b": " + _bytes(v) for k, v in headers if v is not None]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def connect(port, timeout=15.0, tls=None):
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        # A context brings the client's own certificate.
        context = tls if isinstance(tls, ssl.SSLContext) else ssl.create_default_context(cafile=str(tls))
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    return sock


class Exchange:
    """One request in flight: its answer can be read in pieces, or never."""

    def __init__(self, sock, method):
        self.sock, self._method, self._answer = sock, method, None

    def head(self):
        if self._answer is None:
            self._answer = http.client.HTTPResponse(self.sock, method=self._method)
            self._answer.begin()
        return Response(self._answer.status, self._answer.getheaders())

    def read_some(self) -> bytes:
        self.head()
        return self._answer.read1(65536)

    def read_until(self, mark: bytes) -> bytes:
        seen = b""
        while mark not in seen:
            piece = self.read_some()
            assert piece, f"the stream ended before {mark!r}: {seen!r}"
            seen += piece
        return seen

    def finish(self) -> Response:
        answer = self.head()
        answer.body = self._answer.read()
        self.close()
        return answer

    def close(self):
        if self._answer is not None:
            self._answer.close()
        self.sock.close()

    def reset(self):
        """Goes away without a farewell: the peer sees RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close()


def begin(port, method, target, headers=(), body=b"", chunked=False, timeout=15.0, tls=None) -> Exchange:
    sock = connect(port, timeout, tls)
    sock.sendall(encode(method, target, list(headers), body, chunked))
    return Exchange(sock, method)


def request(port, method, target, headers=(), body=b"", chunked=False, timeout=15.0, tls=None) -> Response:
    return begin(port, method, target, headers, body, chunked, timeout, tls).finish()
