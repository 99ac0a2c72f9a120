"""A file over HTTP that survives a broken line: bytes that came are on disk, and are never asked for again."""

import concurrent.futures
import contextlib
import io
import os
import pathlib
import re
import threading
import time
import urllib.parse
import zipfile

import filelock
import requests
import urllib3

from helpers.data.partial_file import PartialFile

USER_AGENT = "emotion-notebooks/0.1 (research and teaching)"  # some servers answer 403 to python-requests' own
WORTH_ANOTHER_TRY = {403, 408, 425, 429, 500, 502, 503, 504}
TRIES = 6  # in a row that bring next to nothing
LITTLE = 1 << 12  # bytes: a try that brings fewer counts as one in vain
REQUESTS = 1000  # for one file, whatever they bring
CHANGES = 3  # times a file may become another one on the server
LARGEST = 1 << 33  # bytes of a file whose size nobody says
SLOWEST, GRACE = 1024, 30  # bytes a second that an answer must bring on average, after so many seconds
TIMEOUT = (10, 30)  # seconds to connect, and of silence
LONGEST_PAUSE = 600  # seconds a server may ask us to wait
SLICE = 1 << 18


class DownloadError(RuntimeError):
    """A file could not be had. The message names the file, what happened and what to do."""


class NoRangeError(DownloadError):
    """The server sends whole files only."""


class _TryAgainError(Exception):
    """A passing fault; `pause` is how long the server asked us to wait, in seconds, or None."""

    def __init__(self, what, pause=None):
        super().__init__(what)
        self.pause = pause


class RemoteFile(io.RawIOBase):
    """A remote file as a seekable one: what is read and not yet here is fetched. zipfile reads archives through it.

    Args:
        url: http or https address.
        folder: for the pieces that came (see `PartialFile`).
        name: how messages call the file.
        size: bytes expected, None if unknown.
        hosts: hosts that may be contacted, redirects included; by default the address' own.
        tell: called with the number of new bytes as they come.
        stop: threading.Event; once set, the fetching ends within a second with DownloadError, also from a pause.
        pause: seconds before the second try; doubles with each further one.
        timeout: (seconds to connect, seconds of silence) before a line counts as broken.

    Raises:
        DownloadError: another process has the folder; or, when reading, the file could not be had.
        NoRangeError: a part is wanted and the server does not do Range.
    """

    def __init__(self, url, folder, name=None, size=None, hosts=None, tell=None, stop=None, pause=1.0, timeout=TIMEOUT):
        self.url, self.pause, self.timeout = url, pause, timeout
        self.name = name or pathlib.PurePosixPath(urllib.parse.urlsplit(url).path).name
        self.hosts = {urllib.parse.urlsplit(url).netloc} if hosts is None else set(hosts)
        self.told, self.stop = tell or (lambda count: None), stop
        self.expected, self.place, self.ranges = size, 0, True
        self.requests = self.changes = 0
        self.sealed = False  # True: reading what is not here is an error of the archive, nothing is fetched
        try:
            self.pieces = PartialFile(folder)
        except filelock.Timeout:
            raise DownloadError(f"{self.name}: another process is fetching it into {folder}; let it finish") from None
        if self.pieces.about.get("url") != url:
            self.pieces.clear()
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})

    @property
    def size(self):
        """Bytes of the remote file; None before the first answer where none was given."""
        return self.pieces.about.get("size", self.expected)

    def seekable(self):
        return True

    def readable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.place, os.SEEK_END: self.size or 0}[whence]
        if base + offset < 0:
            raise ValueError(f"a place before the beginning: {base + offset}")
        self.place = base + offset
        return self.place

    def readinto(self, buffer):
        stop = min(self.place + len(buffer), self.size)
        if stop <= self.place:
            return 0
        self._go_on()
        if self.sealed and self.pieces.missing(self.place, stop):
            raise zipfile.BadZipFile("its members lie elsewhere than its directory says")
        self.ensure(self.place, stop)
        data = self.pieces.read(self.place, stop)
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)

    def read(self, count=-1):
        # A raw file may give less than asked; zipfile counts on getting all of it.
        stop = self.size if count is None or count < 0 else min(self.place + count, self.size)
        got = []
        while self.place < stop:
            got.append(super().read(stop - self.place))
        return b"".join(got)

    def close(self):
        if not self.closed:
            self.session.close()
            self.pieces.close()
        super().close()

    def ensure(self, start, stop):
        """Fetches what is not here of the bytes from `start` to before `stop`."""
        while gaps := self.pieces.missing(start, stop):
            self._get(*gaps[0])

    def ensure_tail(self, count):
        """Fetches the last `count` bytes, and so learns the size."""
        if self.size is None:
            self._get(-count, None)
        self.ensure(max(0, self.size - count), self.size)

    def save(self, path, check=None):
        """Fetches what is missing and puts the whole file at `path`; there is nothing there before it is complete.

        Args:
            path: the file to make.
            check: called with the path of the complete file before it is put in place; may raise DownloadError, upon
                which everything that came is let go.
        """
        if self.size is None:
            self.pieces.clear()  # a stream without a length cannot be gone on with
            self._get(0, None)
        try:
            self.ensure(0, self.size)
        except NoRangeError:
            self._get(0, None)
        whole = self.pieces.join()
        try:
            if check:
                check(whole)
        except DownloadError:
            self.pieces.clear()
            raise
        os.replace(whole, path)
        self.pieces.clear()

    def _get(self, start, stop):
        """Fetches [start, stop) with further tries. A stop of None is the end, a negative start counts from there."""
        tries = 0
        while True:
            before, wait = self.pieces.count(), None
            try:
                return self._once(start, stop)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                problem = _in_words(error)
            except _TryAgainError as error:
                problem, wait = error, error.pause
            tries = 1 if self.pieces.count() >= before + LITTLE and self.ranges else tries + 1
            if tries >= TRIES:
                raise DownloadError(
                    f"{self.name}: {problem}; {tries} tries in a row brought nothing new. What has come is kept: run "
                    f"the same again later. Address: {self.url}"
                )
            wait = self.pause * 2 ** (tries - 1) if wait is None else wait
            if wait > LONGEST_PAUSE:
                raise DownloadError(f"{self.name}: {problem} and asks to wait {wait:.0f} s: run the same again later")
            (self.stop or threading.Event()).wait(wait)
            if start >= 0 and self.ranges:
                gaps = self.pieces.missing(start, stop or self.size or float("inf"))
                if not gaps:
                    return
                start = gaps[0][0]

    def _once(self, start, stop):
        self.requests += 1
        if self.requests > REQUESTS:
            raise DownloadError(f"{self.name}: {REQUESTS} requests did not bring it: {self.url} is of no use")
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{stop - 1 if stop else ''}"
        response = self._answer({"Range": wanted})
        try:
            status = response.status_code
            if status in WORTH_ANOTHER_TRY:
                pause = None
                with contextlib.suppress(urllib3.exceptions.InvalidHeader):
                    pause = urllib3.Retry().get_retry_after(response.raw)
                raise _TryAgainError(f"the server answered {status} {response.reason}", pause)
            if status not in (200, 206):
                raise DownloadError(
                    f"{self.name}: the server answered {status} {response.reason}. Is the address right? {self.url}"
                )
            if response.headers.get("Content-Type", "").startswith("text/html"):
                self._refuse_web_page(self._soon(response.raw.read1, 4096), sure=True)
            if status == 206:
                start = self._part_begins(response, start)
            else:
                self._whole_begins(response, wanted_whole=start == 0 and stop in (None, self.size))
                start, stop = 0, None
            self._take(response, start, stop)
        finally:
            if not (self.stop and self.stop.is_set()):  # else a read may still be waiting, and closing would, too
                response.close()

    def _go_on(self):
        if self.stop and self.stop.is_set():
            raise DownloadError(f"{self.name}: stopped; what has come is kept")

    def _soon(self, call, *arguments, **options):
        """What a call that waits for the server returns; `stop` ends the waiting, and the call is left to itself."""
        self._go_on()
        if not self.stop:
            return call(*arguments, **options)
        future = concurrent.futures.Future()

        def work():
            try:
                future.set_result(call(*arguments, **options))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        while not concurrent.futures.wait([future], 0.2).done:
            self._go_on()
        return future.result()

    def _answer(self, headers):
        """The response, after redirects within the hosts that were named, and never from https to http."""
        url = self.url
        for _ in range(5):
            to = urllib.parse.urlsplit(url)
            if to.netloc not in self.hosts or to.scheme not in {"https", urllib.parse.urlsplit(self.url).scheme}:
                raise DownloadError(
                    f"{self.name}: the address leads to {to.scheme}://{to.netloc}{to.path}, which the manifest "
                    "does not name; not followed"
                )
            response = self._soon(
                self.session.get, url, headers=headers, stream=True, timeout=self.timeout, allow_redirects=False
            )
            if not response.is_redirect:
                return response
            url = urllib.parse.urljoin(url, response.headers["Location"])
            response.close()
        raise DownloadError(f"{self.name}: redirected in circles; last to {url}")

    def _part_begins(self, response, wanted):
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not match:
            raise _TryAgainError("the server sent a part without saying which")
        self._remember(int(match[2]) if match[2] != "*" else self.size, response)
        if int(match[1]) != (wanted if wanted >= 0 else max(0, (self.size or 0) + wanted)):
            raise _TryAgainError(f"the server sent bytes from {match[1]} on instead of those from {wanted} on")
        return int(match[1])

    def _whole_begins(self, response, wanted_whole):
        """A whole file comes: no use where a part was wanted; else whatever came before is let go."""
        self.ranges = False
        length = response.headers.get("Content-Length")
        self._remember(int(length) if length else self.expected, response)
        if not wanted_whole:
            raise NoRangeError(f"{self.name}: the server sends whole files only")
        self.pieces.drop(float("inf"))

    def _remember(self, size, response):
        """Checks size and ETag against what is known; starts anew where the remote file is another one than before."""
        if None not in (size, self.expected) and size != self.expected:
            raise DownloadError(
                f"{self.name}: the server has {size:,} bytes, the manifest says {self.expected:,}: it is not the file "
                f"the manifest means. Address: {self.url}"
            )
        about = {"url": self.url, "size": size, "tag": response.headers.get("ETag", "")}
        if self.pieces.about and self.pieces.about != about:
            self.pieces.clear()
            self.changes += 1
            if self.changes > CHANGES:
                raise DownloadError(f"{self.name}: the server says each time that it changed. Address: {self.url}")
            raise _TryAgainError("the file changed on the server meanwhile", 0)
        if size is not None and not self.pieces.about:
            self.pieces.remember(about)

    def _take(self, response, start, stop):
        """Writes the body behind what is here, slice by slice."""
        at, end, began = start, stop or self.size, time.monotonic()
        with self.pieces.open_at(start) as file:
            # read1 gives what has come; read and iter_content lose up to a slice when the line breaks.
            while (chunk := self._soon(response.raw.read1, SLICE)) and at != end:
                chunk = chunk[: end - at] if end else chunk
                if at == 0:
                    self._refuse_web_page(chunk[:4096])
                file.write(chunk)
                at += len(chunk)
                self.told(len(chunk))
                if at > (end or LARGEST):
                    raise DownloadError(f"{self.name}: more than {LARGEST:,} bytes and no end. Address: {self.url}")
                if at - start < SLOWEST * (time.monotonic() - began - GRACE):
                    raise _TryAgainError(f"the server sends fewer than {SLOWEST} bytes a second")
        if end is None:
            self.pieces.about = {"url": self.url, "size": at, "tag": ""}  # now it is known
        elif at < end:
            raise _TryAgainError(f"the line broke off at byte {at:,} of {self.size:,}")

    def _refuse_web_page(self, head, sure=False):
        """A sign-in or error page must never be taken for the file."""
        if self.name.lower().endswith((".html", ".htm")):
            return
        if sure or re.match(rb"\s*<(!doctype html|html)", head, re.IGNORECASE):
            title = re.search(rb"<title>(.*?)</title>", head, re.IGNORECASE | re.DOTALL)
            said = f" ({title[1].decode(errors='replace').strip()!r})" if title else ""
            raise DownloadError(f"{self.name}: a web page came instead of the file{said}. Open {self.url} and see")


def _in_words(error):
    """A connection error's cause in a few words."""
    text = str(error)
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)) or "timed out" in text:
        return "the server fell silent"
    if any(
        words in text for words in ("IncompleteRead", "Connection broken", "Connection aborted", "ended prematurely")
    ):
        return "the line broke off"
    return f"no connection ({text.rsplit(': ', 1)[-1].strip(')')})"
