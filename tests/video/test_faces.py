import fractions
import struct
import subprocess
import sys

import av
import cv2
import dlib
import numpy as np
import pytest

from helpers import runtime
from helpers.audio import speech
from helpers.config import VideoConfig
from helpers.data import synthetic, synthetic_face
from helpers.data.exclusions import ClipError
from helpers.features import cache
from helpers.video import decoding, face_detector, faces


@pytest.fixture(scope="module")
def wall():
    """A drawn face and where it is, on a plain picture: a function of picture size, face height and face place."""

    def draw(height, width, *spots):
        frame = np.full((height, width, 3), 120, np.uint8)
        for share, middle in spots:
            (face,) = synthetic_face.frames((256, 256), 30, [0.0], "smiling", 3, np.random.default_rng(0))
            box = faces.detect(face, 1.0)[0]
            scale = share * height / (box[2] - box[0])
            face = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            y, x = (int(middle[0] * height - face.shape[0] / 2), int(middle[1] * width - face.shape[1] / 2))
            y0, x0 = max(0, y), max(0, x)
            part = face[y0 - y : height - y, x0 - x : width - x]
            frame[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
        return frame

    return draw


def film(path, frames, fps, rotate=None):
    """Writes frames as H.264; `rotate` is the display rotation a phone would note."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fractions.Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "ultrafast"}
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        out.mux(stream.encode())
    if rotate is not None:
        turn(path, rotate)


def turn(path, degrees):
    """Writes a rotation into an mp4's display matrix, as phones do: clockwise degrees, 90 or 270."""
    data = path.read_bytes()
    one = struct.pack(">i", 0x10000)
    plain = one + b"\0" * 12 + one + b"\0" * 12 + struct.pack(">i", 0x40000000)
    a, b = (1, -1) if degrees == 90 else (-1, 1)
    turned = struct.pack(">9i", 0, a << 16, 0, b << 16, 0, 0, 0, 0, 0x40000000)
    at = data.index(plain, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + 36 :])


@pytest.mark.parametrize("height, width", [(360, 640), (720, 1280), (1080, 1920)], ids=["360p", "720p", "1080p"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_faces_of_every_size_are_found_in_pictures_of_every_size(height, width, share, wall, tmp_path):
    film(tmp_path / "a.mp4", [wall(height, width, (share, (0.5, 0.4)))] * 8, 7.5)
    track = faces.track(tmp_path / "a.mp4")
    assert track.found.all()
    middle = track.boxes.reshape(-1, 4).mean(axis=0)
    y, x = (middle[0] + middle[2]) / 2 / height, (middle[1] + middle[3]) / 2 / width
    assert abs(y - 0.5) < 0.25 * share + 0.03 and abs(x - 0.4) < 0.25 * share + 0.03
    assert 0.6 * share < (middle[2] - middle[0]) / height < 1.6 * share


@pytest.mark.parametrize("fps", [15, 25, 30000 / 1001, 60])
def test_the_kept_frames_are_the_nearest_by_time_stamp_at_every_rate(fps, wall, tmp_path):
    film(tmp_path / "a.mp4", [wall(180, 320, (0.6, (0.5, 0.5)))] * round(2 * fps), fps)
    times = faces.track(tmp_path / "a.mp4").times
    assert len(times) == 15 and np.abs(times - np.arange(15) / 7.5).max() <= 0.5 / fps + 1e-3


@pytest.mark.parametrize("degrees", [90, 270])
def test_a_phones_upright_clip_is_turned_before_the_face_is_sought(degrees, wall, tmp_path):
    upright = wall(640, 360, (0.3, (0.3, 0.5)))
    film(tmp_path / "a.mp4", [np.rot90(upright, 1 if degrees == 90 else 3)] * 8, 7.5, degrees)
    track = faces.track(tmp_path / "a.mp4")
    assert track.found.all() and track.boxes[4, [0, 2]].mean() < 0.45 * 640
    assert next(faces.kept_frames(tmp_path / "a.mp4"))[1].shape == (640, 360, 3)


def test_of_two_faces_the_larger_is_followed(wall, tmp_path):
    film(tmp_path / "a.mp4", [wall(360, 640, (0.3, (0.5, 0.2)), (0.5, (0.5, 0.7)))] * 20, 7.5)
    boxes = faces.track(tmp_path / "a.mp4").boxes
    assert ((boxes[:, 1] + boxes[:, 3]) / 2 > 320).all()


def test_further_faces_are_counted_and_the_frames_can_be_watched(wall, tmp_path):
    film(tmp_path / "a.mp4", [wall(360, 640, (0.5, (0.5, 0.25)), (0.55, (0.5, 0.75)))] * 8, 7.5)
    film(tmp_path / "b.mp4", [wall(360, 640)] * 8, 7.5)
    watched = []
    track = faces.track(tmp_path / "a.mp4", watch=lambda picture, box: watched.append((picture.time, box)))
    assert track.others == 1 and [time for time, _ in watched] == pytest.approx(track.times)
    assert all(box[3] > 320 for _, box in watched)
    assert faces.track(tmp_path / "b.mp4", watch=lambda picture, box: watched.append(box)).others == 0
    assert watched[-8:] == [None] * 8


def test_a_face_that_leaves_and_comes_back_elsewhere_is_found_again(wall, tmp_path):
    there, empty, else_where = wall(360, 640, (0.4, (0.5, 0.2))), wall(360, 640), wall(360, 640, (0.4, (0.5, 0.8)))
    film(tmp_path / "a.mp4", [there] * 8 + [empty] * 8 + [else_where] * 8, 7.5)
    track = faces.track(tmp_path / "a.mp4")
    assert track.found.tolist() == [True] * 8 + [False] * 8 + [True] * 8
    x = (track.boxes[:, 1] + track.boxes[:, 3]) / 2
    assert (x[:8] < 200).all() and (x[16:] > 440).all() and (np.diff(x[8:16]) > 0).all(), "and interpolated meanwhile"


def test_a_small_face_is_found_after_a_title_of_a_second(wall, tmp_path):
    seen, empty = wall(720, 1280, (0.25, (0.5, 0.4))), wall(720, 1280)
    film(tmp_path / "a.mp4", [empty] * 8 + [seen] * 12, 7.5)
    assert faces.track(tmp_path / "a.mp4").found.sum() > 10


def test_after_a_stall_the_frames_that_are_there_are_kept(wall, tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.options = 320, 240, {"preset": "ultrafast", "bf": "0"}
        stream.codec_context.time_base = fractions.Fraction(1, 30)
        for number in [*range(6), *range(60, 90)]:
            frame = av.VideoFrame.from_ndarray(wall(240, 320), format="rgb24")
            frame.pts, frame.time_base = number, fractions.Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    times = [time for time, _ in faces.kept_frames(tmp_path / "a.mkv")]
    assert times == pytest.approx([0, 4 / 30, *(2 + np.arange(8) / 7.5)], abs=1 / 30)


def test_pictures_that_wait_for_a_lost_face_are_bounded(wall, tmp_path, monkeypatch):
    film(tmp_path / "a.mp4", [wall(360, 640, (0.4, (0.5, 0.2)))] * 4 + [wall(360, 640)] * 60, 7.5)
    monkeypatch.setattr(faces, "WAITING", 5 << 20)
    track = faces.track(tmp_path / "a.mp4")
    assert track.found.sum() == 4 and len(track.frames) == 64 and np.array_equal(track.boxes[-1], track.boxes[3])


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
    """The usual way: on the whole frame, upsampled once."""
    (_, frame), track = next(iter(faces.kept_frames(talking))), faces.track(talking)
    (usual,) = dlib.get_frontal_face_detector()(frame, 1)
    a, b = np.array([usual.top(), usual.right(), usual.bottom(), usual.left()], float), track.boxes[0]
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[1], b[1]) - max(a[3], b[3])
    both = max(height, 0) * max(width, 0)
    assert both / ((a[2] - a[0]) * (a[1] - a[3]) + (b[2] - b[0]) * (b[1] - b[3]) - both) > 0.6


def test_boxes_are_interpolated_between_found_frames_and_held_at_the_ends():
    def box(y):
        return np.array([y, y + 100, y + 100, y], dtype=np.float32)

    raw = [None, box(10), None, None, box(20), None]
    filled = np.array([faces.smooth_boxes(raw, n) for n in range(6)])
    assert np.array_equal(filled[0], filled[1]) and np.array_equal(filled[5], filled[4])
    assert (np.diff(filled[1:5, 0]) > 0).all() and np.allclose(np.diff(filled[1:5, 0]), np.diff(filled[1:5, 0])[0])
    assert faces.smooth_boxes([None, None], 1) is None


def test_boxes_are_smoothed_over_time_but_never_between_two_faces():
    rng = np.random.default_rng(0)
    raw = [np.array([y, 200 + y, 100 + y, 100 + y]) for y in 50 + rng.normal(0, 4, 40)]
    shaken = np.abs(np.diff([box[0] for box in raw], n=2)).mean()
    boxes = np.array([faces.smooth_boxes(raw, n) for n in range(40)])
    assert np.abs(np.diff(boxes[:, 0], n=2)).mean() < 0.1 * shaken
    raw[20:] = [box + 300 for box in raw[20:]]
    boxes = np.array([faces.smooth_boxes(raw, n) for n in range(40)])
    assert boxes[19, 0] < 60 and boxes[20, 0] > 340, "a cut to another face is a cut"


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
    cache.save(tmp_path / "track.npz", **vars(track))
    again = faces.FaceTrack(**cache.load(tmp_path / "track.npz"))
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


def test_a_list_of_other_files_is_no_clip_whatever_it_is_called(tmp_path):
    """FFmpeg would follow it, and show what lies beside it."""
    synthetic.clip(tmp_path / "other.mp4", "happy", 3, seconds=1)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(ClipError, match=r"list\.mp4: no pictures could be read"):
        faces.track(tmp_path / "list.mp4")
    with pytest.raises(ClipError, match=r"list\.mp4: no sound could be read"):
        speech.load(tmp_path / "list.mp4")


@pytest.mark.parametrize("kind", ["matroska", "mov", "mpegts", "flv"])
def test_the_containers_people_have_are_opened(kind, tmp_path):
    other = remuxed(synthetic.clip(tmp_path / "clip.mp4", "happy", 3, seconds=1), tmp_path / f"clip.{kind}", kind)
    sound = decoding.Sound()
    assert len(list(decoding.decode(other, sound=sound))) == 30 and len(sound.samples()) > 40_000


def remuxed(source, path, kind="mp4", title=""):
    """The clip's packets in another container."""
    with av.open(str(source)) as given, av.open(str(path), "w", format=kind) as out:
        out.metadata["title"] = title
        streams = {stream.index: out.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return path


def test_a_tag_in_another_encoding_costs_nothing(talking, tmp_path):
    path = remuxed(talking, tmp_path / "a.mp4", title="XXXX")
    path.write_bytes(path.read_bytes().replace(b"XXXX", b"Caf\xe9"))
    assert len(faces.track(path).times) == 15 and len(speech.load(path)[0])


def test_a_codec_that_is_not_there_is_said_of_the_stream_that_needs_it(talking, tmp_path):
    whole = talking.read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole.replace(b"avc1", b"xxc1"))
    with pytest.raises(ClipError, match=r"a\.mp4: it is in a codec that this FFmpeg lacks"):
        faces.track(tmp_path / "a.mp4")
    other = remuxed(talking, tmp_path / "b.mkv", "matroska")
    other.write_bytes(other.read_bytes().replace(b"A_AAC", b"A_XAC"))
    sound = decoding.Sound()
    assert len(faces.track(other, None, sound).times) == 15
    with pytest.raises(ClipError, match=r"b\.mkv: it is in a codec that this FFmpeg lacks"):
        speech.load(other, None, sound)


def test_a_picture_of_two_pixels_width_holds_no_face(tmp_path):
    film(tmp_path / "a.mp4", [np.zeros((4096, 2, 3), np.uint8)] * 20, 30)
    assert not faces.track(tmp_path / "a.mp4").found.any()


def test_finding_a_face_loads_no_network():
    script = "import sys, numpy as np; from helpers.video import face_detector;"
    script += "face_detector.detect(np.zeros((99, 99), 'uint8'), 1.0);"
    script += "sys.exit(any(name.startswith('face_recognition') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], cwd=runtime.PROJECT).returncode == 0


@pytest.mark.real
def test_the_boxes_are_those_of_face_recognition(shared):
    face_recognition = pytest.importorskip("face_recognition")
    path = next((shared / "ravdess" / "Actor_05").glob("01-01-*.mp4"))
    for _, picture in list(faces.kept_frames(path))[::6]:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        usual = face_recognition.face_locations(small, number_of_times_to_upsample=0, model="hog")
        assert usual and np.array_equal(face_detector.detect(gray, 0.5), 2 * np.array(usual, dtype=np.float32))
