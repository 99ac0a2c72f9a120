"""Action units and emotion of any clip, read off the landmarks of its face.

These action units imitate OpenFace's without OpenFace; helpers/beyond/action_units.py reads a file that OpenFace wrote.
OpenFace (FaceAnalyser.cpp of OpenFace 2) measures some units in each frame by itself: brows down, cheeks up, lids
tight, upper lip, lip corners, dimples. Of the others only the movement counts, what a frame has more than the clip's
quieter frames. So the first are linear in the means of the landmarks' signals over the clip, the others in how the
signals move. benchmarks/pretrain_landmarks.py fits the weights.
"""

import dataclasses

import numpy as np
from scipy.special import softmax

from helpers.video.landmarks import NAMES

_NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
# As OpenFace names them: a unit's mean intensity, 0 to 5, which 28 has not, and the share of frames that show it.
UNITS = (*(f"AU{n:02}_r" for n in _NUMBERS if n != 28), *(f"AU{n:02}_c" for n in _NUMBERS))

_CORNERS = (33, 133, 362, 263)  # of the eyes
_HEIGHTS = {  # of points above other points, in distances between the outer corners of the eyes
    "inner brow": ((55, 107, 285, 336), _CORNERS),
    "middle brow": ((52, 65, 66, 282, 295, 296), _CORNERS),
    "outer brow": ((46, 70, 105, 276, 300, 334), _CORNERS),
    "upper lid": ((159, 386), _CORNERS),
    "lower lid": (_CORNERS, (145, 374)),
    "nose": (_CORNERS, (98, 327)),
    "cheek": (_CORNERS, (50, 280)),
    "lip corner": (_CORNERS, (61, 291)),
    "raised corner": ((61, 291), (13, 14, 0, 17)),
    "upper lip": ((2,), (0,)),
    "lower lip": ((2,), (17,)),
    "chin": ((17,), (152,)),
    "jaw": (_CORNERS, (152,)),
}
_WIDTHS = {  # distances within pairs of points
    "brow gap": ((55, 285),),
    "eye opening": ((159, 145), (386, 374)),
    "nose width": ((98, 327),),
    "mouth width": ((61, 291),),
    "mouth opening": ((13, 14),),
    "mouth height": ((0, 17),),
    "upper lip height": ((0, 13),),
    "lower lip height": ((14, 17),),
}
_WHOLE = [name for name in NAMES[1:] if not name.endswith(("Left", "Right"))]
_SIDED = [name for name in NAMES if name.endswith("Left") and name not in ("jawLeft", "mouthLeft")]
_LEFT = [NAMES.index(name) for name in _WHOLE + _SIDED]
_RIGHT = [NAMES.index(name.replace("Left", "Right")) for name in _WHOLE + _SIDED]
SHAPES = tuple(_WHOLE + [name.removesuffix("Left") for name in _SIDED])
SIGNALS = (*SHAPES, *_HEIGHTS, *_WIDTHS)
STATISTICS = ("mean", "spread", "above", "below")  # the last two: mean distance from the lower, the upper quartile
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 127, 356, 10, 151, 9, 234, 454)  # corners, nose, temples, forehead


@dataclasses.dataclass(frozen=True)
class LandmarkClassifier:
    """Reads action units, and by them the emotion, off the landmarks of a clip or of any part of it.

    `dataclasses.asdict` gives the arrays to store, and `LandmarkClassifier(**arrays)` takes them back, also in float16.
    """

    template: np.ndarray  # (17, 3), as of `upright`
    weights: np.ndarray  # (4, 50, 35), from STATISTICS of SIGNALS to UNITS
    offsets: np.ndarray  # (35,)
    emotion: np.ndarray  # (35, C), from the square roots of the action units, most of which are near 0, to logits
    emotion_offsets: np.ndarray  # (C,)

    def action_units(self, points, blendshapes):
        """float64 (35,), none below 0: UNITS of frames (T, 478, 3), (T, 52); NaN, no face, counts for nothing.

        Raises ValueError: no frame has a face.
        """
        found = np.isfinite(points[:, 0, 0])
        if not found.any():
            raise ValueError(f"none of {len(found)} frames has a face's landmarks")
        described = describe(signals(points[found], blendshapes[found], self.template))
        return np.maximum(0, np.tensordot(described, np.float64(self.weights), 2) + self.offsets)

    def probabilities(self, points, blendshapes):
        """float64 (C,): probabilities of the emotions; as of `action_units`."""
        return softmax(np.sqrt(self.action_units(points, blendshapes)) @ self.emotion + self.emotion_offsets)


def upright(points, template):
    """Turns, moves and scales faces so that what is rigid in them lies on a template (Umeyama 1991).

    Args:
        points, template: (T, 478, 3); (17, 3), where the RIGID points shall be, outer corners of eyes at distance 1.
    Returns: float64 (T, 478, 3).
    """
    rigid, template = points[:, RIGID].astype(float), np.float64(template)
    middle = rigid.mean(axis=1, keepdims=True)
    rigid = rigid - middle
    left, values, right = np.linalg.svd(np.swapaxes(rigid, 1, 2) @ (template - template.mean(axis=0)))
    signs = np.ones_like(values)
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    scale = (values * signs).sum(axis=1) / (rigid**2).sum(axis=(1, 2))
    return scale[:, None, None] * (points - middle) @ ((left * signs[:, None]) @ right)


def signals(points, blendshapes, template):
    """float64 (T, 50): SIGNALS of faces (T, 478, 3), (T, 52), left and right as one; template as of `upright`."""
    face = upright(points, template)
    shapes = (blendshapes[:, _LEFT] + blendshapes[:, _RIGHT]) / 2
    heights = [face[:, low, 1].mean(axis=1) - face[:, high, 1].mean(axis=1) for high, low in _HEIGHTS.values()]
    pairs = [np.array(pairs) for pairs in _WIDTHS.values()]  # (n, 2)
    widths = [np.linalg.norm(face[:, p[:, 0]] - face[:, p[:, 1]], axis=2).mean(axis=1) for p in pairs]
    return np.column_stack([shapes, *heights, *widths])


def describe(signals):
    """float64 (4, 50): STATISTICS of signals (T, 50). One frame alone does not move."""
    low, high = np.percentile(signals, (25, 75), axis=0)
    above, below = np.maximum(0, signals - low).mean(axis=0), np.maximum(0, high - signals).mean(axis=0)
    return np.stack([signals.mean(axis=0), signals.std(axis=0), above, below])
