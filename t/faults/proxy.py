"""The proxy that stands before a dependency and makes it fail, at the level of its protocol."""
import os
import re
import select
import socket
import ssl
import struct
import threading
import time

from plugins.wait import free_port

ENDLESS_PIECE = b"x" * 16384
# An endless answer is not sent faster than this, so that the machine has something left for the others.
ENDLESS_PAUSE = 0.002


class Protocol:
    """Cuts what a client sends into requests, and says what a wrong or an endless answer to one looks like."""

    def take(self, buffer):
        """(request or None, the rest of the buffer)"""
        raise NotImplementedError


class Http(Protocol):
    def __init__(self, wrong, endless_type="application/json"):
        self._wrong, self._type = wrong, endless_type

    def take(self, buffer):
        head, mark, rest = buffer.partition(b"\r\n\r\n")
        if not mark:
            return None, buffer
        found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        length = int(found[1]) if found else 0
        if len(rest) < length:
            return None, buffer
        return head + mark + rest[:length], rest[length:]

    def wrong(self, request, count):
        """Well-formed HTTP that isn't what was asked for: each time another of the wrong bodies."""
        body = self._wrong[count % len(self._wrong)]
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def endless(self, request):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % self._type.encode()
        yield b'10\r\n{"keys":[],"x":"\r\n'
        while True:
            yield b"%x\r\n%s\r\n" % (len(ENDLESS_PIECE), ENDLESS_PIECE)

    def cut(self, piece, count):
        """(what is still sent, whether that was all): cut in the head, or, each second time, in the body."""
        whole_head = count % 2 == 1 and piece.endswith(b"\r\n\r\n")
        return (piece, False) if whole_head else (piece[:len(piece) // 2], True)

    def skew(self, answer, seconds):
        """The same answer from a machine whose clock is wrong: its Date, Expires and Age."""
        if not answer.startswith(b"HTTP/1.1 "):
            return answer
        first, _, rest = answer.partition(b"\r\n")
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds)).encode()
        return first + b"\r\nDate: " + date + b"\r\nExpires: " + date + b"\r\nAge: 86400\r\n" + rest


class Resp(Protocol):
    WRONG = (b"+OK\r\n", b":1\r\n", b"-ERR unknown command\r\n", b"$5\r\nhello\r\n", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
             b"*-1\r\n", b"hello\r\n", b"$5\r\nab", b"\x00\xff\xfe\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*0\r\n")

    def take(self, buffer):
        """All whole commands that have come: a pipeline is one request."""
        end = 0
        while (following := self._command(buffer, end)) is not None:
            end = following
        return (buffer[:end], buffer[end:]) if end else (None, buffer)

    @staticmethod
    def _command(buffer, start):
        """Where the command that begins at `start` ends; None if it hasn't come yet."""
        line = buffer.find(b"\r\n", start)
        if line < 0:
            return None
        count, at = int(buffer[start + 1:line]), line + 2
        for _ in range(count):
            line = buffer.find(b"\r\n", at)
            if line < 0:
                return None
            at = line + 2 + int(buffer[at + 1:line]) + 2
            if at > len(buffer):
                return None
        return at

    def _count(self, request):
        count, at = 0, 0
        while at is not None and at < len(request):
            at, count = self._command(request, at), count + 1
        return count

    def wrong(self, request, count):
        return self.WRONG[count % len(self.WRONG)] * self._count(request)

    def endless(self, request):
        yield b"$2147483647\r\n"
        while True:
            yield ENDLESS_PIECE

    def cut(self, piece, count):
        """Inside the first reply: what comes in one piece may be the answers of several calls."""
        return piece[:min(len(piece) // 2, 20)], True

    def skew(self, answer, seconds):
        return answer


class Proxy:
    """`fault`: None, or one of refused, reset, hung, drip, wrong, endless, garbage, expired, foreign, skewed. With
    `path` it concerns only what is asked there, and what lies beside it on the same server goes on.
    While the gate is shut, requests wait in the proxy: so a fault can meet a call that is waiting."""

    def __init__(self, upstream_port, protocol, certificates=None, upstream_tls=None, path=None):
        self.port = free_port()
        self.upstream_port, self.protocol, self.certificates = upstream_port, protocol, certificates
        self.upstream_tls = upstream_tls   # the certificates whose authority vouches for what lies behind
        self.path = path
        self.fault = None
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0
        self.answered = 0
        self._lock = threading.Lock()
        self._connections = set()
        self._listener = None
        self.stopped = False

    def start(self):
        self.stopped = False
        self._listen()
        return self

    def stop(self):
        self.stopped = True
        self.gate.set()
        self._deaf()
        self._cut()

    def shut(self):
        self.waiting = 0
        self.gate.clear()

    def set(self, fault):
        """The fault begins; whoever waits at the gate meets it."""
        self.fault = fault
        if fault == "refused" and self.path is None:
            self._deaf()
        if fault in ("refused", "expired", "foreign"):
            self._cut()
        self.gate.set()

    def concerns(self, request):
        return self.path is None or request.split(b" ", 2)[1].startswith(self.path)

    def clear(self):
        """The fault is over. What was held back is sent now, late, as a process does that was stopped."""
        was, self.fault = self.fault, None
        if self._listener is None:
            self._listen()
        if was in ("endless", "garbage", "drip"):
            self._cut()

    # --- connections -------------------------------------------------------------------------------------------

    def _listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _deaf(self):
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _cut(self):
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            connection.end()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            connection = _Connection(self, sock)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def forget(self, connection):
        with self._lock:
            self._connections.discard(connection)


class _Connection:
    """One thread moves the bytes of both directions: an SSL object is not for two."""

    def __init__(self, proxy, sock):
        self.proxy, self.client, self.upstream = proxy, sock, None
        self._handle = sock.dup()   # to end it from outside, whatever its thread is doing
        self._concerned = proxy.path is None
        self._buffer = b""

    def end(self):
        try:
            self._handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._handle.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def run(self):
        try:
            self._open()
            while True:
                pending = [s for s in (self.client, self.upstream) if isinstance(s, ssl.SSLSocket) and s.pending()]
                for sock in pending or select.select([self.client, self.upstream], [], [])[0]:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    (self._asked if sock is self.client else self._answer)(piece)
        except (OSError, ValueError):
            pass
        finally:
            self.proxy.forget(self)
            for sock in (self.client, self.upstream, self._handle):
                if sock is not None:
                    sock.close()

    def _open(self):
        proxy = self.proxy
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy.certificates is not None:
            kind = proxy.fault if proxy.fault in ("expired", "foreign") else "leaf"
            self.client = proxy.certificates.server(kind).wrap_socket(self.client, server_side=True)
        self.upstream = socket.create_connection(("127.0.0.1", proxy.upstream_port))
        self.upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy.upstream_tls is not None:
            self.upstream = proxy.upstream_tls.client().wrap_socket(self.upstream, server_hostname="localhost")

    def _asked(self, piece):
        proxy = self.proxy
        self._buffer += piece
        while True:
            request, self._buffer = proxy.protocol.take(self._buffer)
            if request is None:
                return
            self._concerned = proxy.concerns(request)
            if self._concerned:
                if not proxy.gate.is_set():
                    proxy.waiting += 1
                    proxy.gate.wait(60)
                proxy.answered += 1
                if proxy.fault == "refused":
                    self.end()
                    raise OSError
                if proxy.fault == "wrong":
                    self.client.sendall(proxy.protocol.wrong(request, proxy.answered))
                    continue
                if proxy.fault == "endless":
                    for endless in proxy.protocol.endless(request):
                        self._go_on(endless)
            self.upstream.sendall(request)

    def _answer(self, piece):
        proxy, fault = self.proxy, self.proxy.fault if self._concerned else None
        if fault == "reset":
            begun, over = proxy.protocol.cut(piece, proxy.answered)
            self.client.sendall(begun)
            if not over:
                return
            self.end()
            raise OSError
        if fault == "garbage":   # below TLS: a record that isn't one
            os.write(self._handle.fileno(), b"\x17\x03\x03\x40\x00" + os.urandom(600))
            raise OSError
        if fault == "hung":
            while proxy.fault == "hung" and not proxy.stopped:
                time.sleep(0.02)
        elif fault == "drip":
            while piece and proxy.fault == "drip" and not proxy.stopped:
                self.client.sendall(piece[:1])
                piece = piece[1:]
                end = time.monotonic() + 1
                while time.monotonic() < end and proxy.fault == "drip" and not proxy.stopped:
                    time.sleep(0.02)
        elif fault == "wrong":   # a stream that is open when its server loses its mind
            piece = bytes(reversed(piece))
        elif fault == "endless":
            self.client.sendall(piece)
            while True:
                self._go_on(ENDLESS_PIECE)
        elif fault == "skewed":
            piece = proxy.protocol.skew(piece, 86400)
        self.client.sendall(piece)

    def _go_on(self, piece):
        """A piece of what never ends, until the fault does."""
        if self.proxy.fault != "endless" or self.proxy.stopped:
            raise OSError
        self.client.sendall(piece)
        time.sleep(ENDLESS_PAUSE)


class Certificates:
    """An authority's good and expired leaf for the names of the tests, and a stranger's."""

    NAMES = ("localhost", "issuer.faults.test")

    def __init__(self, folder):
        self.folder = folder
        from certificates import make
        make(folder, self.NAMES)

    @property
    def ca(self):
        return self.folder / "ca/cert.pem"

    def client(self):
        return ssl.create_default_context(cafile=str(self.ca))

    def server(self, kind):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / kind / "cert.pem", self.folder / kind / "key.pem")
        return context
