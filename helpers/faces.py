"""A clip's pictures: frames at 7.5 a second by their time stamps, and the face in each (thesis 3.4.2)."""

import dataclasses
import importlib.util
import pathlib
import sys
import types

import numpy as np

from helpers.config import VideoConfig
from helpers.exclusions import ClipError


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

    def save(self, file):
        """Writes .npz to an open binary file; nothing in it is pickled."""
        np.savez(file, **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(**{field.name: stored[field.name] for field in dataclasses.fields(cls)})


def track(path, config=None):
    """Follows the largest face through a clip.

    Args:
        path: anything OpenCV opens.
        config: VideoConfig: 7.5 frames a second, 48 × 48.

    Returns:
        FaceTrack. Where no frame has a face, `found` is all False and `frames` is black.

    Raises:
        ClipError: not readable, no pictures, cut short, or shorter than `min_seconds`.
    """
    config = config or VideoConfig()
    boxes, crops, times = [], [], []
    detector = _Detector(config.detect_sizes)
    frames = []
    for time, frame in kept_frames(path, config):
        boxes.append(detector.largest(frame))
        frames.append(frame)
        times.append(time)
    found = np.array([box is not None for box in boxes])
    steady = _fill(boxes, found)
    for frame, box in zip(frames, steady):
        crops.append(crop(frame, box, config.size, config.margin) if found.any() else _black(config.size))
    return FaceTrack(np.stack(crops), found, steady, np.array(times, dtype=np.float32))


def kept_frames(path, config=None):
    """Yields the frames nearest to 0, 1/7.5, 2/7.5, … seconds, by their time stamps, not by counting to four.

    Where the clip's own rate is lower than the wanted one, each frame comes once.

    Args:
        path: anything OpenCV opens.
        config: VideoConfig.

    Yields:
        (seconds from the first frame, uint8 (H, W, 3) RGB).

    Raises:
        ClipError: as `track`.
    """
    import cv2

    config = config or VideoConfig()
    name = pathlib.Path(path).name
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise ClipError(f"{name}: no pictures could be read (not a video, or cut short before its index)")
        promised, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS) or 30.0
        count, first, last, wanted = 0, 0.0, 0.0, 0
        while capture.grab():
            now = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = now if count == 0 else first
            interval = now - first - last if count else 1 / rate
            last = now - first
            count += 1
            if last + interval / 2 >= wanted / config.fps:
                fine, frame = capture.retrieve()
                if fine:
                    yield last, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                    wanted = int((last + interval / 2) * config.fps) + 1
    finally:
        capture.release()
    if not count:
        raise ClipError(f"{name}: holds no picture")
    if count < 0.9 * promised:
        raise ClipError(f"{name}: cut short, {count} of {promised:.0f} frames are there")
    seconds = last + 1 / rate
    if seconds < config.min_seconds:
        raise ClipError(f"{name}: {seconds:.2f} s of pictures; at least {config.min_seconds} s needed")


class _Detector:
    """dlib's HOG detector on a reduced frame. It finds faces of 80 px and more, so a small face needs a larger frame:
    the size that found one is where the next frame starts, and only a clip's first misses try every size."""

    PATIENCE = 3  # frames without any face that are searched at every size, before only the smallest is tried

    def __init__(self, sizes):
        self.sizes = sizes
        self.level = 0
        self.misses = 0

    def largest(self, frame):
        """Largest face's (top, right, bottom, left) in pixels of `frame`, or None."""
        levels = range(self.level, len(self.sizes)) if self.misses < self.PATIENCE else [self.level]
        for level in levels:
            boxes = detect(frame, self.sizes[level])
            if len(boxes):
                self.level, self.misses = level, 0
                return boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 1] - boxes[:, 3]))]
        self.misses += 1
        return None


def detect(frame, long_side):
    """Faces in a frame scaled to `long_side` px: float32 (n, 4), top right bottom left in pixels of `frame`."""
    import cv2

    height, width = frame.shape[:2]
    scale = long_side / max(height, width)
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    found = _face_recognition().face_locations(small, number_of_times_to_upsample=0, model="hog")
    return np.array(found, dtype=np.float32).reshape(-1, 4) / scale


def _face_recognition():
    """Imports face_recognition. Its models package asks for pkg_resources, which setuptools 81 dropped: where that is
    so, the one function it uses stands in, or the import would end the process with quit()."""
    if "face_recognition" not in sys.modules and importlib.util.find_spec("pkg_resources") is None:
        stand_in = types.ModuleType("pkg_resources")
        folder = pathlib.Path(importlib.util.find_spec("face_recognition_models").origin).parent
        stand_in.resource_filename = lambda package, name: str(folder / name)
        sys.modules["pkg_resources"] = stand_in
        try:
            import face_recognition
        finally:
            del sys.modules["pkg_resources"]
        return face_recognition
    import face_recognition

    return face_recognition


def _fill(boxes, found):
    """Boxes (T, 4) with the missing ones interpolated between their neighbours, and held at both ends."""
    if not found.any():
        return np.zeros((len(boxes), 4), dtype=np.float32)
    at = np.flatnonzero(found)
    known = np.stack([boxes[i] for i in at])  # (found, 4)
    return np.stack([np.interp(np.arange(len(boxes)), at, side) for side in known.T], axis=1).astype(np.float32)


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
