import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers.beyond import action_units
from helpers.data import ravdess
from helpers.video import landmark_classifier
from helpers.video.landmark_classifier import RIGID, SHAPES, SIGNALS, UNITS
from helpers.video.landmarks import NAMES


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def face(rng):
    """Points of a made-up face, (478, 3), the outer corners of its eyes at distance 1."""
    points = rng.normal(size=(478, 3))
    return points / np.linalg.norm(points[33] - points[263])


@pytest.fixture
def classifier(face, rng):
    weights = rng.normal(size=(4, len(SIGNALS), len(UNITS)))
    return landmark_classifier.LandmarkClassifier(
        face[list(RIGID)], weights, np.full(len(UNITS), 0.5), rng.normal(size=(len(UNITS), 8)), rng.normal(size=8)
    )


def clip(face, rng, frames):
    return face + rng.normal(scale=0.01, size=(frames, 478, 3)), rng.uniform(size=(frames, 52))


def test_signals_do_not_change_where_the_head_turns_moves_or_comes_nearer(face, rng):
    shapes = rng.uniform(size=(1, 52))
    turned = 40 * face @ Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix().T + [300, 200, 5]
    before = landmark_classifier.signals(face[None], shapes, face[list(RIGID)])
    assert before.shape == (1, len(SIGNALS))
    assert landmark_classifier.signals(turned[None], shapes, face[list(RIGID)]) == pytest.approx(before, abs=1e-9)


def test_the_uprighted_face_lies_on_the_template(face):
    template = face[list(RIGID)]
    upright = landmark_classifier.upright(face[None] * 7 + 3, template)
    assert upright[0, list(RIGID)] == pytest.approx(template - template.mean(axis=0), abs=1e-9)


def test_left_and_right_are_one_signal_and_none_is_lost(face):
    sides = np.zeros((2, 52))
    sides[0, NAMES.index("mouthSmileLeft")] = sides[1, NAMES.index("mouthSmileRight")] = 1
    found = landmark_classifier.signals(np.stack([face, face]), sides, face[list(RIGID)])
    assert found[:, SIGNALS.index("mouthSmile")].tolist() == [0.5, 0.5]
    single = {"_neutral", "jawLeft", "jawRight", "mouthLeft", "mouthRight"}
    assert {name.removesuffix("Left").removesuffix("Right") for name in set(NAMES) - single} == set(SHAPES)


def test_one_frame_alone_does_not_move(rng):
    signals = rng.normal(size=(1, len(SIGNALS)))
    mean, *moves = landmark_classifier.describe(signals)
    assert np.array_equal(mean, signals[0]) and not np.any(moves)


def test_a_short_smile_is_above_and_a_blink_below_what_the_clip_mostly_shows():
    signals = np.zeros((20, len(SIGNALS)))
    signals[3:5, 0], signals[3:5, 1] = 1, -1
    _, _, above, below = landmark_classifier.describe(signals)
    assert above[:2].tolist() == [0.1, 0] and below[:2].tolist() == [0, 0.1]


def test_any_part_of_a_clip_has_its_own_answer(classifier, face, rng):
    points, shapes = clip(face, rng, 60)
    whole, *parts = (classifier.probabilities(points[part], shapes[part]) for part in (slice(60), slice(22), slice(1)))
    for answer in (whole, *parts):
        assert answer.shape == (8,) and answer.sum() == pytest.approx(1) and answer.min() >= 0
    assert not np.allclose(whole, parts[0])


def test_action_units_are_never_negative(classifier, face, rng):
    units = classifier.action_units(*clip(face, rng, 9))
    assert units.shape == (len(UNITS),) and units.min() == 0 < units.max()


def test_frames_without_a_face_count_for_nothing_and_a_clip_without_one_is_told(classifier, face, rng):
    points, shapes = clip(face, rng, 4)
    points[1], shapes[1] = np.nan, np.nan
    rest = [0, 2, 3]
    assert np.array_equal(classifier.action_units(points, shapes), classifier.action_units(points[rest], shapes[rest]))
    for part, frames in ((slice(1, 2), 1), (slice(0), 0)):
        with pytest.raises(ValueError, match=f"none of {frames} frames"):
            classifier.probabilities(points[part], shapes[part])


def test_a_classifier_is_its_arrays_also_in_half_the_bytes(classifier, face, rng):
    film = clip(face, rng, 9)
    arrays = {name: array.astype("float16") for name, array in dataclasses.asdict(classifier).items()}
    again = landmark_classifier.LandmarkClassifier(**arrays)
    assert again.probabilities(*film).dtype == np.float64
    assert again.probabilities(*film) == pytest.approx(classifier.probabilities(*film), abs=0.05)


@pytest.mark.real
def test_the_units_are_named_and_ordered_as_openface_does(shared):
    path = shared / "ravdess" / "action_units.csv"
    with open(path) as file:
        columns = file.readline().strip().split(";")
    assert tuple(name for name in columns if name.startswith("AU")) == UNITS
    assert action_units.read(path, ravdess.index(shared / "ravdess")).shape == (1440, len(UNITS))
