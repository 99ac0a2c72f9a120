"""Learns to read action units and emotions off a face's landmarks. Prints one JSON line.

    python benchmarks/pretrain_landmarks.py RAVDESS MORE FER2013 [--out FILE.npz] [--results FOLDER] [--seen FOLDER]

RAVDESS holds action_units.csv, faces_actor05.npz, the 1440 recordings and some clips; MORE holds further clips and
stills/Actor_NN.png, one neutral still of each actor; FER2013 is its csv or unpacked folder, of whose Training stills
500 an emotion are looked at, or all there are. SEEN keeps the landmarks, so that another run need not look again.
RESULTS gets face-landmarks.json and predictions/face-landmarks.csv.gz, the out-of-fold probabilities of every take,
before the temperature.

What names the emotion learns from OpenFace's action units of all actors but the take's own, to which it adds errors as
the map makes them. The ways of leaving out: "takes_out": the map was fitted without that take, but with others of its
actor; the errors are those of other takes. "people_out": the map never met the actor, and no errors are added: they
could only be known from the actor. "people_out_with_errors": as that, with the errors of both actors left out in turn,
so that those of the actor are known, if not the emotions. The classifier that is kept learns with these as well.
A correlation is that of a clip's 35 action units with OpenFace's, averaged over clips; "standardised" takes each action
unit's mean and spread over all recordings off first.
"""

import argparse
import dataclasses
import functools
import hashlib
import itertools
import json
import pathlib
import sys
import time

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import runtime
from helpers.beyond import action_units
from helpers.config import VideoConfig
from helpers.data import images, ravdess
from helpers.predict import pooled
from helpers.video import faces, landmark_classifier, landmarks
from helpers.video.face_detector import Follower, detect
from helpers.video.landmark_classifier import RIGID, SHAPES, SIGNALS, UNITS

TALL = 4 / 3  # the crops' boxes were higher than wide and made square: undone, they are as the clips
STILLS, SEED = 500, 0  # of FER2013, an emotion
ENLARGED = 3  # times, for the detector
PENALTY, COPIES = 0.01, 8  # C of the logistic regression, and how often an example is repeated, each with other errors
FOLDS = 6  # of takes, for the errors
EMOTIONS = np.array(ravdess.EMOTIONS)

# The signals that mean an action unit.
MEANING = {
    "AU01": ("browInnerUp", "inner brow"),
    "AU02": ("browOuterUp", "outer brow"),
    "AU04": ("browDown", "brow gap", "inner brow"),
    "AU05": ("eyeWide", "eyeBlink", "eye opening", "upper lid"),
    "AU06": ("eyeSquint", "mouthSmile", "mouthUpperUp", "cheek", "lower lid"),
    "AU07": ("eyeSquint", "eyeBlink", "lower lid", "eye opening"),
    "AU09": ("noseSneer", "mouthUpperUp", "nose width"),
    "AU10": ("mouthUpperUp", "noseSneer", "nose width", "upper lip"),
    "AU12": ("mouthSmile", "raised corner", "mouth width"),
    "AU14": ("mouthDimple", "mouthPress", "mouthSmile", "mouthStretch", "mouth width"),
    "AU15": ("mouthFrown", "mouthShrugLower", "raised corner"),
    "AU17": ("mouthShrugLower", "mouthShrugUpper", "mouthPress", "chin", "raised corner"),
    "AU20": ("mouthStretch", "mouthRollLower", "mouth width"),
    "AU23": ("mouthPress", "mouthShrugLower", "mouthPucker", "mouthRollLower", "mouth height"),
    "AU25": ("mouthClose", "jawOpen", "mouthLowerDown", "mouth opening", "upper lip"),
    "AU26": ("jawOpen", "jaw", "mouth opening", "mouth height"),
    "AU28": ("mouthRollLower", "mouthRollUpper"),
    "AU45": ("eyeBlink", "upper lid", "eye opening"),
}
_STILL = "AU04_r AU06_r AU07_r AU10_r AU12_r AU14_r AU04_c AU05_c AU06_c AU07_c AU10_c AU12_c AU14_c AU23_c AU28_c"
STILL = frozenset(_STILL.split())  # those that OpenFace measures in each frame by itself

# Variances of the map's prior, in each action unit's variance over people and emotions.
ELSEWHERE = 0.1  # of a weight on a signal that does not mean it; 1 where it does
COMMON, PERSON = 1.0, 0.01  # of an offset for everybody, and of one for each person
NOISE = {"clip": 0.05, "still": 0.3, "class": 0.03, "frozen": 0.05}  # by the kind of example
MOVES = np.array([0.7, 0.3, 0.2, 0.2])[:, None]  # a clip's statistics in spreads over many people's stills


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("ravdess", "more", "fer2013"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--seen", type=pathlib.Path, default=pathlib.Path("cache/landmarks"))
    chosen = parser.parse_args()
    table = ravdess.index(chosen.ravdess)
    study = Study(look(chosen), table, action_units.read(chosen.ravdess / "action_units.csv", table))
    found, rows, errors = study.evidence()
    exact = study.classifier(errors, found["temperature_people_out_with_errors"])
    arrays = {name: array.astype("float16") for name, array in dataclasses.asdict(exact).items()}
    found["float16"] = study.rounding(exact, landmark_classifier.LandmarkClassifier(**arrays))
    found = {"benchmark": "pretrain_landmarks"} | found | speed(clips(chosen)[0])
    if chosen.out:
        with runtime.replacing(chosen.out) as file:
            np.savez_compressed(file, **arrays)
        found["bytes"] = chosen.out.stat().st_size
    found |= {
        "command": "python benchmarks/pretrain_landmarks.py RAVDESS MORE FER2013 --results docs/results",
        "seed": SEED,
    }
    found["sha256"] = hashes(
        [chosen.ravdess / "action_units.csv", chosen.ravdess / "faces_actor05.npz", *clips(chosen)]
    )
    print(json.dumps(found), flush=True)
    if chosen.results:
        (chosen.results / "predictions").mkdir(exist_ok=True)
        (chosen.results / "face-landmarks.json").write_text(json.dumps(found, indent=1) + "\n")
        path, packed = chosen.results / "predictions" / "face-landmarks.csv.gz", {"method": "gzip", "mtime": 0}
        rows.to_csv(path, index=False, float_format="%.5f", compression=packed)


def clips(chosen):
    """Paths of the audio-video clips."""
    paths = [path for root in (chosen.ravdess, chosen.more) for path in ravdess.index(root).video_path if path]
    return [pathlib.Path(path) for path in paths if pathlib.Path(path).stem.startswith("01")]


def hashes(paths):
    """{file's name: its SHA-256}"""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def look(chosen):
    """{part: (names, list of (points (T, 478, 3), blendshapes (T, 52)))}, made where SEEN does not hold it."""
    parts = {
        "crops": lambda: _crops(chosen.ravdess / "faces_actor05.npz"),
        "clips": lambda: _clips(clips(chosen)),
        "stills": lambda: _stills(sorted((chosen.more / "stills").glob("Actor_*.png"))),
        "fer2013": lambda: _fer2013(images.fer2013(chosen.fer2013)),
    }
    chosen.seen.mkdir(parents=True, exist_ok=True)
    seen = {}
    for part, make in parts.items():
        path = chosen.seen / f"{part}.npz"
        if not path.exists():
            start = time.perf_counter()
            names, made = make()
            points, shapes = (np.concatenate(values) for values in zip(*made))
            np.savez(path, names=names, lengths=[len(each[0]) for each in made], points=points, shapes=shapes)
            print(f"{part}: {len(points)} faces in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        with np.load(path, allow_pickle=False) as stored:
            ends = np.cumsum(stored["lengths"])[:-1]
            seen[part] = stored["names"], list(zip(np.split(stored["points"], ends), np.split(stored["shapes"], ends)))
    return seen


def _crops(path):
    with np.load(path, allow_pickle=False) as stored:
        return [str(name)[3:] for name in stored["clip_id"]], [
            _faces([_tall(face) for face in clip if face.max() > 8]) for clip in stored["faces"]
        ]


def _tall(face):
    return cv2.resize(face, (192, round(192 * TALL)), interpolation=cv2.INTER_CUBIC)


def _clips(paths):
    seen = [landmarks.track(path, pooled.VIDEO) for path in paths]
    return [path.stem[3:] for path in paths], [(f.points[f.found], f.blendshapes[f.found]) for f in seen]


def _stills(paths):
    pictures = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    sizes = VideoConfig().detect_sizes
    boxes = [Follower(sizes).find(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in pictures]
    seen = [landmarks.find(picture, box) for picture, box in zip(pictures, boxes)]
    return [path.stem for path in paths], [(points[None], shapes[None]) for points, shapes in seen]


def _fer2013(stills):
    """The first STILLS of each emotion in which the detector finds a face, in an order of chance."""
    shuffled = np.random.default_rng(SEED).permutation(np.flatnonzero(stills.split == "train"))
    rows = []
    for label in np.unique(stills.label):
        faced = (n for n in shuffled if stills.label[n] == label and len(detect(stills.images[n], ENLARGED)))
        rows += itertools.islice(faced, STILLS)
    return EMOTIONS[stills.label[rows]], [_faces([stills.images[row]]) for row in rows]


def _faces(pictures):
    """Landmarks (T, 478, 3), (T, 52) of pictures of faces, whose box is 0.8 of their height, in the middle."""
    seen = []
    for picture in pictures:
        (y, x), half = np.array(picture.shape[:2]) / 2, 0.4 * picture.shape[0]
        seen.append(landmarks.find(picture, (y - half, x + half, y + half, x - half)))
    return tuple(np.stack(values) for values in zip(*seen))


def template(points):
    """float64 (17, 3): the mean rigid points of faces (N, 478, 3) that look into the camera."""
    rigid = points[:, RIGID].astype(float)
    rigid = rigid - rigid.mean(axis=1, keepdims=True)
    return (rigid / np.linalg.norm(rigid[:, :1] - rigid[:, 3:4], axis=2, keepdims=True)).mean(axis=0)


def units(stills):
    """float64 (4, 50): in which size each statistic is told, of many people's stills (N, 50); half of it is the
    spread of that signal, half that of all signals of its kind."""
    spread = stills.std(axis=0) + 1e-3
    kinds = np.repeat([0, 1], [len(SHAPES), len(SIGNALS) - len(SHAPES)])
    usual = np.exp([np.log(spread[kinds == kind]).mean() for kind in (0, 1)])
    return MOVES * np.sqrt(spread * usual[kinds])


def fit(rows, values, person, kind, unit, mean, spread):
    """Learns the map from clips' descriptions to their action units: Gaussian regression with a narrow prior.

    Args:
        rows, values: (N, 4, 50), as `landmark_classifier.describe` gives them; (N, 35), their mean action units.
        person: (N,), whose.
        kind: (N,), a key of NOISE: "still" and "class" (a mean over many people's stills) teach nothing of movement,
            "frozen" (no movement, no action unit) teaches of nothing else.
        unit: (4, 50), as `units` gives them.
        mean, spread: (35,), of the action units over people and emotions.
    Returns: (float64 (4, 50, 35), float64 (35,)): weights and offsets for people without an offset of their own.
    """
    person, kind = np.asarray(person), np.asarray(kind)
    centre, noise = rows[kind == "still"].mean(axis=0), np.array([NOISE[name] for name in kind])
    weights, offsets = np.zeros((*rows.shape[1:], len(UNITS))), np.zeros(len(UNITS))
    for number, column in enumerate(UNITS):
        still = column in STILL
        use = kind != "frozen" if still else ~np.isin(kind, ("still", "class"))
        about = np.where(np.isin(SIGNALS, MEANING[column[:4]]), 1.0, ELSEWHERE)
        prior = np.outer([1, 0, 0, 0] if still else [0, 1, 1, 1], about)
        scale = np.sqrt(prior / prior.sum()) / unit
        told = ((rows[use] - centre * still) * scale).reshape(use.sum(), -1)
        covariance = told @ told.T + COMMON + PERSON * (person[use][:, None] == person[use]) + np.diag(noise[use])
        dual = np.linalg.solve(covariance, (values[use, number] - mean[number]) / spread[number])
        weights[:, :, number] = spread[number] * (dual @ told).reshape(scale.shape) * scale
        offsets[number] = mean[number] + spread[number] * COMMON * dual.sum()
        offsets[number] -= still * (weights[:, :, number] * centre).sum()
    return weights, offsets


class Study:
    """What was seen in the pictures, and classifiers learnt from some of it.

    Args:
        seen: as `look` gives it.
        table: DataFrame of all recordings.
        values: (1440, 35), their clips' action units by OpenFace.
    """

    def __init__(self, seen, table, values):
        self.values, self.label, self.actor = values, table.label.to_numpy(), table.actor.to_numpy()
        self.apex = (table.intensity == 2).to_numpy() | (table.emotion == "neutral").to_numpy()
        self.films, self.stills = seen["crops"][1] + seen["clips"][1], seen["stills"][1]
        self.fer, self.looks = [np.concatenate(values) for values in zip(*seen["fer2013"][1])], seen["fer2013"][0]
        self.takes = np.array([*seen["crops"][0], *seen["clips"][0]])
        self.crop = np.arange(len(self.takes)) < len(seen["crops"][0])
        self.person = np.array([int(take[-2:]) for take in self.takes])
        self.recorded = np.array([clip_id[3:] for clip_id in table.clip_id])
        place = [np.flatnonzero(self.recorded == take)[0] for take in self.takes]
        self.true, self.answer = values[place], self.label[place]
        self.described = functools.cache(self._described)

    def _described(self, person=None):
        """What the pictures say without a person's still: (template; descriptions (N, 4, 50) of the takes; those of the
        others' stills, and whose; signals of FER2013 (n, 50))."""
        others = np.array([number for number in range(1, 25) if number != person])
        stills = [self.stills[number - 1] for number in others]
        mean = template(np.concatenate([points for points, _ in stills]))
        films, stills = (
            np.stack([landmark_classifier.describe(landmark_classifier.signals(*face, mean)) for face in of])
            for of in (self.films, stills)
        )
        return mean, films, stills, others, landmark_classifier.signals(*self.fer, mean)

    def map(self, person=None, take=None):
        """The template, weights and offsets of a LandmarkClassifier that never saw a person, or a take; the action
        units' means and spreads are of other people than that, or than that take's."""
        mean, films, stills, others, fer = self.described(person)
        met = self.actor != (person if take is None else int(take[-2:]))
        learnt = (self.person != person) & (self.takes != take)
        kinds = np.unique(self.looks)
        usual = np.zeros((len(kinds) + 1, *films.shape[1:]))  # the last one: nothing moves, and there is no action unit
        usual[:-1, 0] = [fer[self.looks == kind].mean(axis=0) for kind in kinds]
        emotion = EMOTIONS[self.label]
        neutral = (emotion == "neutral") & (self.recorded != take)
        told = [self.values[neutral & (self.actor == number)].mean(axis=0) for number in others]
        told += [self.values[(emotion == kind) & met & self.apex].mean(axis=0) for kind in kinds]
        fitted = fit(
            np.concatenate([films[learnt], stills, usual]),
            np.concatenate([self.true[learnt], told, np.zeros((1, len(UNITS)))]),
            [*self.person[learnt], *others, *[-1] * len(kinds), -2],
            ["clip"] * learnt.sum() + ["still"] * len(others) + ["class"] * len(kinds) + ["frozen"],
            units(fer),
            self.values[met].mean(axis=0),
            self.values[met].std(axis=0) + 1e-3,
        )
        return mean, *fitted

    def emotion(self, stranger=None, errors=None):
        """Weights (35, 8) and offsets (8,) from the action units' roots to the emotions, of everybody but a stranger.

        To each action unit an error is added, of the same covariance as the map's `errors` (n, 35).
        """
        met = self.actor != stranger
        values, label = np.tile(self.values[met], (COPIES, 1)), np.tile(self.label[met], COPIES)
        if errors is not None:
            drawn = np.random.default_rng(SEED).normal(size=(len(values), len(errors)))
            values = np.maximum(0, values + drawn @ errors / np.sqrt(len(errors)))
        machine = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
        scaler, machine = machine.fit(np.sqrt(values), label)
        weights = machine.coef_.T / scaler.scale_[:, None]
        return weights, machine.intercept_ - scaler.mean_ @ weights

    def read(self):
        """{way: (N, 35)}: the takes' action units by maps that never saw the take, or its actor."""
        strangers = {person: self.map(person=person) for person in np.unique(self.person)}
        without = {take: self.map(take=take) for take in np.unique(self.takes)}
        ways = {"takes_out": (without, self.takes), "people_out": (strangers, self.person)}
        return {
            way: np.stack([_classifier(maps[key]).action_units(*film) for key, film in zip(keys, self.films)])
            for way, (maps, keys) in ways.items()
        }

    def logits(self, units, errors=None, fold=None):
        """(N, 8): the emotions by the takes' action units (N, 35); errors (N, 35) to add, of other folds alone."""
        found = np.zeros((len(units), len(EMOTIONS)))
        fold = np.zeros(len(units), dtype=int) if fold is None else fold
        for person, number in {*zip(self.person, fold)}:
            rows = (self.person == person) & (fold == number)
            others = errors if errors is None or not fold.any() else errors[fold != number]
            weights, offsets = self.emotion(person, others)
            found[rows] = np.sqrt(units[rows]) @ weights + offsets
        return log_softmax(found, axis=1)

    def evidence(self):
        """({name: number}, DataFrame of probabilities, errors (N, 35)) of takes and people that no map has seen."""
        read, fold = self.read(), np.unique(self.takes, return_inverse=True)[1] % FOLDS
        errors = {way: units - self.true for way, units in read.items()}
        ways = {
            "takes_out": (read["takes_out"], errors["takes_out"], fold),
            "people_out": (read["people_out"],),
            "people_out_with_errors": (read["people_out"], errors["people_out"]),
        }
        found = {"crops": int(self.crop.sum()), "clips": int((~self.crop).sum())}
        found |= {"stills": len(self.stills), "fer2013": len(self.looks)}
        mean = [np.corrcoef(self.values.mean(axis=0), true)[0, 1] for true in self.true[~self.crop]]
        found["clips_correlation_of_the_mean"] = round(float(np.mean(mean)), 3)
        right = self.logits(self.true).argmax(axis=1) == self.answer
        found["crops_by_openface_itself"] = round(float(right[self.crop].mean()), 3)
        tables = []
        for way, (units, *added) in ways.items():
            logits = self.logits(units, *added)
            degrees = temperature(logits[self.crop], self.answer[self.crop])
            loss = [-log_softmax(logits / by, axis=1)[np.arange(len(units)), self.answer] for by in (1, degrees)]
            numbers = dict(zip(("correlation", "standardised"), self._correlations(units)))
            numbers |= {"accuracy": logits.argmax(axis=1) == self.answer, "log_loss": loss[0], "tempered": loss[1]}
            for part, rows in (("crops", self.crop), ("clips", ~self.crop)):
                found[f"{part}_{way}"] = {key: round(float(of[rows].mean()), 3) for key, of in numbers.items()}
            found[f"clips_{way}"]["named"] = int(numbers["accuracy"][~self.crop].sum())
            for person in np.unique(self.person):
                rows = ~self.crop & (self.person == person)
                found[f"clips_{way}"][f"correlation_actor_{person}"] = round(
                    float(numbers["correlation"][rows].mean()), 3
                )
            found[f"temperature_{way}"] = degrees
            about = {"clip_id": [f"01-{take}" for take in self.takes], "actor": self.person}
            about |= {"source": np.where(self.crop, "crop", "clip"), "label": self.answer, "way": way}
            columns = {f"p_{name}": np.exp(logits[:, k]) for k, name in enumerate(EMOTIONS)}
            tables.append(pd.DataFrame(about | columns))
        return found, pd.concat(tables), errors["people_out"]

    def _correlations(self, read):
        """Each take's correlation of its action units, as they are and standardised: two (N,)."""
        scale = self.values.std(axis=0) + 1e-3
        pairs = [(read, self.true), [(units - self.values.mean(axis=0)) / scale for units in (read, self.true)]]
        return [np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(*pair)]) for pair in pairs]

    def classifier(self, errors, temperature):
        """The LandmarkClassifier learnt from everything."""
        return _classifier(self.map(), *(of / temperature for of in self.emotion(errors=errors)))

    def rounding(self, exact, rounded):
        """What the rounding of a classifier changes: answers, and the largest difference of a probability."""
        a, b = (np.array([of.probabilities(*film) for film in self.films]) for of in (exact, rounded))
        changed = int((a.argmax(axis=1) != b.argmax(axis=1)).sum())
        return {"answers_changed": changed, "of": len(a), "largest_difference": round(float(np.abs(a - b).max()), 5)}


def _classifier(fitted, emotion=None, emotion_offsets=None):
    return landmark_classifier.LandmarkClassifier(*fitted, emotion, emotion_offsets)


def temperature(logits, label):
    """The number that divides logits (N, C) so that their probabilities fit best (Guo et al. 2017)."""

    def loss(by):
        return -log_softmax(logits / by, axis=1)[np.arange(len(label)), label].mean()

    return round(float(minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x), 3)


def speed(path):
    """CPU seconds of a clip's faces alone, of its faces and landmarks, and what the landmarks of a frame take."""
    landmarks.track(path)
    took = []
    for track in (faces.track, landmarks.track):
        start = time.process_time()
        frames = len(track(path).found)
        took.append(time.process_time() - start)
    each = (took[1] - took[0]) / frames
    took = {"faces_cpu_seconds": took[0], "clip_cpu_seconds": took[1], "frame_cpu_seconds": each}
    return {name: round(value, 4) for name, value in took.items()}


if __name__ == "__main__":
    main()
