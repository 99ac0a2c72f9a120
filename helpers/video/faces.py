"""A clip's pictures: frames at 7.5 a second by their time stamps, and the face in each (thesis 3.4.2)."""

import dataclasses
import pathlib

import numpy as np

from helpers.config import VideoConfig
from helpers.data.exclusions import ClipError
from helpers.video import decoding
from helpers.video.face_detector import Follower, detect

__all__ = ["FaceTrack", "crop", "detect", "kept_frames", "smooth_boxes", "track"]

# HOG finds a face to a twelfth of its side, and the head moves less than that within a clip. So the box is a Gaussian
# mean over the neighbouring kept frames: 0.4 s is slow enough to leave an expression's movement in the crop. Its side
# is averaged over more of them, since a head hardly grows.
SPREAD, SIDE_SPREAD, REACH = 3.0, 8.0, 12  # standard deviations, and the reach to either side, in kept frames
WAITING = 128 << 20  # bytes of pictures that may wait for a face to come back


@dataclasses.dataclass(frozen=True)
class FaceTrack:
    """The faces of one clip, T kept frames.

    Attributes:
        frames: uint8 (T, 48, 48, 3), RGB.
        found: bool (T,), True where the detector found a face; elsewhere the box was interpolated or held.
        boxes: float32 (T, 4), top right bottom left in pixels of the clip's frame, as face_recognition gives them.
        times: float32 (T,), seconds from the clip's first frame.
    """

    frames: np.ndarray
    found: np.ndarray
    boxes: np.ndarray
    times: np.ndarray


def track(path, config=None, sound=None, threads=0):
    """Follows the largest face through a clip.

    Args:
        path: anything PyAV opens. Turned pictures (a phone held upright) are set right.
        config: VideoConfig: 7.5 frames a second, 48 × 48.
        sound: media.Sound that gathers the clip's sound in the same pass, or None.
        threads: of the video decoder; 0 takes one a core.

    Returns:
        FaceTrack. Where no frame has a face, `found` is all False and `frames` is black.

    Raises:
        ClipError: not readable, no pictures, cut short, or shorter than `min_seconds`.
    """
    config = config or VideoConfig()
    follower = Follower(config.detect_sizes)
    found, times, raw, boxes, crops, waiting = [], [], [], [], [], []

    def finish(picture):
        box = smooth_boxes(raw, len(crops))
        crops.append(_black(config.size) if box is None else _cut(picture, box, config))
        boxes.append(np.zeros(4, dtype=np.float32) if box is None else box)

    for time, picture in _kept(path, config, sound, threads):
        raw.append(follower.find(picture.gray))
        found.append(raw[-1] is not None)
        times.append(time)
        waiting.append(picture)
        # A picture's box is known once its neighbours' are, and a face has come back if it was lost.
        known = np.flatnonzero(found)
        ready = max(0, min(len(raw) - REACH, known[-1] + 1 if len(known) else 0) - len(crops))
        while ready or len(waiting) * picture.nbytes > WAITING:
            finish(waiting.pop(0))
            ready = max(0, ready - 1)
    for picture in waiting:
        finish(picture)
    return FaceTrack(np.stack(crops), np.array(found), np.stack(boxes), np.array(times, dtype=np.float32))


def kept_frames(path, config=None):
    """Yields the frames nearest to 0, 1/7.5, 2/7.5, … seconds, by their time stamps, not by counting to four.

    Where the clip's own rate is lower than the wanted one, each frame comes once.

    Args:
        path: anything PyAV opens.
        config: VideoConfig.

    Yields:
        (seconds from the first frame, uint8 (H, W, 3) RGB).

    Raises:
        ClipError: as `track`.
    """
    for time, picture in _kept(path, config or VideoConfig()):
        yield time, picture.rgb()


def _kept(path, config, sound=None, threads=0):
    """As `kept_frames`, with each frame as media.Picture."""
    first = last = None
    interval, wanted = 1 / 30, 0
    for picture in decoding.decode(path, sound=sound, threads=threads):
        first = picture.time if first is None else first
        now = picture.time - first
        interval = interval if last is None else now - last
        last = now
        if now + interval / 2 >= wanted / config.fps:
            yield now, picture
            wanted = int((now + interval / 2) * config.fps) + 1
    if last + interval < config.min_seconds:
        name = pathlib.Path(path).name
        raise ClipError(f"{name}: {last + interval:.2f} s of pictures; at least {config.min_seconds} s needed")


def smooth_boxes(raw, at):
    """The box of kept frame `at`, from those found in it and around it.

    Args:
        raw: list of (4,) boxes, None where none was found; frames after the list's end are not known yet.
        at: number of the frame.

    Returns:
        float32 (4,): averaged over its neighbours; interpolated where it was not found, held at the ends; None where
        there is no face at all.
    """
    lo, hi = max(0, at - REACH), min(len(raw), at + REACH + 1)
    known = [n for n in range(lo, hi) if raw[n] is not None]
    if raw[at] is None:
        before = next((n for n in range(at, -1, -1) if raw[n] is not None), None)
        after = next((n for n in range(at, len(raw)) if raw[n] is not None), None)
        ends = [n for n in (before, after) if n is not None]
        if not ends:
            return None
        a, b = (smooth_boxes(raw, n) for n in (ends[0], ends[-1]))
        part = 0 if ends[0] == ends[-1] else (at - ends[0]) / (ends[-1] - ends[0])
        return ((1 - part) * a + part * b).astype(np.float32)
    boxes = np.array([raw[n] for n in known], dtype=np.float64)  # (n, 4) top right bottom left
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    side = (boxes[:, 2] - boxes[:, 0] + boxes[:, 1] - boxes[:, 3]) / 2
    own = known.index(at)
    same = np.abs(middle - middle[own]).max(axis=1) < 0.5 * side[own]  # another face, or a cut, is no neighbour
    weights = [np.exp(-0.5 * ((np.array(known) - at) / spread) ** 2) * same for spread in (SPREAD, SIDE_SPREAD)]
    y, x = weights[0] @ middle / weights[0].sum()
    half = weights[1] @ side / weights[1].sum() / 2
    return np.array([y - half, x + half, y + half, x - half], dtype=np.float32)


def _cut(picture, box, config):
    """The square around a box, out of a Picture, of which only that region becomes RGB."""
    top, right, bottom, left = box
    side = config.margin * max(bottom - top, right - left)
    y, x = (top + bottom - side) / 2, (left + right - side) / 2
    height, width = picture.gray.shape
    y0, x0 = max(0, min(height - 2, int(y) - 2)), max(0, min(width - 2, int(x) - 2))
    y1, x1 = min(height, max(y0 + 2, int(y + side) + 3)), min(width, max(x0 + 2, int(x + side) + 3))
    region = picture.rgb(y0, y1, x0, x1)
    return crop(region, (top - y0, right - x0, bottom - y0, left - x0), config.size, config.margin)


def crop(frame, box, size=48, margin=1.0):
    """The square around a box, scaled.

    Args:
        frame: uint8 (H, W, 3).
        box: top, right, bottom, left in pixels; may reach over the frame's edge, which is then repeated.
        size: side of the result in px.
        margin: side of the square in box sides.

    Returns:
        uint8 (size, size, 3).
    """
    import cv2

    top, right, bottom, left = box
    side = max(2.0, margin * max(bottom - top, right - left))
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    x0, y0, n = round(float(x)), round(float(y)), round(float(side))
    height, width = frame.shape[:2]
    pad = max(0, -x0, -y0, x0 + n - width, y0 + n - height)
    if pad:
        frame = cv2.copyMakeBorder(frame, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    square = frame[y0 + pad : y0 + pad + n, x0 + pad : x0 + pad + n]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if n > size else cv2.INTER_LINEAR)


def _black(size):
    return np.zeros((size, size, 3), dtype=np.uint8)
