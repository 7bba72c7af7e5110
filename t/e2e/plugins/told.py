"""A server of our own that says who the master is: for what a real one never says."""
import socket
import threading


class Told:
    """Answers each `question` in what comes with `answer()`, says nothing (`silent`), or isn't there (`stop`)."""

    question = b""

    def __init__(self, port):
        self.names, self.silent = port, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._open, self._connections = True, []

    def answer(self):
        raise NotImplementedError

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        self._open = False
        self.listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while self._open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while data := connection.recv(65536):
                for _ in range(data.upper().count(self.question)):
                    if not self.silent:
                        connection.sendall(self.answer())
        except OSError:
            pass
        connection.close()
