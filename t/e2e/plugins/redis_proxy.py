"""A line to Redis that can be cut, held and slowed down, for all connections or for those that hear of writes only."""
import random
import socket
import threading
import time


class Proxy:
    """`held`: nothing passes any more, and nobody is told (half-open). `mute`: what Redis says is held, piece by piece
    until let_pass(). `delay`: seconds that Redis' messages take more."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.held = self.delay = 0
        self.mute, self.waiting, self._permits = False, 0, threading.Semaphore(0)
        self._pairs, self._lock, self._open = [], threading.Lock(), True

    @property
    def store(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        self._open = False
        self.listener.close()
        self.cut(everything=True)

    def cut(self, everything=False):
        """Resets what hears of writes, or all."""
        with self._lock:
            pairs = [p for p in self._pairs if everything or p["hears"]]
        for pair in pairs:
            for sock in pair["sockets"]:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _wait_for_permit(self):
        self.waiting += 1
        while self.mute and self._open and not self._permits.acquire(timeout=0.005):
            pass
        self.waiting -= 1

    def let_pass(self):
        """One piece of what is held."""
        self._permits.release()

    def hearing(self):
        with self._lock:
            return sum(1 for p in self._pairs if p["hears"])

    def _accept(self):
        while self._open:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                continue
            pair = {"sockets": (client, server), "hears": False}
            with self._lock:
                self._pairs.append(pair)
            for source, sink, from_redis in ((client, server, False), (server, client, True)):
                sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(pair, source, sink, from_redis), daemon=True).start()

    def _pass(self, pair, source, sink, from_redis):
        try:
            while data := source.recv(65536):
                if not from_redis and b"TRACKING" in data:
                    pair["hears"] = True
                while self.held and pair["hears"] and self._open:
                    time.sleep(0.005)
                if from_redis and self.mute and pair["hears"]:
                    self._wait_for_permit()
                if self.delay and pair["hears"]:
                    time.sleep(random.uniform(0, self.delay))
                sink.sendall(data)
        except OSError:
            pass
        with self._lock:
            if pair in self._pairs:
                self._pairs.remove(pair)
        for sock in pair["sockets"]:
            sock.close()
