"""An HTTP server whose answers are chosen by the path, right ones and wrong ones."""
import socket
import ssl
import threading
import time


class Faulty:
    def __init__(self, certs=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.tls = None
        if certs:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certs / "leaf/cert.pem", certs / "leaf/key.pem")
        self.connections = 0
        self.open = 0
        self.requests = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path, host="127.0.0.1"):
        return f"http{'s' if self.tls else ''}://{host}:{self.port}{path}"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        self.open += 1
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rb")
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = stream.readline(65536)
                    if not line:
                        return
                    head += line
                length = next((int(l.split(b":")[1]) for l in head.split(b"\r\n")
                               if l.lower().startswith(b"content-length:")), 0)
                body = stream.read(length)
                self.requests.append((head, body))
                path = head.split()[1].decode()
                if path.startswith("http://"):      # asked as a proxy
                    path = "/" + path.split("/", 3)[3]
                if not self._answer(connection, path, head, body, number):
                    return
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            self.open -= 1
            connection.close()

    def _answer(self, connection, path, head, body, number):
        def send(status, content, *headers):
            fields = "".join(f"{h}\r\n" for h in headers)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{fields}\r\n".encode() + content)
            return True

        if path == "/ok":
            return send("200 OK", b"fine", "X-One: 1", "X-EMPTY:", f"X-Connection: {number}")
        if path == "/echo":
            return send("200 OK", head + body)
        if path == "/redirect":
            return send("302 Found", b"", "Location: /ok")
        if path == "/hang":
            connection.recv(1)
            return False
        if path == "/slow":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
            for _ in range(50):
                time.sleep(0.05)
                connection.sendall(b"x")
            return True
        if path == "/late":
            time.sleep(1)
            return send("200 OK", b"late")
        if path == "/garbage":
            connection.sendall(b"\x00\x01 this is not HTTP\r\n\r\n")
            return False
        if path.startswith("/big"):
            return send("200 OK", b"b" * 200_000)
        if path == "/chunks":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(100):
                connection.sendall(b"7d0\r\n" + b"c" * 2000 + b"\r\n")
            connection.sendall(b"0\r\nX-Trailer: no\r\n\r\n")
            return True
        if path == "/chunk":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               b"2\r\nhi\r\n0\r\nX-Trailer: no\r\n\r\n")
            return True
        if path == "/interim":
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n")
            return send("200 OK", b"fine")
        if path == "/half":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return False
        if path == "/headers":
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"h" * 1000) for i in range(200)))
            return send("200 OK", b"never")
        if path == "/bad-header":
            return send("200 OK", b"", "No Colon Here")
        if path == "/empty":
            return False
        if path == "/once":     # closes after the answer without saying so
            send("200 OK", b"once")
            return False
        return send("404 Not Found", b"")

    def close(self):
        self.listener.close()
