"""An audit log that is a pipe: who reads it can stop, or read a byte a second, as a disk can that hangs."""
import os
import threading
import time


class Pipe:
    def __init__(self, path, copy):
        self.path, self.copy = path, copy
        self.fault = None
        self._stopped = False
        os.mkfifo(path, 0o600)
        # Both ends are open here, so that nobody has to wait for the other.
        self._end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        copy.touch()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        with self.copy.open("ab", buffering=0) as copy:
            while not self._stopped:
                fault = self.fault
                try:
                    piece = b"" if fault == "hung" else os.read(self._end, 1 if fault == "drip" else 65536)
                except BlockingIOError:
                    piece = b""
                copy.write(piece)
                end = time.monotonic() + (1.0 if fault == "drip" else 0.0 if piece else 0.02)
                while time.monotonic() < end and self.fault == fault and not self._stopped:
                    time.sleep(0.01)

    def stop(self):
        """After the last writer has gone: what is still in the pipe is read first."""
        time.sleep(0.2)
        self._stopped = True
        self._thread.join(5)
        os.close(self._end)
