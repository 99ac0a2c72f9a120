import numpy as np
import pytest

from helpers import faces, synthetic
from helpers.config import VideoConfig
from helpers.exclusions import ClipError


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    path = tmp_path_factory.mktemp("talking") / "01-01-03-01-01-01-02.mp4"
    synthetic.clip(path, "happy", 2, seconds=2.0)
    return path


@pytest.mark.parametrize("fps", [15, 24, 25, 30, 60])
def test_frames_are_kept_by_time_whatever_the_clips_rate(tmp_path, fps):
    synthetic.clip(tmp_path / "a.mp4", "happy", 1, seconds=2.0, fps=fps)
    times = np.array([time for time, _ in faces.kept_frames(tmp_path / "a.mp4")])
    wanted = np.arange(len(times)) / 7.5
    assert len(times) == 15 and np.abs(times - wanted).max() <= 0.5 / fps + 1e-3


def test_a_clip_slower_than_the_wanted_rate_gives_each_frame_once(tmp_path):
    synthetic.clip(tmp_path / "a.mp4", "happy", 1, seconds=2.0, fps=5)
    times = [time for time, _ in faces.kept_frames(tmp_path / "a.mp4")]
    assert np.allclose(times, np.arange(10) / 5, atol=1e-3)


def test_a_track_is_faces_with_boxes_and_times(talking):
    track = faces.track(talking)
    n = len(track.times)
    assert track.frames.shape == (n, 48, 48, 3) and track.frames.dtype == np.uint8
    assert track.found.shape == (n,) and track.found.mean() >= 0.95
    assert track.boxes.shape == (n, 4) and track.boxes.dtype == np.float32
    top, right, bottom, left = track.boxes.T
    assert (bottom > top).all() and (right > left).all()


def test_faces_are_rgb_not_bgr(talking):
    red, _, blue = faces.track(talking).frames[:, 12:36, 12:36].reshape(-1, 3).mean(axis=0)
    assert red > blue, "skin is redder than blue"


def test_the_face_is_found_where_the_usual_way_finds_it(talking):
    """The usual way: face_recognition on the whole frame, upsampled once."""
    recognition = faces._face_recognition()
    (_, frame), track = next(iter(faces.kept_frames(talking))), faces.track(talking)
    (usual,) = recognition.face_locations(frame)
    a, b = np.array(usual, float), track.boxes[0]
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[1], b[1]) - max(a[3], b[3])
    both = max(height, 0) * max(width, 0)
    assert both / ((a[2] - a[0]) * (a[1] - a[3]) + (b[2] - b[0]) * (b[1] - b[3]) - both) > 0.6


def test_boxes_are_interpolated_between_found_frames_and_held_at_the_ends():
    boxes = [None, np.full(4, 10.0), None, np.full(4, 20.0), None]
    filled = faces._fill(boxes, np.array([box is not None for box in boxes]))
    assert filled[:, 0].tolist() == [10, 10, 15, 20, 20]


def test_a_face_at_the_frames_edge_is_cropped_square():
    frame = np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype=np.uint8)
    assert faces.crop(frame, (-20, 130, 60, 50), 48).shape == (48, 48, 3)
    whole = faces.crop(frame, (10, 58, 58, 10), 48)
    assert np.array_equal(whole, frame[10:58, 10:58])


def test_a_clip_without_a_face_is_a_track_that_found_none(tmp_path):
    synthetic.clip(tmp_path / "a.mp4", "happy", 1, seconds=1.0, face=False)
    track = faces.track(tmp_path / "a.mp4")
    assert not track.found.any() and not track.frames.any()


@pytest.mark.parametrize(
    "options, words", [({"pictures": False}, "no picture"), ({"seconds": 0.1}, "0.10 s of pictures")]
)
def test_pictures_that_cannot_be_used_say_why(tmp_path, options, words):
    synthetic.clip(tmp_path / "a.mp4", "happy", 1, **options)
    with pytest.raises(ClipError, match=f"a.mp4: .*{words}"):
        faces.track(tmp_path / "a.mp4")


def test_a_clip_cut_short_says_how_much_of_it_is_there(talking, tmp_path):
    """A fast-start mp4: its index comes first, so the part that is there still opens."""
    import av

    fast = tmp_path / "fast.mp4"
    with av.open(str(talking)) as source, av.open(str(fast), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole = fast.read_bytes()
    fast.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipError, match="cut short"):
        faces.track(fast)


def test_a_track_survives_its_file(talking, tmp_path):
    track = faces.track(talking)
    with open(tmp_path / "track.npz", "wb") as file:
        track.save(file)
    again = faces.FaceTrack.load(tmp_path / "track.npz")
    assert np.array_equal(again.frames, track.frames) and np.array_equal(again.times, track.times)


def test_larger_faces_can_be_asked_for(talking):
    assert faces.track(talking, VideoConfig(size=96)).frames.shape[1:] == (96, 96, 3)


@pytest.mark.real
def test_a_face_is_found_in_every_kept_frame_of_the_real_clips(shared):
    paths = sorted((shared / "ravdess" / "Actor_05").glob("01-01-*.mp4"))
    assert len(paths) == 4
    for path in paths:
        track = faces.track(path)
        assert track.found.all() and len(track.times) == pytest.approx((track.times[-1]) * 7.5 + 1, abs=1)
