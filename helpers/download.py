"""A file over HTTP that survives a broken line: bytes that came are on disk, and are never asked for again."""

import contextlib
import email.utils
import io
import os
import pathlib
import re
import time
import urllib.parse

import requests
import urllib3

from helpers.pieces import Pieces

USER_AGENT = "emotion-notebooks/0.1 (research and teaching)"  # some servers answer 403 to python-requests' own
WORTH_ANOTHER_TRY = {403, 408, 425, 429, 500, 502, 503, 504}
TRIES = 6  # in a row without a single new byte
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
        folder: for the pieces that came (see `Pieces`).
        name: how messages call the file.
        size: bytes expected, None if unknown.
        hosts: hosts that may be contacted, redirects included; by default the address' own.
        tell: called with the number of new bytes as they come.
        stop: threading.Event; once set, the next bytes end the fetching with DownloadError.
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
        try:
            self.pieces = Pieces(folder)
        except BlockingIOError:
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

    def tell(self):
        return self.place

    def seek(self, offset, whence=os.SEEK_SET):
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.place, os.SEEK_END: self.size or 0}[whence]
        self.place = base + offset
        return self.place

    def readinto(self, buffer):
        stop = min(self.place + len(buffer), self.size)
        if stop <= self.place:
            return 0
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
            before = self.pieces.count()
            try:
                return self._once(start, stop)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                problem = _TryAgainError(_in_words(error))
            except _TryAgainError as error:
                problem = error
            tries = 1 if self.pieces.count() > before and self.ranges else tries + 1
            if tries >= TRIES:
                raise DownloadError(
                    f"{self.name}: {problem}; {tries} tries in a row brought nothing new. What has come is kept: run "
                    f"the same again later. Address: {self.url}"
                )
            wait = self.pause * 2 ** (tries - 1) if problem.pause is None else problem.pause
            if wait > LONGEST_PAUSE:
                raise DownloadError(f"{self.name}: {problem} and asks to wait {wait:.0f} s: run the same again later")
            time.sleep(wait)
            if start >= 0 and self.ranges:
                gaps = self.pieces.missing(start, stop or self.size or float("inf"))
                if not gaps:
                    return
                start = gaps[0][0]

    def _once(self, start, stop):
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{stop - 1 if stop else ''}"
        with contextlib.closing(self._answer({"Range": wanted})) as response:
            status = response.status_code
            if status in WORTH_ANOTHER_TRY:
                raise _TryAgainError(f"the server answered {status} {response.reason}", _retry_after(response))
            if status not in (200, 206):
                raise DownloadError(
                    f"{self.name}: the server answered {status} {response.reason}. Is the address right? {self.url}"
                )
            if response.headers.get("Content-Type", "").startswith("text/html"):
                self._refuse_web_page(next(response.iter_content(4096), b""), sure=True)
            if status == 206:
                start = self._part_begins(response)
            else:
                self._whole_begins(response, wanted_whole=start == 0 and stop in (None, self.size))
                start, stop = 0, None
            self._take(response, start, stop)

    def _answer(self, headers):
        """The response, after redirects within the hosts that were named."""
        url = self.url
        for _ in range(5):
            host = urllib.parse.urlsplit(url).netloc
            if host not in self.hosts or not url.startswith(("http://", "https://")):
                raise DownloadError(
                    f"{self.name}: the address leads to {host or url}, which the manifest does not name; not followed"
                )
            response = self.session.get(url, headers=headers, stream=True, timeout=self.timeout, allow_redirects=False)
            if not response.is_redirect:
                return response
            url = urllib.parse.urljoin(url, response.headers["Location"])
            response.close()
        raise DownloadError(f"{self.name}: redirected in circles; last to {url}")

    def _part_begins(self, response):
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not match:
            raise _TryAgainError("the server sent a part without saying which")
        self._remember(int(match[2]) if match[2] != "*" else self.size, response)
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
            raise _TryAgainError("the file changed on the server meanwhile", 0)
        if size is not None and not self.pieces.about:
            self.pieces.remember(about)

    def _take(self, response, start, stop):
        """Writes the body behind what is here, slice by slice."""
        at, end = start, stop or self.size
        with self.pieces.open_at(start) as file:
            # read1 gives what has come; read and iter_content lose up to a slice when the line breaks.
            while chunk := response.raw.read1(SLICE):
                chunk = chunk[: end - at] if end else chunk
                if at == 0:
                    self._refuse_web_page(chunk[:4096])
                file.write(chunk)
                at += len(chunk)
                self.told(len(chunk))
                if self.stop and self.stop.is_set():
                    raise DownloadError(f"{self.name}: stopped; what has come is kept")
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


def _retry_after(response):
    """Seconds a server asks to wait (a number or a date), None where it does not."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None
