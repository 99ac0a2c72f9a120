import tracemalloc

import numpy as np
import pytest

from helpers import prosody

RATE, FRAME, HOP = 24_000, 1536, 480
SECONDS = np.arange(2 * RATE) / RATE


def buzz(hz, loudness=0.1):
    """A voice of one pitch: harmonics that fade."""
    return loudness * sum(np.sin(2 * np.pi * n * hz * SECONDS) / n for n in range(1, 20))


def contours(samples):
    return prosody.contours(samples, RATE, FRAME, HOP)


@pytest.mark.parametrize("hz", [90, 200, 400])
def test_the_pitch_of_a_tone_is_found_and_called_periodic(hz):
    _, rest = contours(buzz(hz))
    middle = rest[5:-5]
    assert np.exp(middle[:, 0]) == pytest.approx(hz, rel=0.03) and (middle[:, 1] > 0.9).all()


def test_noise_is_not_periodic_and_flatter_than_a_tone():
    _, noise = contours(np.random.default_rng(0).normal(0, 0.1, len(SECONDS)))
    _, tone = contours(buzz(200))
    assert np.median(noise[:, 1]) < 0.5 and noise[5:-5, 4].mean() > tone[5:-5, 4].mean() + 1


def test_twice_as_loud_is_six_decibels_more_energy():
    quiet, loud = (contours(buzz(200, x))[1][5:-5, 2].mean() for x in (0.05, 0.1))
    assert (loud - quiet) * 10 / np.log(10) == pytest.approx(6.02, abs=0.1)


def test_the_same_voice_at_another_rate_has_the_same_contours():
    _, here = contours(buzz(200))
    twice = np.arange(4 * RATE) / (2 * RATE)
    voice = 0.1 * sum(np.sin(2 * np.pi * n * 200 * twice) / n for n in range(1, 20))
    _, there = prosody.contours(voice, 2 * RATE, 2 * FRAME, 2 * HOP)
    assert here.shape == there.shape == (97, len(prosody.NAMES))
    assert np.allclose(here[5:-5, :3].mean(axis=0), there[5:-5, :3].mean(axis=0), rtol=0.02, atol=0.02)


def test_a_long_sound_is_worked_through_by_blocks_with_the_same_numbers(monkeypatch):
    samples = np.concatenate([buzz(200), np.random.default_rng(0).normal(0, 0.1, len(SECONDS))])
    monkeypatch.setattr(prosody, "BLOCK", 10**9)
    whole = contours(samples)
    monkeypatch.setattr(prosody, "BLOCK", 7)
    assert all(np.array_equal(a, b) for a, b in zip(contours(samples), whole))


def test_a_long_sound_takes_little_more_memory_than_itself():
    samples = np.random.default_rng(0).normal(0, 0.1, 120 * RATE)
    contours(samples[: 2 * RATE])
    tracemalloc.start()
    contours(samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * samples.nbytes
