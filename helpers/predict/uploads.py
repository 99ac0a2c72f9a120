"""Uploads from anyone: checked before they are decoded, deleted after the answer."""

import asyncio
import collections
import contextlib
import json
import pathlib
import threading
import time

from helpers.data.exclusions import ClipError
from helpers.video import decoding

MOST_BYTES = 50 << 20
MOST_SECONDS = 120
MOST_PIXELS = 4096 * 2304  # of a frame: 4K
MOST_DECODED = MOST_SECONDS * 30 * 1920 * 1080  # pixels of all frames: two minutes of full HD
MOST_JSON = 8 << 20  # bytes of any other request: 3 s of the webcam have less than 5 MB
MOST_SENDING = 300  # s that a request may take to arrive
MOST_WAITING = 100  # uploads without an answer; the next is told to come back
UNUSED = ("/process_recording", "/deep_link")  # addresses of Gradio's that write files which nobody deletes


def check(path):
    """Raises ClipError for a file that is too long or too large, by reading its packets without decoding them.

    A file that cannot be opened at all passes: decoding it says what is wrong with it.
    """
    import av

    path = pathlib.Path(path)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ClipError(f"{path.name}: {size / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB can be answered here")
    if not size:
        raise ClipError(f"{path.name}: the file is empty")
    try:
        with av.open(str(path), options=decoding.OPEN) as container:
            seconds, frames, pixels = _extent(container)
    except (av.FFmpegError, OSError, ValueError):
        return
    if seconds > MOST_SECONDS:
        raise ClipError(f"{path.name}: {seconds:.0f} s long; at most {MOST_SECONDS} s can be answered here: cut it")
    if pixels > MOST_PIXELS or frames * pixels > MOST_DECODED:
        much = f"{frames} frames of {pixels / 1e6:.1f} million pixels"
        raise ClipError(f"{path.name}: {much}; make it smaller or shorter, such as 1280 × 720")


def _extent(container):
    """(seconds, frames, pixels of a frame) of an open container, by its packets' own times."""
    video = container.streams.video[0] if container.streams.video else None
    video = video if video and video.codec_context else None  # else FFmpeg lacks the codec, as decoding says
    first, last, frames = {}, 0.0, 0
    for packet in container.demux([*([video] if video else ()), *container.streams.audio[:1]]):
        if packet.pts is None:
            continue
        begin = float(packet.pts * packet.time_base)
        end = begin + float((packet.duration or 0) * packet.time_base)
        last = max(last, end - first.setdefault(packet.stream.index, begin))
        frames += packet.stream is video
        if last > 100 * MOST_SECONDS or frames > MOST_SECONDS * 1000:
            break
    return last, frames, video.width * video.height if video else 0


def same_origin(app):
    """Wraps an ASGI app so that it refuses what another site's page asks for."""

    async def guarded(scope, receive, send):
        headers = {name: value.decode("latin-1").lower() for name, value in scope.get("headers", ())}
        if b"origin" in headers and headers[b"origin"].partition("://")[2] != headers.get(b"host"):
            return await _refuse(403, "asked for by the page of another site")(scope, receive, send)
        await app(scope, receive, send)

    return guarded


def _refuse(status, why):
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(why, status)


def _stop(status, why):
    from starlette.exceptions import HTTPException

    return HTTPException(status, why)


def _limited(receive, most, ended=lambda: None):
    """An ASGI `receive` that stops a request's body where it is too large or too slow; `ended` is called at its end."""
    left, until, over = most, time.monotonic() + MOST_SENDING, False

    async def limited():
        nonlocal left, over
        if over:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0, until - time.monotonic()))
        except asyncio.TimeoutError as error:
            raise _stop(408, f"not here after {MOST_SENDING} s") from error
        if message["type"] == "http.disconnect":
            raise _stop(400, "broken off")
        left, over = left - len(message.get("body", b"")), not message.get("more_body")
        if left < 0:
            raise _stop(413, f"more than {most / 1e6:.0f} MB")
        if over:
            ended()
        return message

    return limited


class UploadRegistry:
    """Counts which uploads still wait for an answer, and deletes each after its last.

    Two people may send the same clip, and the server keeps equal files once: a file is deleted when it was answered as
    often as it was sent, and never between another upload's last byte and its name. `folder` is where uploads arrive;
    what is left there of those that were broken off is deleted too.
    """

    def __init__(self, folder=None):
        self._lock, self._due, self._folder = threading.Lock(), collections.Counter(), folder
        self._sending = self._arriving = 0  # uploads; those of them that are here and have no name yet

    def watch(self, app):
        """Wraps an ASGI app: uploads are counted, their answer being the JSON list of one file; bodies have limits."""

        async def watched(scope, receive, send):
            path = scope.get("path", "").rstrip("/")
            if path.endswith(UNUSED):
                return await _refuse(404, "not here")(scope, receive, send)
            if scope["type"] != "http" or scope["method"] != "POST":
                return await app(scope, receive, send)
            if not path.endswith("/upload"):
                return await app(scope, _limited(receive, MOST_JSON), send)
            self._count()  # those that were deleted unasked wait no more
            if len(self._due) >= MOST_WAITING:
                return await _refuse(503, "too many clips wait for an answer; come back later")(scope, receive, send)
            status, body, sent, arrived = 0, b"", [], []

            async def overhear(message):
                nonlocal status, body
                status, body = message.get("status", status), body + message.get("body", b"")
                await send(message)

            def ended():
                arrived.append(True)
                self._count(arriving=1)

            self._count(sending=1)
            try:
                await app(scope, _limited(receive, MOST_BYTES + MOST_JSON, ended), overhear)
                sent = json.loads(body) if status == 200 else []
            finally:
                many = sent if len(sent) > 1 else ()  # the page sends one at a time
                self._count(sending=-1, arriving=-len(arrived), sent=sent, answered=many)

        return watched

    @contextlib.contextmanager
    def lend(self, path):
        """The file for one answer; ClipError where no such file was uploaded here, or it was answered already."""
        if self._due[str(path)] < 1:
            raise ClipError(f"{pathlib.PurePath(path).name}: is not here any more; drop it once again")
        try:
            with decoding.limits(seconds=MOST_SECONDS, pixels=MOST_PIXELS, total=MOST_DECODED):  # whatever `check` read
                yield pathlib.Path(path)
        finally:
            self._count(answered=[str(path)])

    def _count(self, sending=0, arriving=0, sent=(), answered=()):
        with self._lock:
            self._sending += sending
            self._arriving += arriving
            self._due.update(sent)
            self._due.subtract(answered)
            for path in [] if self._arriving else list(self._due):
                if self._due[path] < 1 or not pathlib.Path(path).exists():  # nobody asked about it in time
                    del self._due[path]
                    pathlib.Path(path).unlink(missing_ok=True)
                    with contextlib.suppress(OSError):  # its folder, named by its content, holds nothing else
                        pathlib.Path(path).parent.rmdir()
            for path in pathlib.Path(self._folder).glob("*") if self._folder else ():
                with contextlib.suppress(OSError):  # named uploads lie in folders
                    if path.is_file() and (not self._sending or path.stat().st_mtime < time.time() - MOST_SENDING):
                        path.unlink()
