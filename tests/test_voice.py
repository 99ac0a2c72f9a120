import numpy as np
import pytest

from helpers import prosody, speech, voice
from helpers.config import AudioConfig

RICH = AudioConfig(rate=24_000, n_mfcc=20, frame=1536, hop=480, n_mels=40, deltas=2, prosody=True)


def tone(seconds, hz=200, loudness=0.1):
    times = np.arange(int(seconds * RICH.rate)) / RICH.rate
    return loudness * sum(np.sin(2 * np.pi * n * hz * times) / n for n in range(1, 10))


def test_by_default_it_is_the_thesis_mfcc_and_nothing_else():
    samples = np.random.default_rng(0).normal(0, 0.1, 48_000)
    found, times = voice.features(samples, 48_000)
    assert np.array_equal(found, speech.mfcc(samples, 48_000)) and found.shape[1] == voice.width(AudioConfig()) == 13
    assert np.allclose(times, speech.frame_times(len(found)))


def test_every_column_stands_where_columns_says():
    samples = tone(1.0) + np.random.default_rng(0).normal(0, 0.01, RICH.rate)
    found, _ = voice.features(samples, RICH.rate, RICH)
    places = voice.columns(RICH)
    assert list(places) == ["mfcc", "delta", "delta delta", "prosody"]
    assert found.shape == (47, voice.width(RICH)) == (47, 66) and found.dtype == np.float32
    assert np.allclose(found[:, places["mfcc"]], speech.mfcc(samples, RICH.rate, RICH))
    _, rest = prosody.contours(samples, RICH.rate, RICH.frame, RICH.hop)
    assert np.allclose(found[:, places["prosody"]], rest, atol=1e-4)


def test_a_delta_is_the_slope_of_its_coefficient():
    louder = tone(1.0) * np.exp(np.linspace(0, 2, RICH.rate))
    found, _ = voice.features(louder, RICH.rate, RICH)
    places = voice.columns(RICH)
    first, slope = found[8:-8, places["mfcc"]][:, 0], found[8:-8, places["delta"]][:, 0]
    assert slope.mean() == pytest.approx(np.diff(first).mean(), rel=0.05)
    assert abs(found[8:-8, places["delta delta"]][:, 0].mean()) < 0.1 * slope.mean()


def test_silence_at_both_ends_is_cut_off_and_the_times_say_where_the_rest_was():
    quiet = 1e-4 * np.random.default_rng(0).normal(size=RICH.rate)
    samples = np.concatenate([quiet, tone(1.0), quiet])
    config = AudioConfig(rate=24_000, frame=1536, hop=480, trim=30)
    found, times = voice.features(samples, config.rate, config)
    assert 0.9 < times[0] < 1.0 and 2.0 < times[-1] < 2.15
    whole = speech.mfcc(samples, config.rate, config)
    first = round((times[0] - speech.frame_times(1, config)[0]) * config.rate / config.hop)
    assert np.array_equal(found, whole[first : first + len(found)])


def test_a_pause_in_the_middle_stays():
    pause = 1e-4 * np.random.default_rng(0).normal(size=RICH.rate)
    config = AudioConfig(rate=24_000, frame=1536, hop=480, trim=30)
    found, times = voice.features(np.concatenate([tone(0.5), pause, tone(0.5)]), config.rate, config)
    assert len(found) > 90 and np.allclose(np.diff(times), config.hop / config.rate, atol=1e-5)


def test_a_sound_of_less_than_a_frame_is_one_step():
    found, times = voice.features(tone(0.01), RICH.rate, RICH)
    assert found.shape == (1, 66) and len(times) == 1 and np.isfinite(found).all()
