"""dlib's HOG face detector, where it is cheap: on gray pictures, reduced, and near the last face."""

import functools

import numpy as np

NEAR = 1.5  # side of the region searched around the last face, in face sides
FACE = 84  # px a face has there at the least; the detector finds none below 80
LOOK_AROUND = 15  # kept frames after which the whole picture is searched again, 2 s
PATIENCE = 3  # frames without any face that are searched at every size, before only the smallest is tried
AGAIN = 8  # and then all of them in every eighth frame, 1 s


class Follower:
    """Follows the largest face from picture to picture; `sizes` are the picture's long sides in px, tried in turn.

    The last face's neighbourhood is searched first, reduced until the face is just as large as the detector needs.
    Where it is lost, the whole picture is searched, at one size after the other: a small face needs a larger picture.
    HOG's boxes sit on a grid of a twelfth of the face; the neighbourhood moves with them, and the grid with it, so
    that the errors of successive frames differ and their average is finer than the grid (see `faces.smooth_boxes`).
    """

    def __init__(self, sizes):
        self.sizes, self.level, self.misses, self.count, self.last = sizes, 0, 0, 0, None
        self.others = None  # further faces in the first picture with a face

    def find(self, gray):
        """The face's (top, right, bottom, left) in pixels of `gray`, uint8 (H, W); None where there is none."""
        self.count += 1
        self.last = self._near(gray) if self.last is not None else None
        if self.last is None:
            self.last = self._anywhere(gray)
        elif self.count % LOOK_AROUND == 0:
            other = _largest(detect(gray, self.sizes[self.level] / max(gray.shape)))
            self.last = other if other is not None and _side(other) > 1.25 * _side(self.last) else self.last
        return self.last

    def _near(self, gray):
        top, right, bottom, left = self.last
        side = _side(self.last)
        half, y, x = NEAR * side / 2, (top + bottom) / 2, (left + right) / 2
        y0, x0 = max(0, int(y - half)), max(0, int(x - half))
        region = gray[y0 : int(y + half), x0 : int(x + half)]
        if min(region.shape) < 8:
            return None
        # A whole number of pixels made one is several times faster to reduce than any other factor.
        scale = 1 / (side // FACE) if side >= FACE else FACE / side
        return _largest(detect(region, scale) + np.array([y0, x0, y0, x0], dtype=np.float32))

    def _anywhere(self, gray):
        thorough = self.misses < PATIENCE or self.misses % AGAIN == 0
        for level in range(self.level, len(self.sizes)) if thorough else (0,):
            boxes = detect(gray, self.sizes[level] / max(gray.shape))
            if len(boxes):
                self.level, self.misses = level, 0
                self.others = len(boxes) - 1 if self.others is None else self.others
                return _largest(boxes)
        self.level, self.misses = 0, self.misses + 1
        return None


def _side(box):
    return max(box[2] - box[0], box[1] - box[3])


def _largest(boxes):
    return max(boxes, key=_side) if len(boxes) else None


def detect(picture, scale):
    """Finds faces in uint8 (H, W) or (H, W, 3) at a scale: float32 (n, 4), top right bottom left, as if unscaled."""
    import cv2

    if min(picture.shape[:2]) * scale < 1:
        return np.zeros((0, 4), dtype=np.float32)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)
    found, (height, width) = _detector()(small, 0), small.shape[:2]
    boxes = [(max(0, b.top()), min(width, b.right()), min(height, b.bottom()), max(0, b.left())) for b in found]
    return np.array(boxes, dtype=np.float32).reshape(-1, 4) / np.float32(scale)


@functools.cache
def _detector():
    """The detector that face_recognition calls "hog", without that package's networks, which take a GPU's memory."""
    import dlib

    return dlib.get_frontal_face_detector()
