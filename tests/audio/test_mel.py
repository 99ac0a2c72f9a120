import numpy as np
import pytest

from helpers.audio import mel


@pytest.mark.parametrize("bands, padding", [(40, "constant"), (80, "reflect")])
def test_the_mel_spectrogram_is_librosas(bands, padding):
    import librosa

    samples = np.random.default_rng(0).normal(0, 0.1, 16_123).astype(np.float32)
    options = {"n_fft": mel.FRAME, "hop_length": mel.HOP, "n_mels": bands, "pad_mode": padding}
    expected = librosa.feature.melspectrogram(y=samples, sr=mel.RATE, **options).T
    power = mel.spectrogram(samples, bands, padding)
    assert power.shape == (101, bands) and power.dtype == np.float32
    assert np.allclose(power, expected, rtol=1e-4, atol=1e-9)
