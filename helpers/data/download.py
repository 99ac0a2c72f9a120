"""Files over HTTP: a download goes on where it broke off, and no byte that is on disk is asked for again."""

import concurrent.futures
import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import threading
import time
import urllib.parse
import zipfile

import filelock
import requests
import urllib3

from helpers import runtime

USER_AGENT = "emotion-notebooks/0.1 (research and teaching)"  # some servers answer 403 to python-requests' own
PASSING = {403, 408, 425, 429, 500, 502, 503, 504}  # statuses worth another try
TRIES, LITTLE = 6, 1 << 12  # a file is given up after so many tries in a row that bring fewer bytes than this
REQUESTS, CHANGES = 1000, 3  # for one file; times that it may become another one on the server
LARGEST = 1 << 33  # bytes of a file whose size the manifest does not give
SLOWEST, GRACE = 1024, 30  # bytes a second that an answer must bring on average, after so many seconds
TIMEOUT, LONGEST_PAUSE = (10, 30), 600  # seconds to connect and of silence; seconds a server may ask us to wait
ANSWER = 120  # seconds for an answer to begin, or for its next piece, however it drips
SLICE = 1 << 18


class DownloadError(RuntimeError):
    """A file that could not be downloaded. The message names the file, what happened and what to do."""


class NoRangeError(DownloadError):
    """A part was asked for, and the server sends whole files only."""


class _TryAgainError(requests.RequestException):
    """A passing fault; `pause` is how long the server asked us to wait, in seconds, or None."""

    def __init__(self, problem, pause=None):
        super().__init__(problem)
        self.pause = pause


class PartialFile:
    """A folder of the parts of a file that came, each named by the place of its first byte and growing.

    Their sizes are all the book-keeping there is, so that it is true after a kill at any point. One process at a time:
    filelock.Timeout where another one has the folder.
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
        parts = [(int(p.name), p.stat().st_size) for p in self.folder.iterdir() if p.name.isdigit()]
        return sorted((start, start + size) for start, size in parts)

    def count(self):
        """Bytes on disk."""
        return sum(stop - start for start, stop in self.spans())

    def missing(self, start, stop):
        """The gaps between `start` and `stop`: list of (start, stop)."""
        gaps = []
        for a, b in [*self.spans(), (stop, stop)]:
            if start < min(a, stop):
                gaps.append((start, min(a, stop)))
            start = max(start, b)
        return gaps

    def open_at(self, start):
        """A binary file to append the bytes from `start` on: the part that ends there, or a new one."""
        ends = [a for a, b in self.spans() if b == start]
        return open(self._path(ends[-1] if ends else start), "ab", buffering=0)

    def read(self, start, stop):
        """The bytes from `start` to `stop`, none of which is missing."""
        data = b""
        for a, b in self.spans():
            at = start + len(data)
            if a <= at < min(b, stop):
                with open(self._path(a), "rb") as file:
                    file.seek(at - a)
                    data += file.read(min(b, stop) - at)
        return data

    def remember(self, about):
        """Keeps what is known of the whole file: a dict."""
        self.about = about
        with runtime.replacing(self.folder / "about.json") as file:
            file.write(json.dumps(about).encode())

    def drop(self, before):
        """Deletes the parts that end before a place, to free the disk."""
        for start, stop in self.spans():
            if stop <= before:
                self._path(start).unlink()

    def clear(self):
        """Forgets everything."""
        self.about = {}
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def join(self):
        """Appends all parts, which leave no gap, to the first. Returns its path; the others stay until `clear`."""
        with open(self._path(0), "ab") as whole:
            for start, stop in self.spans()[1:]:
                if stop > whole.tell():
                    with open(self._path(start), "rb") as part:
                        part.seek(whole.tell() - start)
                        shutil.copyfileobj(part, whole)
        return self._path(0)

    def close(self):
        self._lock.release()


class RemoteFile(io.RawIOBase):
    """A remote file as a seekable one: what is read and not yet on disk is fetched. zipfile reads archives through it.

    Args:
        url: http or https address; redirects are followed on its own host alone, and never from https to http.
        folder, name: for the parts that came (see `PartialFile`); what messages call the file.
        size, tell: bytes expected, None if unknown; called with the number of new bytes as they come.
        stop: threading.Event; once set, the fetching ends within a second with DownloadError, also from a pause.
        pause, timeout: seconds before the second try, doubled with each further one; as TIMEOUT.
    Raises DownloadError, NoRangeError: another process has the folder, or it cannot be had; nor a part of it alone.
    """

    def __init__(self, url, folder, name=None, size=None, tell=None, stop=None, pause=1.0, timeout=TIMEOUT):
        self.url, self.pause, self.timeout, self.stop = url, pause, timeout, stop
        self.name = name or pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name
        self.count_new = tell or (lambda count: None)
        self.expected, self.place, self.ranges, self.requests, self.changes = size, 0, True, 0, 0
        self.sealed = False  # True makes reading what is not on disk an error of the archive, instead of fetching it
        try:
            self.partial = PartialFile(folder)
        except filelock.Timeout:
            raise DownloadError(f"{self.name}: another process is fetching it into {folder}; let it finish") from None
        if self.partial.about.get("url") != url:
            self.partial.clear()
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        self.session.get_redirect_target = lambda response: None  # requests would read all of a redirect's body
        self.waiting = False  # for a call that was left to its thread: closing would wait for it, too

    @property
    def size(self):
        """Bytes of the remote file; None before the first answer where none was given."""
        return self.partial.about.get("size", self.expected)

    def seekable(self):
        return True

    readable = seekable

    def seek(self, offset, whence=os.SEEK_SET):
        place = (0, self.place, self.size or 0)[whence] + offset
        if place < 0:
            raise ValueError(f"a place before the beginning: {place}")
        self.place = place
        return place

    def readinto(self, buffer):
        self._check_stop()
        start, stop = self.place, min(self.place + len(buffer), self.size)
        if self.sealed and self.partial.missing(start, stop):
            raise zipfile.BadZipFile("its members lie elsewhere than its directory says")
        self.ensure(start, stop)
        data = self.partial.read(start, stop)
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)

    def close(self):
        if not self.closed:
            self.session.close()
            self.partial.close()
        super().close()

    def ensure(self, start, stop):
        """Fetches what is missing of the bytes from `start` to before `stop`."""
        while gaps := self.partial.missing(start, stop):
            self._get(*gaps[0])

    def ensure_tail(self, count):
        """Fetches the last `count` bytes, and so learns the size."""
        if self.size is None:
            self._get(-count, None)
        self.ensure(max(0, self.size - count), self.size)

    def whole(self, check=lambda path: None):
        """Fetches what is missing. Returns the path of the whole file, in the folder of its parts.

        `check` is called with that path first; where it raises DownloadError, all that came is deleted.
        """
        if self.size is None:
            self.partial.clear()  # a stream without a length cannot be gone on with
            self._get(0, None)
        try:
            self.ensure(0, self.size)
        except NoRangeError:
            self._get(0, None)
        path = self.partial.join()
        try:
            check(path)
        except DownloadError:
            self.partial.clear()
            raise
        return path

    def save(self, path, check=lambda path: None):
        """Puts the whole file at `path`; there is nothing there before it is complete and `check` lets it pass."""
        os.replace(self.whole(check), path)
        self.partial.clear()

    def _error(self, problem):
        return DownloadError(f"{self.name}: {problem} (address: {self.url})")

    def _get(self, start, stop):
        """Fetches [start, stop) with further tries. A stop of None is the end, a negative start counts from there."""
        tries = 0
        while True:
            before = self.partial.count()
            try:
                return self._request(start, stop)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                problem, pause = _in_words(error), getattr(error, "pause", None)
            tries = 1 if self.partial.count() >= before + LITTLE and self.ranges else tries + 1
            if tries >= TRIES:
                kept = "What has come is kept: run the same again later"
                raise self._error(f"{problem}; {tries} tries in a row brought nothing new. {kept}")
            pause = self.pause * 2 ** (tries - 1) if pause is None else pause
            if pause > LONGEST_PAUSE:
                raise self._error(f"{problem} and asks to wait {pause:.0f} s: run the same again later")
            (self.stop or threading.Event()).wait(pause)
            if start >= 0 and self.ranges:
                gaps = self.partial.missing(start, stop or self.size or float("inf"))
                if not gaps:
                    return
                start = gaps[0][0]

    def _request(self, start, stop):
        """Asks once for [start, stop), and writes what comes."""
        self.requests += 1
        if self.requests > REQUESTS:
            raise self._error(f"{REQUESTS} requests did not bring it")
        response = self._answer(f"bytes={start}" if start < 0 else f"bytes={start}-{stop - 1 if stop else ''}")
        try:
            status = f"the server answered {response.status_code} {response.reason}"
            if response.status_code in PASSING:
                with contextlib.suppress(urllib3.exceptions.InvalidHeader):
                    raise _TryAgainError(status, urllib3.Retry().get_retry_after(response.raw))
                raise _TryAgainError(status)
            if response.status_code not in (200, 206):
                raise self._error(f"{status}. Is the address right?")
            if (packed := response.headers.get("Content-Encoding", "identity").strip().lower()) != "identity":
                raise self._error(
                    f"the server packs it ({packed}), which was not asked for: its size cannot be checked"
                )
            if response.headers.get("Content-Type", "").startswith("text/html"):
                self._refuse_web_page(self._wait_for(response.raw.read1, 4096), sure=True)
            if response.status_code == 206:
                part = re.fullmatch(r"bytes (\d{1,15})-\d+/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
                if not part:
                    raise _TryAgainError("the server sent a part without saying which")
                self._compare(int(part[2]) if part[2] != "*" else self.size, response)
                start = start if start >= 0 else max(0, (self.size or 0) + start)
                if int(part[1]) != start:
                    raise _TryAgainError(f"the server sent bytes from {part[1]} on instead of those from {start} on")
            else:
                self.ranges = False
                length = response.headers.get("Content-Length")
                if length and not re.fullmatch(r"\d{1,15}", length, re.ASCII):
                    raise self._error(f"the server says that it has {length[:40]!r} bytes")
                self._compare(int(length) if length else self.expected, response)
                if start != 0 or stop not in (None, self.size):
                    raise NoRangeError(f"{self.name}: the server sends whole files only")
                self.partial.drop(float("inf"))
                stop = None
            self._write(response, start, stop)
        finally:
            if not self.waiting:
                response.close()

    def _check_stop(self):
        if self.stop and self.stop.is_set():
            raise DownloadError(f"{self.name}: stopped; what has come is kept")

    def _wait_for(self, call, *arguments, **options):
        """What a call that waits for the server returns; `stop` and ANSWER end the wait and leave it to its thread."""
        self._check_stop()
        future, until, self.waiting = concurrent.futures.Future(), time.monotonic() + ANSWER, True

        def work():
            try:
                future.set_result(call(*arguments, **options))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        while not concurrent.futures.wait([future], 0.2).done:
            self._check_stop()
            if time.monotonic() > until:
                raise self._error(f"the server sent nothing whole in {ANSWER} s: run the same again later")
        self.waiting = False
        return future.result()

    def _answer(self, span):
        """The response to a request for a span of bytes, after redirects."""
        url, location, headers = self.url, "", {"Range": span}
        for _ in range(5):
            try:
                url = urllib.parse.urljoin(url, location)
                first, to = map(urllib.parse.urlsplit, (self.url, url))
            except ValueError as error:
                raise self._error(f"the address leads to {location[:200]!r}, which is none ({error})") from error
            if to.netloc != first.netloc or to.scheme not in {"https", first.scheme}:
                to = f"{to.scheme}://{to.netloc}{to.path}"
                raise self._error(f"the address leads to {to}, which the manifest does not name; not followed")
            options = {"stream": True, "timeout": self.timeout, "allow_redirects": False}
            response = self._wait_for(self.session.get, url, headers=headers, **options)
            if not response.is_redirect:
                return response
            location = response.headers["Location"]
            response.close()
        raise self._error(f"redirected in circles; last to {url}")

    def _compare(self, size, response):
        """Checks size and ETag against what is known; starts anew where the file is another one than before."""
        if None not in (size, self.expected) and size != self.expected:
            raise self._error(f"the server has {size:,} bytes, the manifest says {self.expected:,}. Is its row right?")
        if self.expected is None and (size or 0) > LARGEST:
            raise self._error(f"the server has {size:,} bytes, and no more than {LARGEST:,} are fetched unannounced")
        about = {"url": self.url, "size": size, "tag": response.headers.get("ETag", "")}
        if self.partial.about and self.partial.about != about:
            self.partial.clear()
            self.changes += 1
            if self.changes > CHANGES:
                raise self._error("the server says each time that it changed")
            raise _TryAgainError("the file changed on the server meanwhile", 0)
        if size is not None and not self.partial.about:
            self.partial.remember(about)

    def _write(self, response, start, stop):
        """Writes the body to disk, slice by slice."""
        at, end, began = start, stop or self.size, time.monotonic()
        with self.partial.open_at(start) as file:
            # read1 gives what has come; read and iter_content lose up to a slice when the connection breaks.
            while (chunk := self._wait_for(response.raw.read1, SLICE)) and at != end:
                chunk = chunk[: end - at] if end else chunk
                if at == 0:
                    self._refuse_web_page(chunk[:4096])
                file.write(chunk)
                at += len(chunk)
                self.count_new(len(chunk))
                if at > (end or LARGEST):
                    raise self._error(f"more than {LARGEST:,} bytes and no end")
                if at - start < SLOWEST * (time.monotonic() - began - GRACE):
                    raise _TryAgainError(f"the server sends fewer than {SLOWEST} bytes a second")
        if end is None:
            self.partial.about = {"url": self.url, "size": at, "tag": ""}  # now it is known
        elif at < end:
            raise _TryAgainError(f"the connection broke off at byte {at:,} of {self.size:,}")

    def _refuse_web_page(self, head, sure=False):
        """A sign-in or error page must never be taken for the file."""
        if sure or re.match(rb"\s*<(!doctype html|html)", head, re.IGNORECASE):
            title = re.search(rb"<title>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
            title = f" ({title[1].decode(errors='replace').strip()!r})" if title else ""
            raise self._error(f"a web page came instead of the file{title}. Open the address and see")


def _in_words(error):
    """A connection error's cause in a few words."""
    text = str(error)
    if isinstance(error, _TryAgainError):
        return text
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)) or "timed out" in text:
        return "the server fell silent"
    if re.search("IncompleteRead|Connection broken|Connection aborted|ended prematurely", text):
        return "the connection broke off"
    return f"no connection ({text.rsplit(': ', 1)[-1].strip(')')})"
