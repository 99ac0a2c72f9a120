import importlib.util

import numpy as np
import pytest

from helpers.audio import speaker_encoder, speech
from helpers.config import AudioConfig

RANDOM = np.random.default_rng(0)


def test_the_lstm_is_keras():
    import keras

    width, units = 5, 7
    shapes = [(width, 4 * units), (units, 4 * units), (4 * units,)]
    arrays = [RANDOM.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    layer = keras.layers.LSTM(units, return_sequences=True)
    layer.build((None, None, width))
    layer.set_weights(arrays)
    values = RANDOM.normal(0, 1, (20, width)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(layer(values[None]))[0]
    assert np.allclose(speaker_encoder.lstm(values, *arrays), expected, atol=1e-5)


def test_a_large_gate_does_not_overflow():
    arrays = [np.full(shape, 100, np.float32) for shape in ((2, 12), (3, 12), (12,))]
    with np.errstate(all="raise"):
        assert np.isfinite(speaker_encoder.lstm(np.full((3, 2), -50, np.float32), *arrays)).all()


def test_soft_sounds_are_amplified_and_loud_ones_left():
    samples = RANDOM.normal(0, 1, 4000).astype(np.float32)
    soft, softer = (speaker_encoder.mel_bands(np.float32(factor) * samples) for factor in (1e-3, 1e-4))
    assert soft.shape == (26, 40) and np.allclose(soft, softer, rtol=1e-3, atol=1e-9)
    loud, louder = (speaker_encoder.mel_bands(np.float32(factor) * samples) for factor in (0.5, 1))
    assert np.allclose(loud, louder / 4, rtol=1e-3)


@pytest.mark.real
def test_two_takes_of_a_speaker_are_nearer_than_takes_of_two_speakers(shared):
    if not importlib.util.find_spec("resemblyzer"):
        pytest.skip("Resemblyzer is not installed")
    means = {}
    for actor in (1, 2, 3):
        for statement in (1, 2):
            path = shared / f"ravdess/Actor_{actor:02}/03-01-01-01-{statement:02}-01-{actor:02}.flac"
            samples, _ = speech.load(path, AudioConfig(rate=speaker_encoder.RATE))
            steps = speaker_encoder.steps(samples)
            assert steps.shape == (1 + len(samples) // 160, speaker_encoder.DIM) and steps.dtype == np.float32
            mean = steps[:, 512:].mean(axis=0)
            means[actor, statement] = mean / np.linalg.norm(mean)
    for actor in (1, 2, 3):
        assert max((1, 2, 3), key=lambda other: means[actor, 1] @ means[other, 2]) == actor
