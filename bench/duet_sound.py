"""Does the sound of a duet hold up those who play? A session with a page's server and N listeners.

python bench/duet_sound.py --minutes 1 --listeners 0 1 20 --busy 2
"""

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from duet_times import BPM, busy, play, row, session

from config_bach import Paths
from duet.browser import BrowserPort
from duet.ports import Inbox
from gui.duet import serve
from stream.app import station_link
from stream.settings import Server

SECOND = 44_100 * 4  # bytes of WAV


def listen(url: str, count: int, slacks: Any) -> None:
    """So many listeners, each in a thread; the fewest seconds that each had in hand."""

    def one() -> None:
        answer = urllib.request.urlopen(url, timeout=20)
        begun, heard, least = 0.0, 0, 1e9
        try:
            while data := answer.read1(65536):
                begun = begun or time.monotonic()
                heard += len(data)
                if heard > SECOND:  # after what comes at once
                    least = min(least, (heard - len(data)) / SECOND - (time.monotonic() - begun))
        except OSError:
            pass
        slacks.put(least)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(minutes: float, count: int, others: int) -> None:
    """A session with so many listeners and busy processes."""
    beats = round(minutes * BPM)
    with tempfile.TemporaryDirectory() as folder:
        settings = Server(password="x" * 12, remi_port=8890, flask_port=8891, mp3_kbps=128)
        server = serve(settings, Paths(Path(folder)), BrowserPort(Inbox()))
        context, friends = server.context, server.context.friends
        assert friends is not None
        conductor, _ = session("answer", ["bach5"], beats, [context.sound])
        context.begin(conductor, {})
        server.start()
        link = station_link(context, "listen", station=friends.station.name)
        slacks: Any = multiprocessing.Queue()
        url = f"http://127.0.0.1:8891{link}/bach.wav"
        listeners = multiprocessing.Process(target=listen, args=(url, count, slacks))
        before = time.process_time()
        with busy(others):
            listeners.start()
            figures = play(conductor, beats)
        spent = (time.process_time() - before) / (minutes * 60)
        server.end()
        least = min((slacks.get(timeout=5) for _ in range(count)), default=0.0)
        listeners.join(5)
    late, comp = figures["late_ms"], figures["computing_ms"]
    row(
        count,
        figures["messages"],
        f"{late['median']:.2f} / {late['p99']:.2f} / {late['max']:.2f}",
        figures["missed"],
        f"{comp['p99']:.1f}",
        f"{100 * spent:.1f} %",
        f"{least:.2f}" if count else "-",
        friends.station.underruns,
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--listeners", type=int, nargs="+", default=[0, 1, 20])
    parser.add_argument("--busy", type=int, default=2)
    args = parser.parse_args()
    row(
        *("listeners", "messages", "late ms median / p99 / max", "later than 5 ms"),
        *("computing ms p99", "processor", "least slack s", "underruns"),
    )
    row(*["---"] * 8)
    for count in args.listeners:
        measure(args.minutes, count, args.busy)


if __name__ == "__main__":
    main()
