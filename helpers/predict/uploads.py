"""Uploads from anyone: checked before they are decoded, deleted after the answer."""

import collections
import contextlib
import json
import pathlib
import threading

from helpers.data.exclusions import ClipError
from helpers.video import decoding

MOST_BYTES = 50 << 20
MOST_SECONDS = 120
MOST_PIXELS = 4096 * 2304  # of a frame: 4K
MOST_DECODED = MOST_SECONDS * 30 * 1920 * 1080  # pixels of all frames: two minutes of full HD


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


class UploadRegistry:
    """Counts which uploads still wait for an answer, and deletes each after its last.

    Two people may send the same clip, and the server keeps equal files once: a file is deleted when it was answered as
    often as it was sent, and never while another upload is on its way.
    """

    def __init__(self):
        self._lock, self._arriving, self._due = threading.Lock(), 0, collections.Counter()

    def watch(self, app):
        """Wraps an ASGI app so that its uploads are counted: an upload's answer is the JSON list of its files."""

        async def watched(scope, receive, send):
            post = scope["type"] == "http" and scope["method"] == "POST"
            if not post or not scope["path"].rstrip("/").endswith("/upload"):
                return await app(scope, receive, send)
            status, body, sent = 0, b"", ()

            async def overhear(message):
                nonlocal status, body
                status, body = message.get("status", status), body + message.get("body", b"")
                await send(message)

            self._count(arriving=1)
            try:
                await app(scope, receive, overhear)
                sent = json.loads(body) if status == 200 else ()
            finally:
                self._count(arriving=-1, sent=sent)

        return watched

    @contextlib.contextmanager
    def lend(self, path):
        """The file for one answer; ClipError where no such file was uploaded here, or it was answered already."""
        if self._due[str(path)] < 1:
            raise ClipError(f"{pathlib.PurePath(path).name}: is not here any more; drop it once again")
        try:
            yield pathlib.Path(path)
        finally:
            self._count(answered=[str(path)])

    def _count(self, arriving=0, sent=(), answered=()):
        with self._lock:
            self._arriving += arriving
            self._due.update(sent)
            self._due.subtract(answered)
            for path in [path for path, due in self._due.items() if due < 1 and not self._arriving]:
                del self._due[path]
                pathlib.Path(path).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # its folder, named by its content, holds nothing else
                    pathlib.Path(path).parent.rmdir()
