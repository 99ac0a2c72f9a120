"""The face in each of a clip's frames, taken at 7.5 a second by their time stamps (thesis 3.4.2)."""

import dataclasses
import pathlib

import numpy as np

from helpers.config import VideoConfig
from helpers.data.exclusions import ClipError
from helpers.video import decoding
from helpers.video.face_detector import Follower, detect

# HOG locates a face to a twelfth of its side, and the head moves less than that within a clip. So the box is a Gaussian
# mean over the neighbouring kept frames: 0.4 s leaves an expression's movement in the crop. Its side is averaged over
# more of them, since a head hardly grows.
SIGMA, SIDE_SIGMA, REACH = 3.0, 8.0, 12  # standard deviations, and the reach to either side, in kept frames
WAITING = 128 << 20  # bytes of pictures that may wait for a face to come back


@dataclasses.dataclass(frozen=True)
class FaceTrack:
    """The faces of one clip, T kept frames."""

    frames: np.ndarray  # uint8 (T, 48, 48, 3), RGB
    found: np.ndarray  # bool (T,), whether the detector found a face; elsewhere the box is interpolated or held
    boxes: np.ndarray  # float32 (T, 4), top right bottom left in pixels of the clip's frame, as face_recognition's
    times: np.ndarray  # float32 (T,), seconds from the clip's first frame
    others: int = 0  # further faces in the picture in which this one was first found


def track(path, config=None, sound=None, threads=0, watch=None):
    """Follows the largest face through a clip.

    Args:
        path: anything PyAV opens. Rotated pictures (a phone held upright) are turned upright.
        config: VideoConfig: 7.5 frames a second, 48 × 48.
        sound, threads: as of `decoding.decode`.
        watch: called with each kept frame, as decoding.Picture, and its face's box, None where no face was found.
    Returns: FaceTrack. Where no frame has a face, `found` is all False and `frames` is black.
    Raises ClipError: not readable, no pictures, cut short, or shorter than `min_seconds`.
    """
    config = config or VideoConfig()
    follower = Follower(config.detect_sizes)
    times, detected, boxes, crops, waiting = [], [], [], [], []
    until = 0  # the frame after the last face

    def finish(picture):
        box = smooth_boxes(detected, len(crops))
        black = np.zeros((config.size, config.size, 3), dtype=np.uint8)
        crops.append(black if box is None else _crop_picture(picture, box, config))
        boxes.append(np.zeros(4, dtype=np.float32) if box is None else box)

    for time, picture in _kept(path, config, sound, threads):
        detected.append(follower.find(picture.gray))
        if watch:
            watch(picture, detected[-1])
        times.append(time)
        waiting.append(picture)
        until = until if detected[-1] is None else len(detected)
        # A picture's box is final once its neighbours' are, and a face has come back if it was lost.
        ready = min(len(detected) - REACH, until) - len(crops)
        while ready > 0 or len(waiting) * picture.nbytes > WAITING:
            finish(waiting.pop(0))
            ready -= 1
    for picture in waiting:
        finish(picture)
    found = np.array([box is not None for box in detected])
    return FaceTrack(np.stack(crops), found, np.stack(boxes), np.array(times, dtype=np.float32), follower.others or 0)


def kept_frames(path, config=None):
    """Yields the frames nearest to 0, 1/7.5, 2/7.5, … seconds, by their time stamps; each once in a slower clip.

    Each is (seconds from the first frame, uint8 (H, W, 3) RGB). Raises ClipError: as `track`.
    """
    for time, picture in _kept(path, config or VideoConfig()):
        yield time, picture.rgb()


def _kept(path, config, sound=None, threads=0):
    """As `kept_frames`, with each frame as decoding.Picture."""
    first = last = None
    interval, tick = 1 / 30, 0
    for picture in decoding.decode(path, sound=sound, threads=threads):
        first = picture.time if first is None else first
        now = picture.time - first
        interval = interval if last is None else now - last
        last = now
        if now + interval / 2 >= tick / config.fps:
            yield now, picture
            # After a stall the half interval would skip pictures that are there.
            tick = int((now + min(interval, 1 / config.fps) / 2) * config.fps) + 1
    if last + interval < config.min_seconds:
        name = pathlib.Path(path).name
        raise ClipError(f"{name}: {last + interval:.2f} s of pictures; at least {config.min_seconds} s needed")


def smooth_boxes(detected, at):
    """The box of kept frame `at`, averaged over its neighbours: float32 (4,), or None where there is no face at all.

    Args:
        detected: list of (4,) boxes, None where no face was detected, which is interpolated, and held at the ends;
            frames after the list's end are not decoded yet.
        at: number of the frame.
    """
    if detected[at] is None:
        before = next((n for n in range(at, -1, -1) if detected[n] is not None), None)
        after = next((n for n in range(at, len(detected)) if detected[n] is not None), None)
        ends = [n for n in (before, after) if n is not None]
        if not ends:
            return None
        a, b = (smooth_boxes(detected, n) for n in (ends[0], ends[-1]))
        part = 0 if ends[0] == ends[-1] else (at - ends[0]) / (ends[-1] - ends[0])
        return ((1 - part) * a + part * b).astype(np.float32)
    near = [n for n in range(max(0, at - REACH), min(len(detected), at + REACH + 1)) if detected[n] is not None]
    boxes = np.array([detected[n] for n in near], dtype=np.float64)  # (n, 4) top right bottom left
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    side = (boxes[:, 2] - boxes[:, 0] + boxes[:, 1] - boxes[:, 3]) / 2
    own = near.index(at)
    same = np.abs(middle - middle[own]).max(axis=1) < 0.5 * side[own]  # another face, or a cut, is no neighbour
    weights = [np.exp(-0.5 * ((np.array(near) - at) / sigma) ** 2) * same for sigma in (SIGMA, SIDE_SIGMA)]
    y, x = weights[0] @ middle / weights[0].sum()
    half = weights[1] @ side / weights[1].sum() / 2
    return np.array([y - half, x + half, y + half, x - half], dtype=np.float32)


def _crop_picture(picture, box, config):
    """`crop` out of a Picture, of which only the region around the box becomes RGB."""
    top, right, bottom, left = box
    side = config.margin * max(bottom - top, right - left)
    y, x = (top + bottom - side) / 2, (left + right - side) / 2
    height, width = picture.gray.shape
    y0, x0 = max(0, min(height - 2, int(y) - 2)), max(0, min(width - 2, int(x) - 2))
    y1, x1 = min(height, max(y0 + 2, int(y + side) + 3)), min(width, max(x0 + 2, int(x + side) + 3))
    region = picture.rgb(y0, y1, x0, x1)
    return crop(region, (top - y0, right - x0, bottom - y0, left - x0), config.size, config.margin)


def crop(frame, box, size=48, margin=1.0):
    """The square around a box, scaled: uint8 (size, size, 3).

    Args:
        frame, size: uint8 (H, W, 3); side of the result in px.
        box: top, right, bottom, left in pixels; may reach over the frame's edge, which is then repeated.
        margin: side of the square in box sides.
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


def largest_face(picture, size=48):
    """The largest face of a single gray picture, uint8 (H, W), as uint8 (size, size); its middle square where none is.

    The picture is looked at in the first two of `VideoConfig.detect_sizes`, until one shows a face.
    """
    for long_side in VideoConfig().detect_sizes[:2]:
        boxes = detect(picture, long_side / max(picture.shape))
        if len(boxes):
            return crop(picture, max(boxes, key=lambda box: (box[2] - box[0]) * (box[1] - box[3])), size)
    side = min(picture.shape)
    top, left = ((length - side) // 2 for length in picture.shape)
    return crop(picture, (top, left + side, top + side, left), size)
