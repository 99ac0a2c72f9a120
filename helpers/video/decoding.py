"""A clip decoded once: pictures as they are stored, and the sound that lies between them.

PyAV reads whatever FFmpeg does. A picture's gray plane needs no conversion and is all that the face detector takes;
only the region that is cut out becomes RGB.
"""

import contextlib
import contextvars
import dataclasses
import math
import os
import pathlib

import numpy as np

from helpers import runtime
from helpers.data import mp4
from helpers.data.exclusions import ClipError, Unreadable

# An MP4's index says what is in the file; FFmpeg need not decode a few frames to find out.
_QUICK = {"analyzeduration": "0", "probesize": "5000"}

# Formats that hold pictures and sound themselves. FFmpeg also opens lists of other files, which a clip from an unknown
# sender must not make it follow.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,wav,w64,mp3,ogg,flac,aac,aiff,caf,mpegts,mpeg,mpegvideo,asf,flv"
_FORMATS += ",amr,au,rm,dv,mxf,nut,ac3,eac3,ivf,h264,hevc"
MOST_PIXELS = 8192 * 4320  # of a picture: 8K. FFmpeg refuses a larger one before it takes memory for it
OPEN = {"format_whitelist": _FORMATS, "protocol_whitelist": "file", "max_pixels": str(MOST_PIXELS)}
RATES, MOST_CHANNELS = (4_000, 384_000), 16  # of sound, in Hz: from telephones to studios
MOST_RATE = 96_000  # Hz: sound of a higher rate may be that much shorter


@dataclasses.dataclass(frozen=True)
class Limits:
    """What may come out of a decoder, whatever a header says: see `limits`."""

    seconds: float = 7200.0  # of pictures and of sound: the longest film, 2.8 GB of samples at the most
    pixels: int = MOST_PIXELS  # of a picture
    total: float = math.inf  # pixels of all pictures


_WIDE = Limits()
_limits = contextvars.ContextVar("limits", default=_WIDE)


@contextlib.contextmanager
def limits(**bounds):
    """A context in which `decode` refuses clips beyond these `Limits`."""
    token = _limits.set(Limits(**bounds))
    try:
        yield
    finally:
        _limits.reset(token)


class Picture:
    """One decoded frame: `time` in seconds by its time stamp, `gray` uint8 (H, W), upright."""

    def __init__(self, frame, time):
        import cv2

        self.time = time
        turns = round(frame.rotation / 90) % 4  # counter-clockwise quarter turns that make it upright
        planar = frame.format.name == "yuv420p" and not turns and frame.width % 2 == frame.height % 2 == 0
        self._frame = frame if planar else None
        self._rgb = None if planar else np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
        self.gray = self._plane(0) if planar else cv2.cvtColor(self._rgb, cv2.COLOR_RGB2GRAY)

    def _plane(self, number):
        plane = self._frame.planes[number]
        padded = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
        return padded[: plane.height, : plane.width]

    @property
    def nbytes(self):
        return self.gray.nbytes * 3 // (2 if self._rgb is None else 1)

    def rgb(self, top=0, bottom=None, left=0, right=None):
        """A region in colour: uint8 (bottom − top, right − left, 3), cut off at the picture's edges."""
        if self._rgb is not None:
            return np.ascontiguousarray(self._rgb[top:bottom, left:right])
        import cv2

        height, width = self.gray.shape
        bottom, right = bottom or height, right or width
        # Colour is stored for blocks of 2 × 2: convert the even region around, and cut.
        y, x, y1, x1 = top // 2 * 2, left // 2 * 2, (bottom + 1) // 2 * 2, (right + 1) // 2 * 2
        uv = cv2.merge([np.ascontiguousarray(self._plane(n)[y // 2 : y1 // 2, x // 2 : x1 // 2]) for n in (1, 2)])
        region = cv2.cvtColorTwoPlane(np.ascontiguousarray(self.gray[y:y1, x:x1]), uv, cv2.COLOR_YUV2RGB_NV12)
        return region[top - y : bottom - y, left - x : right - x]


class Sound:
    """Gathers a clip's decoded sound: `rate` in Hz, `promised` seconds by the header; None where unknown.

    The rate is that of the first decoded frame. A file may change it in mid-stream, or name another one in its header.
    """

    def __init__(self):
        self.rate = self.promised = self.refused = self._kind = self._resampler = None
        self._pieces, self._length = [], 0

    def begin(self, stream):
        self.promised = float(stream.duration * stream.time_base) if stream.duration else None

    def add(self, frame):
        """Takes a frame; where it is too much, `refused` says why, and nothing more is taken."""
        import av

        kind = (frame.sample_rate, frame.layout.nb_channels, frame.layout.name, frame.format.name)
        if kind != self._kind:
            if not RATES[0] <= kind[0] <= RATES[1] or kind[1] > MOST_CHANNELS:
                self.refused = f"sound of {kind[0]} Hz in {kind[1]} channels; convert it to 48000 Hz in at most 2"
                return
            self._gather(None)
            self.rate, self._kind = self.rate or kind[0], kind
            # Planar float, one row a channel, whatever is stored.
            self._resampler = av.AudioResampler(format="fltp", rate=self.rate)
        self._gather(frame)
        if self._length > (seconds := _limits.get().seconds) * min(self.rate, MOST_RATE):
            self.refused = f"more than {seconds * min(1, MOST_RATE / self.rate):.0f} s of sound; cut it"

    def _gather(self, frame):
        pieces = [out.to_ndarray().mean(axis=0) for out in self._resampler.resample(frame)] if self._resampler else []
        self._length += sum(map(len, pieces))
        self._pieces += pieces

    def samples(self):
        """Mono: float32 (n,)."""
        self._gather(None)
        self._resampler = None
        return np.concatenate(self._pieces) if self._pieces else np.zeros(0, dtype=np.float32)


def decode(path, pictures=True, sound=None, threads=0):
    """Yields a clip's Pictures in order, gathering its sound on the way.

    Args:
        path, pictures: anything PyAV opens; False yields nothing and only gathers the sound.
        sound, threads: Sound to fill, or None; of the video decoder, 0 takes one a core.
    Raises ClipError: not readable, beyond the `limits`, or the stream asked for is missing or cut short.
    """
    import av

    name, kind = pathlib.Path(path).name, "pictures" if pictures else "sound"
    try:
        with open(str(path), "rb") as file:
            head, there = file.read(1 << 20), os.fstat(file.fileno()).st_size
        quick = _QUICK if head[4:8] == b"ftyp" else {}  # by its content: a name may be wrong
        told = 8 + int.from_bytes(head[4:8], "little")  # of a wav; a recorder that streams writes the largest numbers
        if head[:4] + head[8:12] == b"RIFFWAVE" and there < 0.9 * told < 0.9 * 0x7FFF0000:
            raise Unreadable(f"{name}: cut short, {there:,} of {told:,} bytes are there")
        # Tags are for people, and may be in any encoding; PyAV 19 knows that by itself.
        tags = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
        options = OPEN | quick | {"max_pixels": str(_limits.get().pixels)}
        with av.open(str(path), options=options, **tags) as container:
            video = container.streams.video[0] if pictures and container.streams.video else None
            audio = container.streams.audio[0] if sound is not None and container.streams.audio else None
            if pictures and audio and not audio.codec_context:
                audio = None  # `decode` of the sound alone says so
            if any(stream and not stream.codec_context for stream in (video, audio)):
                raise Unreadable(f"{name}: it is in a codec that this FFmpeg lacks; convert it to H.264 and AAC")
            if (video if pictures else audio) is None:
                raise ClipError(f"{name}: {'holds no picture' if pictures else 'has no sound stream'}")
            if audio:
                sound.begin(audio)
                told = any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))
                if container.format.name in ("aac", "mp3") and not told:
                    sound.promised = None  # FFmpeg guesses it from the first frames' bit rate
            pictures, total = _decode(container, video, audio, sound, threads, name), video.frames if video else 0
            yield from runtime.bar(pictures, "decoding", "picture", delay=5, total=total or None, leave=False)
    except (av.FFmpegError, OSError) as error:
        raise Unreadable(f"{name}: no {kind} could be read ({error.strerror or error})") from error


def _decode(container, video, audio, sound, threads, name):
    import av

    first, last, count, promised, total, bounds = None, -np.inf, 0, 0, 0, _limits.get()
    if video:
        promised, rate = video.frames, float(video.guessed_rate or video.average_rate or 30)
        video.thread_type, video.codec_context.thread_count = "AUTO", threads
        video.codec_context.options = {"max_pixels": str(bounds.pixels)}
        _check_size(video, bounds, name)
    for packet in container.demux([stream for stream in (video, audio) if stream]):
        promised -= packet.stream is video and packet.is_discard  # before the start that an edit list sets
        try:
            frames = packet.decode() if packet.stream is video or not sound.refused else ()
        except av.InvalidDataError:
            if video:
                _check_size(video, bounds, name)
            continue  # a damaged packet costs its own frames; too many of them count as cut short
        except av.ArgumentError as error:  # VP8 and VP9 in mid-stream do not tell the size
            if packet.stream is video:
                most = f"{bounds.pixels / 1e6:.1f} million pixels"
                raise ClipError(f"{name}: a picture is larger than {most}, or damaged; make it smaller") from error
            raise
        for frame in frames:
            if packet.stream is audio:
                sound.add(frame)
                continue
            if container.format.name == "avi":
                frame.pts = frame.dts  # it stores no times, and those that FFmpeg guesses for packets go back and forth
            time, count, total = frame.time, count + 1, total + frame.width * frame.height
            if time is None or time < last:
                time = last + 1 / rate if count > 1 else 0.0
            first = time if first is None else first
            if time - first > bounds.seconds:
                raise ClipError(f"{name}: more than {bounds.seconds:.0f} s of pictures by their times; cut it")
            if total > bounds.total:
                raise ClipError(
                    f"{name}: more than {bounds.total / 1e6:.0f} million pixels; make it smaller or shorter"
                )
            if time > last:
                last = time
                yield Picture(frame, time)
        if not video and sound.refused:
            return
    if video and not count:
        raise ClipError(f"{name}: holds no picture")
    if count < 0.9 * promised:
        raise Unreadable(f"{name}: cut short, {count} of {promised} frames are there")


def _check_size(video, bounds, name):
    width, height = video.codec_context.width, video.codec_context.height
    if width * height > bounds.pixels:
        most = f"at most {bounds.pixels / 1e6:.1f} million pixels can be read"
        raise ClipError(f"{name}: pictures of {width} × {height}; {most}: make it smaller")


def resample_fps(path, fps, sound=None):
    """Yields a clip's Pictures at a steady rate, whatever its own: the one shown at each tick. Else as `decode`."""
    first = shown = None
    tick, end = 0, 0.0
    for picture in decode(path, sound=sound):
        first = picture.time if first is None else first
        while shown is not None and tick / fps < picture.time - first:
            yield shown
            tick += 1
        # The last picture is shown for as long as the one before it was.
        end = picture.time - first + (picture.time - shown.time if shown else 0)
        shown = picture
    while tick / fps < end or not tick:
        yield shown
        tick += 1


def join(paths, out, size=None, fps=25, rate=48_000):
    """Writes clips with pictures and sound one after the other as one .mp4 file, and returns `out`.

    Args:
        paths, out: list of at least one clip; the file to write.
        size, fps, rate: (width, height), both even, by default that of the first clip; frames a second; Hz.
    Raises ClipError: a clip cannot be read.
    """
    import librosa

    if size is None:
        height, width = next(resample_fps(paths[0], fps)).gray.shape
        size = (width // 2 * 2, height // 2 * 2)
    sounds = []
    for path in paths:
        sound = Sound()
        n = round(sum(1 for _ in resample_fps(path, fps, sound)) / fps * rate)
        samples = librosa.resample(sound.samples(), orig_sr=sound.rate or rate, target_sr=rate, res_type="soxr_hq")
        sounds.append(librosa.util.fix_length(samples, size=n))  # as long as the pictures, so that both begin together
    frames = (resized(picture, size) for path in paths for picture in resample_fps(path, fps))
    synthetic = all(map(mp4.is_synthetic, paths))
    mp4.write(out, frames, np.concatenate(sounds), size=size, fps=fps, rate=rate, synthetic=synthetic)
    return out


def resized(picture, size):
    """A Picture as uint8 (height, width, 3), stretched to size = (width, height)."""
    import cv2

    how = cv2.INTER_AREA if size[1] < picture.gray.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(picture.rgb(), size, interpolation=how)
