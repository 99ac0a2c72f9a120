"""The parts of a file that are here already, on disk, and true after a kill at any point."""

import bisect
import json
import os
import pathlib
import shutil

import filelock


class PartialFile:
    """A folder of pieces of one file. Each is named by its first byte's place and grows as bytes come, so that the
    files' sizes are all the book-keeping there is.

    Args:
        folder: made if absent; one process at a time.

    Raises:
        filelock.Timeout: another process has the folder.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.folder / "lock", timeout=0, thread_local=False)
        self._lock.acquire()
        about = self.folder / "about.json"
        self.about = json.loads(about.read_text()) if about.is_file() else {}

    def _path(self, start):
        return self.folder / f"{start:015}"

    def spans(self):
        """Sorted list of (start, stop)."""
        found = [path for path in self.folder.iterdir() if path.name.isdigit()]
        return sorted((int(path.name), int(path.name) + path.stat().st_size) for path in found)

    def count(self):
        """Bytes here."""
        return sum(stop - start for start, stop in self.spans())

    def missing(self, start, stop):
        """The gaps between `start` and `stop`: list of (start, stop)."""
        gaps = []
        for a, b in self.spans():
            if b > start and a < stop:
                if a > start:
                    gaps.append((start, a))
                start = max(start, b)
        return gaps + [(start, stop)] if start < stop else gaps

    def open_at(self, start):
        """A binary file to append the bytes from `start` on: the piece that ends there, or a new one."""
        ends = [a for a, b in self.spans() if b == start]
        return open(self._path(ends[-1] if ends else start), "ab", buffering=0)

    def read(self, start, stop):
        """The bytes from `start` to `stop`, or to the end of the piece that holds `start`."""
        spans = self.spans()
        first, end = spans[bisect.bisect_right(spans, (start, float("inf"))) - 1]
        with open(self._path(first), "rb") as file:
            file.seek(start - first)
            return file.read(min(stop, end) - start)

    def remember(self, about):
        """Keeps what is known of the whole file (a dict), beside the pieces."""
        self.about = about
        temporary = self.folder / "about.tmp"
        temporary.write_text(json.dumps(about))
        os.replace(temporary, self.folder / "about.json")

    def drop(self, before):
        """Deletes the pieces that end before a place, to free the disk."""
        for start, stop in self.spans():
            if stop <= before:
                self._path(start).unlink()

    def clear(self):
        """Forgets everything."""
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()
        self.about = {}

    def join(self):
        """Makes one piece of pieces that leave no gap. Returns its path; the others stay until `remove`."""
        with open(self._path(0), "ab") as whole:
            for start, stop in self.spans()[1:]:
                have = whole.tell()
                if stop > have:
                    with open(self._path(start), "rb") as piece:
                        piece.seek(have - start)
                        shutil.copyfileobj(piece, whole)
        return self._path(0)

    def close(self):
        self._lock.release()

    def remove(self):
        """Closes and deletes the folder."""
        self.close()
        shutil.rmtree(self.folder)
