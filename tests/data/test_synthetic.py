"""The synthetic clips: real files, the same every time, a face to be found, and fusion needed to tell the emotions."""

import collections
import itertools
import pathlib
import subprocess
import sys

import av
import cv2
import dlib
import librosa
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.data import mp4, ravdess, synthetic
from helpers.video import decoding

DETECTOR = dlib.get_frontal_face_detector()  # the very one that face_recognition calls "hog"


def pictures_of(path):
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def sound_of(path):
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


def contents(paths):
    return [path.read_bytes() for path in paths]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Two actors, one take: 16 clips made by two workers."""
    root = tmp_path_factory.mktemp("suite")
    return root, synthetic.make(root, n_actors=2, takes=1, seed=3, workers=2, progress=False)


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    """Short clips of 2 actors, 8 emotions and 4 takes: emotions, the mean cropped face, and the mean MFCC of each."""
    root, emotions, faces, voices = tmp_path_factory.mktemp("streams"), [], [], []
    takes = itertools.product((1, 2), range(8), (1, 2), (1, 2))
    for actor, e, statement, repetition in takes:
        path = root / "clip.mp4"
        synthetic.clip(path, ravdess.EMOTIONS[e], actor, statement, repetition, seconds=1.0, fps=4)
        crops = []
        for picture in pictures_of(path):
            box = DETECTOR(picture, 0)[0]
            crop = picture[max(box.top(), 0) : box.bottom(), max(box.left(), 0) : box.right()]
            crops.append(cv2.resize(crop.mean(2), (16, 16), interpolation=cv2.INTER_AREA))
        mfcc = librosa.feature.mfcc(
            y=librosa.effects.preemphasis(sound_of(path).mean(0)),
            sr=48_000,
            n_mfcc=13,
            n_fft=4096,
            hop_length=2048,
            n_mels=26,
            window="hamming",
            htk=True,
        )
        emotions.append(e)
        faces.append(np.mean(crops, 0).ravel())
        voices.append(mfcc.mean(1))
    return np.array(emotions), np.array(faces), np.array(voices)


def classifier():
    return make_pipeline(StandardScaler(), RidgeClassifier(10.0))


def accuracy(features, labels):
    return cross_val_score(classifier(), features, labels, cv=4).mean()


def expression_of(emotions):
    return np.array([synthetic.EXPRESSIONS.index(synthetic.PAIRS[ravdess.EMOTIONS[e]][0]) for e in emotions])


def voice_of(emotions):
    return np.array([synthetic.VOICES.index(synthetic.PAIRS[ravdess.EMOTIONS[e]][1]) for e in emotions])


def test_each_expression_and_each_voice_serves_exactly_two_emotions():
    assert tuple(synthetic.PAIRS) == ravdess.EMOTIONS
    expressions, voices = zip(*synthetic.PAIRS.values())
    assert collections.Counter(expressions) == dict.fromkeys(synthetic.EXPRESSIONS, 2)
    assert collections.Counter(voices) == dict.fromkeys(synthetic.VOICES, 2)
    assert len(set(synthetic.PAIRS.values())) == 8


def test_importing_the_module_imports_nothing_heavy():
    check = (
        "import sys, helpers.data.synthetic; print([m for m in ('av', 'cv2', 'joblib', 'tqdm') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_clips_bear_ravdess_names_in_one_folder_for_each_actor(suite):
    root, paths = suite
    names = [f"Actor_{a:02d}/01-01-{e:02d}-01-01-01-{a:02d}.mp4" for a in (1, 2) for e in range(1, 9)]
    assert [path.relative_to(root).as_posix() for path in paths] == names
    assert sorted(path for path in root.rglob("*") if path.is_file()) == paths  # nothing else is left behind


def test_four_takes_are_two_statements_spoken_twice(tmp_path, monkeypatch):
    import joblib

    # Pretend that all clips are there: the names are what counts here.
    monkeypatch.setattr(synthetic.Path, "exists", lambda self: True)
    monkeypatch.setattr(joblib, "Parallel", None)
    paths = synthetic.make(tmp_path, n_actors=24, takes=4, progress=False)
    assert len(set(paths)) == 24 * 8 * 4
    assert {path.stem[9:17] for path in paths} == {"01-01-01", "01-01-02", "01-02-01", "01-02-02"}


def test_the_same_seed_gives_the_same_bytes(suite, tmp_path):
    paths = suite[1]
    for path in paths[2], paths[12]:
        e, actor = int(path.stem[6:8]), int(path.stem[-2:])
        again = synthetic.clip(tmp_path / "other-name.mp4", ravdess.EMOTIONS[e - 1], actor, seed=3)
        assert again.read_bytes() == path.read_bytes()


def test_no_two_clips_are_alike(suite, tmp_path):
    variants = itertools.product((1, 2), (1, 2), (3, 4))  # statement, repetition, seed
    short = [
        synthetic.clip(tmp_path / f"{s}{r}{seed}.mp4", "calm", 1, s, r, seed, seconds=0.3) for s, r, seed in variants
    ]
    for paths in (suite[1], short):
        assert len(set(contents(paths))) == len(paths)
    for decode in (lambda path: np.array(pictures_of(path)), sound_of):
        assert len({decode(path).tobytes() for path in short}) == len(short)


def test_making_the_clips_again_changes_nothing(suite):
    root, paths = suite
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths]
    assert synthetic.make(root, n_actors=2, takes=1, seed=99, progress=False) == paths
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in paths] == before


def test_only_a_missing_clip_is_made_and_by_one_worker_as_by_two(suite):
    root, paths = suite
    before, others = paths[5].read_bytes(), [path.stat().st_mtime_ns for path in paths if path != paths[5]]
    paths[5].unlink()
    synthetic.make(root, n_actors=2, takes=1, seed=3, workers=1, progress=False)
    assert paths[5].read_bytes() == before
    assert [path.stat().st_mtime_ns for path in paths if path != paths[5]] == others


def test_a_clip_that_fails_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    def broken(path, *_, **__):
        path = pathlib.Path(path)
        path.write_bytes(b"half")
        assert path.name.startswith(".") and path.suffix not in ravdess.SUFFIXES
        raise OSError("disk full")

    monkeypatch.setattr(synthetic.mp4, "write", broken)
    with pytest.raises(OSError, match="disk full"):
        synthetic.clip(tmp_path / "a.mp4", "sad", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_clip_is_real_h264_and_aac(suite):
    path = suite[1][0]
    assert path.stat().st_size < 150_000
    with av.open(str(path)) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt, video.width, video.height) == ("h264", "yuv420p", 320, 240)
        assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", 48_000, 2)
        assert video.average_rate == synthetic.FPS
        assert 1.9 < video.frames / video.average_rate < 2.7
        assert float(video.duration * video.time_base) == pytest.approx(
            float(audio.duration * audio.time_base), abs=0.01
        )
        kinds = [packet.stream.type for packet in file.demux() if packet.size]
    assert max(len(list(run)) for _, run in itertools.groupby(kinds)) < 6  # interleaved
    with av.open(str(path)) as file:
        times = [frame.time for frame in file.decode(video=0)]
    assert np.allclose(times, np.arange(len(times)) * 1001 / 30_000, atol=1e-4)


def test_a_clip_says_that_it_is_synthetic_and_so_do_joined_ones_but_no_other_file(suite, tmp_path):
    first, second = suite[1][:2]
    mp4.write(tmp_path / "other.mp4", samples=np.zeros(4800))
    (tmp_path / "text.mp4").write_text("synthetic clip: a drawn face, a synthesised voice")
    assert mp4.is_synthetic(first) and mp4.is_synthetic(decoding.join([first, second], tmp_path / "both.mp4"))
    decoding.join([first, turned(second, tmp_path / "copy.mp4")], tmp_path / "mixed.mp4")
    for name in ("other.mp4", "text.mp4", "copy.mp4", "mixed.mp4", "nowhere.mp4"):
        assert not mp4.is_synthetic(tmp_path / name)
    assert ravdess.index(suite[0]).attrs["data"] == "synthetic"


def turned(path, out):
    """A clip's pictures and sound, upside down, in a file that does not say where they come from."""
    pictures = [np.ascontiguousarray(picture[::-1]) for picture in pictures_of(path)]
    mp4.write(out, pictures, sound_of(path)[0], size=pictures[0].shape[1::-1], fps=30)
    return out


def test_the_detector_finds_a_face_in_at_least_95_percent_of_the_frames(tmp_path):
    found = []
    for actor, emotion in itertools.product(range(1, 25), ravdess.EMOTIONS[::2]):
        path = synthetic.clip(tmp_path / "a.mp4", emotion, actor, sound=False, seconds=0.6, fps=5)
        found += [len(DETECTOR(picture, 0)) for picture in pictures_of(path)]
    assert len(found) == 24 * 4 * 3
    assert np.mean(np.array(found) == 1) >= 0.95


def test_a_clip_without_a_face_shows_the_wall_alone(tmp_path):
    path = synthetic.clip(tmp_path / "a.mp4", "happy", 1, face=False, seconds=0.2)
    for picture in pictures_of(path):
        assert len(DETECTOR(picture, 1)) == 0
        assert np.ptp(picture[120].astype(int)[:, 0]) < 10


def test_either_modality_can_be_left_out_without_changing_the_other(tmp_path):
    whole, mute, blind = (
        synthetic.clip(tmp_path / f"{i}.mp4", "angry", 2, seconds=0.3, **options)
        for i, options in enumerate(({}, {"sound": False}, {"pictures": False}))
    )
    kinds = []
    for path in (mute, blind):
        with av.open(str(path)) as file:
            kinds.append([stream.type for stream in file.streams])
    assert kinds == [["video"], ["audio"]]
    assert np.array_equal(pictures_of(mute), pictures_of(whole))
    assert np.array_equal(sound_of(blind), sound_of(whole))


def test_a_silent_clip_has_a_stream_of_digital_silence(tmp_path):
    assert not sound_of(synthetic.clip(tmp_path / "a.mp4", "angry", 1, seconds=0.2, silent=True)).any()
    assert sound_of(synthetic.clip(tmp_path / "b.mp4", "angry", 1, seconds=0.2)).any()


def test_size_rate_and_duration_can_be_chosen_and_the_face_scales(tmp_path):
    path = synthetic.clip(tmp_path / "a.mp4", "calm", 3, seconds=0.4, fps=10, size=(640, 480))
    pictures = pictures_of(path)
    assert np.shape(pictures) == (4, 480, 640, 3)
    assert sound_of(path).shape[1] == pytest.approx(0.4 * 48_000, abs=1024)
    small = pictures_of(synthetic.clip(tmp_path / "b.mp4", "calm", 3, seconds=0.4, fps=10))
    heights = [DETECTOR(shown[0], 0)[0].height() for shown in (pictures, small)]
    assert heights[0] / heights[1] == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize(
    "wrong",
    [
        {"emotion": "bored"},
        {"actor": 0},
        {"actor": 25},
        {"statement": 3},
        {"repetition": 0},
        {"size": (321, 240)},
        {"sound": False, "pictures": False},
    ],
)
def test_a_clip_that_cannot_be_is_refused(wrong, tmp_path):
    with pytest.raises(ValueError):
        synthetic.clip(**{"path": tmp_path / "a.mp4", "emotion": "calm", "actor": 1, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"n_actors": 0}, {"n_actors": 25}, {"takes": 0}, {"takes": 5}])
def test_a_suite_that_cannot_be_is_refused(wrong, tmp_path):
    with pytest.raises(ValueError):
        synthetic.make(tmp_path, progress=False, **wrong)


def test_the_mouth_opens_with_the_voice(suite):
    path = suite[1][0]  # the relaxed expression: closed while silent
    pictures, sound = np.array(pictures_of(path)), sound_of(path)[0]
    loudness = [np.abs(part).mean() for part in np.array_split(sound, len(pictures))]
    mouths = pictures[:, 150:205, 120:200].max(3)  # dark there: the inside of the mouth
    assert np.corrcoef((mouths < 110).sum((1, 2)), loudness)[0, 1] > 0.6


def test_the_images_do_not_depend_on_the_voice_nor_the_sound_on_the_expression(tmp_path, monkeypatch):
    # With the same random numbers for every emotion, those that share an expression must share every pixel.
    real, pictures, sounds = np.random.default_rng, collections.defaultdict(set), collections.defaultdict(set)
    monkeypatch.setattr(np.random, "default_rng", lambda seeds: real([s for i, s in enumerate(seeds) if i != 2]))
    for emotion, (expression, voice) in synthetic.PAIRS.items():
        path = synthetic.clip(tmp_path / "a.mp4", emotion, 5, seconds=0.4)
        pictures[expression].add(np.array(pictures_of(path)).tobytes())
        sounds[voice].add(sound_of(path).tobytes())
    assert [len(same) for same in (*pictures.values(), *sounds.values())] == [1] * 8
    assert len(set.union(*pictures.values())) == len(set.union(*sounds.values())) == 4


def test_the_images_show_the_expression_and_the_sound_the_voice(streams):
    emotions, faces, voices = streams
    assert accuracy(faces, expression_of(emotions)) >= 0.95
    assert accuracy(voices, voice_of(emotions)) >= 0.95


def test_one_modality_alone_cannot_tell_the_two_emotions_of_an_expression(streams):
    emotions, faces, voices = streams
    for features, groups in ((faces, expression_of(emotions)), (voices, voice_of(emotions))):
        pairs = [accuracy(features[groups == group], emotions[groups == group]) for group in range(4)]
        assert np.mean(pairs) < 0.69  # 64 clips and a majority-class baseline of 0.5: three standard errors above it


def test_both_modalities_together_tell_all_eight_emotions(streams):
    emotions, faces, voices = streams
    train = np.arange(len(emotions)) % 4 < 3  # the last take of each actor and emotion is kept for the test
    right = True
    for features, labels in ((faces, expression_of(emotions)), (voices, voice_of(emotions))):
        right = right & (classifier().fit(features[train], labels[train]).predict(features[~train]) == labels[~train])
    assert np.mean(right) >= 0.95
