import tracemalloc

import numpy as np
import pytest

from helpers.audio import descriptors, speech
from helpers.config import AudioConfig

RICH = AudioConfig(rate=24_000, n_mfcc=20, n_fft=1536, hop_length=480, n_mels=40, deltas=2, prosody=True)


def tone(seconds, hz=200, loudness=0.1):
    times = np.arange(int(seconds * RICH.rate)) / RICH.rate
    return loudness * sum(np.sin(2 * np.pi * n * hz * times) / n for n in range(1, 10))


def test_by_default_it_is_the_thesis_mfcc_and_nothing_else():
    samples = np.random.default_rng(0).normal(0, 0.1, 48_000)
    found, times = descriptors.features(samples, 48_000)
    assert (
        np.array_equal(found, speech.mfcc(samples, 48_000)) and found.shape[1] == descriptors.width(AudioConfig()) == 13
    )
    assert np.allclose(times, speech.frame_times(len(found)))


def test_columns_gives_the_place_of_every_feature():
    samples = tone(1.0) + np.random.default_rng(0).normal(0, 0.01, RICH.rate)
    found, _ = descriptors.features(samples, RICH.rate, RICH)
    places = descriptors.columns(RICH)
    assert list(places) == ["mfcc", "delta", "delta delta", "prosody"]
    assert found.shape == (47, descriptors.width(RICH)) == (47, 66) and found.dtype == np.float32
    assert np.allclose(found[:, places["mfcc"]], speech.mfcc(samples, RICH.rate, RICH))
    _, rest = descriptors.low_level_descriptors(samples, RICH.rate, RICH.n_fft, RICH.hop_length)
    assert np.allclose(found[:, places["prosody"]], rest, atol=1e-4)


def test_a_delta_is_the_slope_of_its_coefficient():
    louder = tone(1.0) * np.exp(np.linspace(0, 2, RICH.rate))
    found, _ = descriptors.features(louder, RICH.rate, RICH)
    places = descriptors.columns(RICH)
    first, slope = found[8:-8, places["mfcc"]][:, 0], found[8:-8, places["delta"]][:, 0]
    assert slope.mean() == pytest.approx(np.diff(first).mean(), rel=0.05)
    assert abs(found[8:-8, places["delta delta"]][:, 0].mean()) < 0.1 * slope.mean()


def test_silence_trimming_cuts_both_ends_and_the_times_stay_those_of_the_clip():
    quiet = 1e-4 * np.random.default_rng(0).normal(size=RICH.rate)
    samples = np.concatenate([quiet, tone(1.0), quiet])
    config = AudioConfig(rate=24_000, n_fft=1536, hop_length=480, trim_db=30)
    found, times = descriptors.features(samples, config.rate, config)
    assert 0.9 < times[0] < 1.0 and 2.0 < times[-1] < 2.15
    whole = speech.mfcc(samples, config.rate, config)
    first = round((times[0] - speech.frame_times(1, config)[0]) * config.rate / config.hop_length)
    assert np.array_equal(found, whole[first : first + len(found)])


def test_a_pause_in_the_middle_stays():
    pause = 1e-4 * np.random.default_rng(0).normal(size=RICH.rate)
    config = AudioConfig(rate=24_000, n_fft=1536, hop_length=480, trim_db=30)
    found, times = descriptors.features(np.concatenate([tone(0.5), pause, tone(0.5)]), config.rate, config)
    assert len(found) > 90 and np.allclose(np.diff(times), config.hop_length / config.rate, atol=1e-5)


def test_a_sound_of_less_than_a_frame_is_one_step():
    found, times = descriptors.features(tone(0.01), RICH.rate, RICH)
    assert found.shape == (1, 66) and len(times) == 1 and np.isfinite(found).all()


RATE, FRAME, HOP = 24_000, 1536, 480
SECONDS = np.arange(2 * RATE) / RATE


def buzz(hz, loudness=0.1):
    """A voice of one pitch: harmonics that fade."""
    return loudness * sum(np.sin(2 * np.pi * n * hz * SECONDS) / n for n in range(1, 20))


def low_level_descriptors(samples):
    return descriptors.low_level_descriptors(samples, RATE, FRAME, HOP)


@pytest.mark.parametrize("hz", [90, 200, 400])
def test_the_pitch_of_a_tone_is_found_and_called_periodic(hz):
    _, rest = low_level_descriptors(buzz(hz))
    middle = rest[5:-5]
    assert np.exp(middle[:, 0]) == pytest.approx(hz, rel=0.03) and (middle[:, 1] > 0.9).all()


def test_noise_is_not_periodic_and_flatter_than_a_tone():
    _, noise = low_level_descriptors(np.random.default_rng(0).normal(0, 0.1, len(SECONDS)))
    _, tone = low_level_descriptors(buzz(200))
    assert np.median(noise[:, 1]) < 0.5 and noise[5:-5, 4].mean() > tone[5:-5, 4].mean() + 1


def test_twice_as_loud_is_six_decibels_more_energy():
    quiet, loud = (low_level_descriptors(buzz(200, x))[1][5:-5, 2].mean() for x in (0.05, 0.1))
    assert (loud - quiet) * 10 / np.log(10) == pytest.approx(6.02, abs=0.1)


def test_the_same_voice_at_another_rate_has_the_same_descriptors():
    _, here = low_level_descriptors(buzz(200))
    twice = np.arange(4 * RATE) / (2 * RATE)
    voice = 0.1 * sum(np.sin(2 * np.pi * n * 200 * twice) / n for n in range(1, 20))
    _, there = descriptors.low_level_descriptors(voice, 2 * RATE, 2 * FRAME, 2 * HOP)
    assert here.shape == there.shape == (97, len(descriptors.PROSODY))
    assert np.allclose(here[5:-5, :3].mean(axis=0), there[5:-5, :3].mean(axis=0), rtol=0.02, atol=0.02)


def test_a_long_sound_is_worked_through_by_blocks_with_the_same_numbers(monkeypatch):
    samples = np.concatenate([buzz(200), np.random.default_rng(0).normal(0, 0.1, len(SECONDS))])
    monkeypatch.setattr(descriptors, "BLOCK", 10**9)
    whole = low_level_descriptors(samples)
    monkeypatch.setattr(descriptors, "BLOCK", 7)
    assert all(np.array_equal(a, b) for a, b in zip(low_level_descriptors(samples), whole))


def test_a_long_sound_takes_little_more_memory_than_itself():
    samples = np.random.default_rng(0).normal(0, 0.1, 120 * RATE)
    low_level_descriptors(samples[: 2 * RATE])
    tracemalloc.start()
    low_level_descriptors(samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * samples.nbytes
