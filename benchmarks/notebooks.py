"""What does a notebook take: minutes, disk and memory? Prints one JSON line a notebook and one for all of them.

    python benchmarks/notebooks.py [--alone] [--set NAME=VALUE …] [NOTEBOOK …]

Each runs in an empty folder with its own values: all in one folder, one after the other, or with --alone each in a
folder of its own, where it has to make what the earlier ones would have left. Memory is the largest sum over the
kernel and its processes, looked at twice a second; disk is what lies in the folder at the end.
"""

import argparse
import json
import os
import pathlib
import tempfile
import threading
import time

import psutil

from helpers import notebooks, runtime


class PeakMemory(threading.Thread):
    """Measures the largest memory that this process' descendants held together, in bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self._end = 0, threading.Event()

    def run(self):
        while not self._end.wait(0.5):
            self.peak = max(self.peak, sum(map(_resident, psutil.Process().children(recursive=True))))

    def stop(self):
        self._end.set()
        self.join()
        return self.peak


def _resident(process):
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def measure(path, settings, folder):
    """Runs one notebook in `folder`: dict of its seconds, memory and disk."""
    before, memory, start = _size(folder), PeakMemory(), time.perf_counter()
    memory.start()
    notebooks.run(path, settings, cwd=folder, tell=lambda line: None)
    seconds, peak = time.perf_counter() - start, memory.stop()
    disk = (_size(folder) - before) / 1e6
    return {"notebook": path.stem, "seconds": round(seconds), "memory_mb": round(peak / 1e6), "disk_mb": round(disk)}


def _size(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alone", action="store_true", help="each in a folder of its own")
    parser.add_argument("--set", type=notebooks.setting, action="append", default=[], dest="settings")
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    paths = options.notebooks or sorted((runtime.PROJECT / "notebooks").glob("*.ipynb"))
    about = {"backend": runtime.choose_backend(), "cores": len(os.sched_getaffinity(0)), "alone": options.alone}
    total = 0
    with tempfile.TemporaryDirectory() as shared:
        for path in paths:
            with tempfile.TemporaryDirectory() as own:
                row = measure(path.resolve(), dict(options.settings), own if options.alone else shared)
            total += row["seconds"]
            print(json.dumps(row | about), flush=True)
    print(json.dumps({"seconds": total, **about}))


if __name__ == "__main__":
    main()
