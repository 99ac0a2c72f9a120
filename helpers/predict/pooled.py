"""The pretrained model: a classifier of the face and one of the sound, their answers pooled.

benchmarks/pretrain.py fits both on real people; NumPy and OpenCV run them, without a training framework. `pretrained/`
holds them in one file, with a card and a licence of their own.
"""

import dataclasses

import numpy as np
from scipy.special import softmax

from helpers import config, runtime
from helpers.audio import embedding
from helpers.config import AudioConfig, VideoConfig
from helpers.data.packaged_weights import PackageMissing
from helpers.evaluation import calibration
from helpers.features.clip import Preprocessing
from helpers.models.linear import LinearClassifier
from helpers.video import expression, landmark_classifier, landmarks
from helpers.video.landmark_classifier import LandmarkClassifier

FILE = runtime.PROJECT / "pretrained" / "model.zip"
DOUBT = 0.1  # that a part answers about something else than this face or this voice
VIDEO = VideoConfig(fps=5.0)  # landmarks take more time than 48 × 48 faces, and their statistics need fewer of them
_WIDEST = 512  # channels of the expressions' network
AUDIO = AudioConfig(n_fft=960, hop_length=960)  # the sound in frames of 20 ms, side by side


def pretrained(path=FILE, *, threshold=None):
    """Loads the Predictor that answers real people; without a download, whatever Keras' backend.

    Where one of the packages that carry other people's networks is missing, a simpler part answers, or none, and the
    warnings say so.

    Args:
        path, threshold: the file, by default the suite's own; as of `Predictor.load`.
    Raises FileNotFoundError, ValueError: no such file; damaged, or made by a newer version of the suite.
    """
    from helpers.predict.predictor import Predictor

    if not path.is_file():
        raise FileNotFoundError(f"no pretrained model at {path}: fetch the suite again, or name a model of your own")
    return Predictor.load(path, threshold=threshold)


@dataclasses.dataclass(frozen=True)
class PooledClassifiers:
    """A model of one modality, or of two whose probabilities are multiplied (logarithmic pooling)."""

    parts: dict  # {modality: function of a ClipFeatures and a slice of its steps to probabilities (C,)}
    settings: dict  # the emotions' names
    summary: dict  # what it was trained on
    threshold: float  # as FoldEnsemble's
    temperature: float = 1.0  # each part is calibrated by itself

    @property
    def streams(self):
        """The modalities it needs."""
        return tuple(self.parts)

    def answers(self, clip, windows):
        """Answers some windows of a ClipFeatures: (list of float64 (C,), {}), there being no attention."""
        return [self._answer(clip, window) for window in windows], {}

    def _answer(self, clip, window):
        rows = []
        for stream, classify in self.parts.items():
            key = stream, window.start
            if key not in clip.memo:
                clip.memo[key] = classify(clip, window.steps[stream])
            rows.append(clip.memo[key])
        return pool(rows)


@dataclasses.dataclass(frozen=True)
class FaceClassifier:
    """The emotion by a face's landmarks, and by the expression of single frames with a smaller weight."""

    landmarks: LandmarkClassifier
    network: dict  # as of `expression.logits`
    classes: list
    weight: float  # of the expressions' log-probabilities
    temperature: float

    def probabilities(self, points, blendshapes, frames):
        """float64 (C,) of frames (T, 478, 3), (T, 52), (T, 48, 48, 3), all with a face."""
        by_landmarks = self.landmarks.probabilities(points, blendshapes)
        return self.combine(by_landmarks, expression.evidence(frames, self.network, self.classes))

    def combine(self, by_landmarks, evidence):
        """Probabilities (…, C), and mean log-probabilities (…, C), to probabilities."""
        return softmax((np.log(by_landmarks + 1e-9) + self.weight * evidence) / self.temperature, axis=-1)


def pool(rows, doubt=DOUBT):
    """Multiplies probabilities, each mixed with equal ones: no part can rule out what the others see.

    Args:
        rows, doubt: list of (…, C), one alone stays as it is; the share of the equal probabilities.
    Returns: (…, C), with the sum 1.
    """
    if len(rows) == 1:
        return rows[0]
    product = np.prod([(1 - doubt) * row + doubt / row.shape[-1] for row in map(np.asarray, rows)], axis=0)
    return product / product.sum(axis=-1, keepdims=True)


def models(about, arrays):
    """Builds the models of a file of format 3.

    Args:
        about: classes, trained_on, expression: FaceClassifier's weight and temperature, and thresholds: {front of
            `embedding.FRONTS`: {"fusion", "video", "audio": float}}.
        arrays: {"face/<field>", "audio/<front>/<field>", "expression/<layer>/<name>": array}, of a LandmarkClassifier,
            of LinearClassifiers, and of the network in helpers.video.expression.
    Returns: (models, preprocessing, warnings), as `fold_ensemble.load_with_subsystems`.
    Raises ValueError, LookupError, TypeError: something is missing, or does not fit the rest.
    """
    front, reason = embedding.available()
    warnings = [f"A simpler audio model answers: {reason}."] if reason else []
    names, limits = about["classes"], about["thresholds"][front]
    config.check_classes(names)
    if set(limits) != {"fusion", "video", "audio"} or not all(0 <= limit <= 1 for limit in limits.values()):
        raise ValueError(f"its thresholds are {limits}")
    low, high = calibration.RANGE
    if not (0 <= about["expression"]["weight"] <= 1 and low <= about["expression"]["temperature"] <= high):
        raise ValueError(f"its expressions have {about['expression']}")
    stored = {
        part: {name.removeprefix(part): array for name, array in arrays.items() if name.startswith(part)}
        for part in ("face/", "expression/", f"audio/{front}/")
    }
    columns = sum(embedding.WIDTHS[part] for part in embedding.FRONTS[front])
    _check_shapes(*stored.values(), columns, len(names))
    voice = LinearClassifier.of(arrays, f"audio/{front}")
    if not ((voice.scale > 0).all() and low <= voice.temperature <= high):
        raise ValueError("its audio model has a scale or a temperature that no training ends with")
    face = FaceClassifier(LandmarkClassifier(**stored["face/"]), stored["expression/"], names, **about["expression"])
    noise = np.random.default_rng(0).random((2, landmarks.POINTS, 3)), np.zeros((2, 52)), np.zeros((2, 48, 48, 3))
    if not np.isfinite([face.probabilities(*noise), voice.probabilities(np.zeros((1, columns)))[0]]).all():
        raise ValueError("its answers are no numbers")

    def by_voice(clip, steps):
        return voice.probabilities(embedding.row(clip.features["audio"][steps].ravel(), AUDIO.rate, front)[None])[0]

    def by_face(clip, steps):
        track, seen = clip.faces, clip.faces.found[steps]
        return face.probabilities(*(of[steps][seen] for of in (track.points, track.blendshapes, track.frames)))

    parts = {"audio": by_voice}
    try:
        landmarks.load()
        parts = {"video": by_face} | parts
    except PackageMissing as error:
        warnings.append(f"The video is not used: {error}.")
    given = {"settings": {"classes": names}, "summary": {"trained_on": str(about["trained_on"])}}
    asked = ("fusion", "video", "audio") if len(parts) > 1 else parts
    made = {
        kind: PooledClassifiers(parts if kind == "fusion" else {kind: parts[kind]}, threshold=limits[kind], **given)
        for kind in asked
    }
    return made, Preprocessing(VIDEO if "video" in parts else None, AUDIO, pretrained=True), warnings


def _check_shapes(face, expressions, voice, columns, n_classes):
    """Raises ValueError, before anything is computed, where arrays have other shapes than benchmarks/pretrain.py's."""
    expected = {"template": (len(landmark_classifier.RIGID), 3), "offsets": (len(landmark_classifier.UNITS),)}
    statistics = len(landmark_classifier.STATISTICS), len(landmark_classifier.SIGNALS), len(landmark_classifier.UNITS)
    expected |= {"weights": statistics, "emotion": (statistics[-1], n_classes), "emotion_offsets": (n_classes,)}
    linear = {"mean": (columns,), "scale": (columns,), "weights": (columns, n_classes)}
    linear |= {"offset": (n_classes,), "temperature": (1,)}
    for arrays, shapes in ((face, expected), (voice, linear)):
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError(f"its arrays have other shapes than a model of {n_classes} emotions")
    for name, array in expressions.items():
        if max(array.shape[:-2], default=0) > 3 or max(array.shape, default=0) > _WIDEST:
            raise ValueError(f"expression/{name} has the shape {array.shape}")
