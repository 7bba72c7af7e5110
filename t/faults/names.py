"""A small name server over UDP, and what it can do wrong."""
import socket
import struct
import threading
import time

from plugins.wait import free_port


class Names:
    """Answers every A question with `address`. `fault`: refused, reset (a truncated answer), hung, drip (late),
    wrong, endless (a chain of aliases), skewed, emptied, older (an address that held once)."""

    def __init__(self, address="127.0.0.1", ttl=1):
        self.port = free_port()
        self.address, self.ttl = address, ttl
        self.fault = None
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0
        self.answered = 0
        self._socket = None

    def start(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()
        return self

    def stop(self):
        self.gate.set()
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def shut(self):
        self.waiting = 0
        self.gate.clear()

    def set(self, fault):
        self.fault = fault
        if fault == "refused":
            self.stop()
        self.gate.set()

    def clear(self):
        self.fault = None
        if self._socket is None:
            self.start()

    def _serve(self, sock):
        sock.settimeout(0.2)
        while self._socket is sock:
            try:
                question, peer = sock.recvfrom(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._answer, args=(sock, question, peer), daemon=True).start()

    def _answer(self, sock, question, peer):
        if not self.gate.is_set():
            self.waiting += 1
            self.gate.wait(60)
        self.answered += 1
        fault = self.fault
        if fault in ("hung", "refused"):
            return
        if fault == "drip":
            # Later than anybody waits: nginx takes a late answer for the next who asks, and it is a true one.
            time.sleep(30)
        try:
            for packet in self._packets(question, fault):
                sock.sendto(packet, peer)
        except OSError:
            return

    def _packets(self, question, fault):
        end = question.index(b"\0", 12) + 5
        name = question[12:end]

        def packet(records, flags=0x8180, code=0, identifier=question[:2]):
            return identifier + struct.pack(">HHHHH", flags | code, 1, len(records), 0, 0) + name + b"".join(records)

        def record(kind, data, owner=b"\xc0\x0c", ttl=self.ttl):
            return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data

        if name[-4:-2] != b"\0\1":   # only addresses of version 4 exist here
            return [packet([])]
        address = socket.inet_aton(self.address)
        if fault == "reset":
            return [packet([record(1, address)], flags=0x8380)[:-7]]
        if fault == "wrong":
            other = bytes([question[0] ^ 0xFF, question[1]])
            return [packet([record(1, address)], identifier=other), b"\0\xff garbage", question[:2] + b"\x81",
                    packet([record(1, b"\x7f")]), packet([record(16, b"\3txt")])]
        if fault == "endless":
            return [packet([record(5, b"\xc0\x0c")] * 40)]
        if fault == "skewed":
            return [packet([record(1, address, ttl=0xFFFFFFFF)])]
        if fault == "emptied":
            return [packet([], code=3)]
        if fault == "older":
            return [packet([record(1, socket.inet_aton("127.0.0.2"))])]
        return [packet([record(1, address)])]
