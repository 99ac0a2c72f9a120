import dataclasses

import numpy as np
import pytest

from helpers.data import mp4, synthetic
from helpers.data.exclusions import ClipError
from helpers.predict import playback, predictor
from helpers.predict.prediction import Part
from helpers.video import decoding


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return synthetic.clip(tmp_path_factory.mktemp("clip") / "new.mp4", "happy", 3, seconds=2)


@pytest.fixture(scope="module")
def answer(small_runs, clip):
    return predictor.Predictor.load(small_runs[0] / "fusion", fold=1).predict(clip)


def decoded(path):
    sound = decoding.Sound()
    return np.stack([picture.rgb() for picture in decoding.decode(path, sound=sound)]), sound.samples()


def lime(frames):
    r, g, b = (frames[..., n].astype(int) for n in range(3))
    return (g - r > 70) & (g - b > 70)


def test_the_annotated_clip_has_the_video_the_box_the_bars_and_the_sound(clip, answer, tmp_path):
    frames, sound = decoded(playback.write(clip, answer, tmp_path / "out.mp4"))
    width = 480 + playback.PANEL
    assert frames.shape[1:] == (playback.HEIGHT + playback.STRIP + playback.FOOT, width, 3)
    assert len(frames) == pytest.approx(2 * playback.RATE, abs=2) and len(sound) == pytest.approx(96_000, rel=0.05)
    rows, columns = np.nonzero(lime(frames[20, : playback.HEIGHT, :480]))
    top, right, bottom, left = 1.5 * answer.faces.boxes[6]  # 240 lines became 360
    assert (rows.min(), columns.max(), rows.max(), columns.min()) == pytest.approx((top, right, bottom, left), abs=5)
    shown = next(decoding.decode(clip)).rgb()[:60:20, :60:20]
    assert np.abs(frames[0, :90:30, :90:30].astype(int) - shown).mean() < 12


def test_the_line_in_the_waveform_goes_with_the_time(clip, answer, tmp_path):
    frames, _ = decoded(playback.write(clip, answer, tmp_path / "out.mp4"))
    strip = frames[:, playback.HEIGHT + 4 : playback.HEIGHT + 80, :480].astype(int)
    red = (strip[..., 0] - strip[..., 1] > 80).sum(axis=1)  # (frames, columns)
    places = [row.argmax() for row in red]
    assert places[2] < 60 and places[-1] > 420 and (np.diff(places[1:]) >= 0).all()


def test_the_bars_follow_the_windows_of_a_long_clip(clip, answer, tmp_path):
    names = list(answer.probabilities)
    certain = [{name: float(name == which) for name in names} for which in (names[0], names[7])]
    windows = [Part(0.0, 1.0, certain[0]), Part(1.0, 2.0, certain[1])]
    told = dataclasses.replace(answer, timeline=windows, confident=True)
    frames, _ = decoded(playback.write(clip, told, tmp_path / "out.mp4"))
    panel = frames[:, :, 480:].astype(int)
    blue = (panel[..., 2] - panel[..., 0] > 80).sum(axis=2)  # (frames, lines)
    first, last = (np.flatnonzero(blue[n] > 50).mean() for n in (5, -5))
    assert first < 160 and last > 330, "from the first emotion's bar to the last one's"


def test_a_face_has_a_lime_box_and_a_clip_without_one_has_none(clip, answer, tmp_path):
    def framed(found, name):
        faces = dataclasses.replace(answer.faces, found=np.full_like(answer.faces.found, found))
        if name == "none":
            faces = dataclasses.replace(faces, boxes=np.zeros_like(faces.boxes))
        told = dataclasses.replace(answer, faces=faces, attention={**answer.attention, "video": None})
        return decoded(playback.write(clip, told, tmp_path / f"{name}.mp4"))[0][10, :360, :480]

    assert lime(framed(True, "there")).sum() > 200
    nothing = framed(False, "none")
    assert not lime(nothing).any()


def test_an_audio_file_becomes_a_video_too(answer, tmp_path):
    mp4.write(tmp_path / "sound.mp4", samples=answer.samples, rate=answer.rate)
    heard = dataclasses.replace(answer, faces=None, attention={"audio": answer.attention["audio"]})
    frames, sound = decoded(playback.write(tmp_path / "sound.mp4", heard, tmp_path / "out.mp4"))
    assert len(frames) == pytest.approx(2 * playback.RATE, abs=2) and np.abs(sound).max() > 0.01


def test_a_clip_that_is_gone_leaves_nothing_behind(answer, tmp_path):
    with pytest.raises(ClipError, match=r"gone\.mp4"):
        playback.write(tmp_path / "gone.mp4", answer, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())
