"""Which WSGI server for responses that never end? One sender, many listeners, each server in turn.

    python bench/wsgi.py [listeners] [seconds]

Prints for each server: how many listeners got all their sound in time, the longest wait between two
pieces of it, the CPU seconds a second of the server, its memory and threads. Loopback only. gevent,
gunicorn and waitress are not requirements of Play Bach: what is not installed is left out.
"""

import importlib.util
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

CHUNK = bytes(16_384)  # as many frames as a station sends at a time
PERIOD = 4096 / 44_100  # seconds
SERVERS = ("waitress", "cheroot", "gevent", "gunicorn")


def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """An endless response, fed by one thread for all, as a station does it."""
    import queue
    import threading

    box: Any = queue.SimpleQueue()
    BOXES.append(box)
    if len(BOXES) == 1:
        threading.Thread(target=feed, daemon=True).start()
    start_response("200 OK", [("Content-Type", "audio/wav")])
    while True:
        yield box.get()


BOXES: list[Any] = []


def feed() -> None:
    """Send a chunk to every listener, in real time."""
    due = time.monotonic()
    while True:
        for box in list(BOXES):
            box.put(CHUNK)
        due += PERIOD
        time.sleep(max(0.0, due - time.monotonic()))


def serve(kind: str, port: int, listeners: int) -> None:
    """Run one of the servers, for ever."""
    threads = listeners + 8
    if kind == "waitress":
        import waitress

        waitress.serve(app, host="127.0.0.1", port=port, threads=threads, connection_limit=threads,
                       send_bytes=1, asyncore_use_poll=True, _quiet=True)  # fmt: skip
    elif kind == "cheroot":
        from cheroot.wsgi import Server

        Server(("127.0.0.1", port), app, numthreads=threads, request_queue_size=threads).start()
    elif kind == "gevent":
        from gevent import monkey

        monkey.patch_all()
        from gevent.pywsgi import WSGIServer

        WSGIServer(("127.0.0.1", port), app, log=None, backlog=threads).serve_forever()
    else:
        from gunicorn.app.base import BaseApplication

        class Gunicorn(BaseApplication):
            def load_config(self) -> None:
                """The settings that hold this many long responses."""
                for key, value in {"bind": f"127.0.0.1:{port}", "worker_class": "gthread",
                                   "threads": threads, "worker_connections": threads,
                                   "backlog": threads, "loglevel": "error"}.items():  # fmt: skip
                    self.cfg.set(key, value)

            def load(self) -> Any:
                """The WSGI app."""
                return app

        Gunicorn().run()


def listen(port: int, listeners: int, seconds: float) -> tuple[int, float]:
    """Read as many responses at once; returns how many were in time, and the longest wait (s)."""
    reader = selectors.DefaultSelector()
    last: dict[socket.socket, float] = {}
    waits: dict[socket.socket, float] = {}
    for _ in range(listeners):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        s.setblocking(False)
        reader.register(s, selectors.EVENT_READ)
    settled, end = time.monotonic() + 3, time.monotonic() + 3 + seconds
    while (now := time.monotonic()) < end:
        for key, _ in reader.select(0.2):
            s = key.fileobj  # type: ignore[assignment]
            if not s.recv(1 << 18):
                reader.unregister(s)
            elif now > settled:
                waits[s] = max(waits.get(s, 0.0), now - last.get(s, now))
                last[s] = now
    good = [w for s, w in waits.items() if w < 1.0 and last[s] > end - 1.0]
    return len(good), max(waits.values(), default=float("inf"))


def usage(pid: int) -> tuple[float, int, int]:
    """CPU seconds, resident MB and threads of a process and its children."""
    import psutil

    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    cpu = sum(sum(p.cpu_times()[:2]) for p in family)
    return cpu, sum(p.memory_info().rss for p in family) >> 20, sum(p.num_threads() for p in family)


def main() -> None:
    """Measure every server that is installed."""
    listeners = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 15
    print(f"{listeners} listeners of one endless response, {seconds:g} s, WAV (176 kB/s each)")
    for i, kind in enumerate(k for k in SERVERS if importlib.util.find_spec(k)):
        port = 18_800 + i
        child = subprocess.Popen(
            [sys.executable, __file__, "--serve", kind, str(port), str(listeners)]
        )
        try:
            wait_for(port)
            good, longest = listen(port, listeners, seconds)
            cpu, memory, threads = usage(child.pid)
        finally:
            child.terminate()
            child.wait()
        print(
            f"{kind:<9} {good:4} in time, longest wait {longest:6.3f} s, "
            f"CPU {cpu / (seconds + 3):5.2f} cores, {memory:4} MB, {threads:4} threads",
            flush=True,
        )


def wait_for(port: int) -> None:
    """Until the server answers; 10 s at most."""
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    return None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
