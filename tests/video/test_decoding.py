import av
import numpy as np
import pytest

from helpers.data import mp4, synthetic
from helpers.video import decoding


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_clips")
    return [synthetic.clip(folder / f"{emotion}.mp4", emotion, 3, seconds=1.5) for emotion in ("happy", "sad")]


def seconds_of(path):
    with av.open(str(path)) as container:
        return {stream.type: float(stream.duration * stream.time_base) for stream in container.streams}


def test_what_is_written_has_the_pictures_and_the_sound_it_was_given(tmp_path):
    frames = [np.full((48, 64, 3), 10 * n, dtype=np.uint8) for n in range(20)]
    tone = np.sin(np.arange(48_000) / 20).astype(np.float32)
    mp4.write(tmp_path / "a.mp4", iter(frames), tone, size=(64, 48), fps=20)
    sound = decoding.Sound()
    shown = [picture.rgb().mean() for picture in decoding.decode(tmp_path / "a.mp4", sound=sound)]
    assert np.allclose(shown, 10 * np.arange(20), atol=4)
    heard = sound.samples()[:48_000]
    assert sound.rate == 48_000 and np.corrcoef(heard[4000:40_000], tone[4000:40_000])[0, 1] > 0.9


@pytest.mark.parametrize("fps", [7, 60])
def test_resampling_repeats_or_drops_pictures_and_keeps_the_time(two_clips, fps):
    steady = list(decoding.resample_fps(two_clips[0], fps))
    assert len(steady) == pytest.approx(1.5 * fps, abs=3)
    late = [n / fps - (picture.time - steady[0].time) for n, picture in enumerate(steady)]
    assert min(late) >= -1e-6 and max(late) < 1 / 29.97 + 1e-3, "at each tick the picture that stands there"


def test_joined_clips_begin_where_the_one_before_ends_in_pictures_and_in_sound(two_clips, tmp_path):
    path = decoding.join(two_clips, tmp_path / "both.mp4", fps=25)
    long = seconds_of(path)
    assert long["video"] == pytest.approx(3.0, abs=0.1) and long["audio"] == pytest.approx(long["video"], abs=0.05)
    sounds = []
    for source in (*two_clips, path):
        sound = decoding.Sound()
        list(decoding.decode(source, pictures=False, sound=sound))
        sounds.append(sound.samples())
    at = round(long["video"] / 2 * 48_000)
    assert np.corrcoef(sounds[2][at + 2000 : at + 40_000], sounds[1][2000:40_000])[0, 1] > 0.8
