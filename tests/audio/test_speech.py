import numpy as np
import pytest
import soundfile
import threadpoolctl

from helpers.audio import descriptors, speech
from helpers.config import AudioConfig
from helpers.data import synthetic
from helpers.data.exclusions import ClipError


def tone(seconds=1.0, rate=48_000, hz=440):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
def test_any_rate_becomes_the_configured_one(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate=rate), rate)
    samples, got = speech.load(tmp_path / "a.wav")
    assert got == 48_000 and samples.dtype == np.float32 and abs(len(samples) - 48_000) <= 1
    spectrum = np.abs(np.fft.rfft(samples[10_000:34_000]))
    assert abs(spectrum.argmax() * 48_000 / 24_000 - 440) <= 2, "the pitch is kept"


def test_stereo_is_averaged_to_mono(tmp_path):
    left, right = tone(hz=440), tone(hz=880)
    soundfile.write(tmp_path / "a.flac", np.stack([left, right], axis=1), 48_000)
    samples, _ = speech.load(tmp_path / "a.flac")
    assert samples.ndim == 1 and np.allclose(samples, (left + right) / 2, atol=1e-3)


def test_the_sound_of_an_mp4_is_read(tmp_path):
    synthetic.clip(tmp_path / "a.mp4", "happy", 1, seconds=2.0)
    samples, rate = speech.load(tmp_path / "a.mp4")
    assert rate == 48_000 and samples.ndim == 1 and abs(len(samples) / rate - 2.0) < 0.1


@pytest.mark.parametrize(
    "write, words",
    [
        (lambda p: p.write_bytes(b""), "could be read"),
        (lambda p: p.write_text("no sound here\n" * 99), "could be read"),
        (lambda p: soundfile.write(p, tone(0.1), 48_000), "0.10 s of sound"),
        (lambda p: soundfile.write(p, np.zeros(48_000), 48_000), "digital silence"),
        (lambda p: soundfile.write(p, np.full(48_000, np.nan), 48_000, subtype="FLOAT"), "not numbers"),
    ],
)
def test_a_sound_that_cannot_be_used_says_why_and_names_the_file(tmp_path, write, words):
    write(tmp_path / "a.wav")
    with pytest.raises(ClipError, match=f"a.wav: .*{words}"):
        speech.load(tmp_path / "a.wav")


def test_an_mp4_without_sound_says_so(tmp_path):
    synthetic.clip(tmp_path / "a.mp4", "happy", 1, seconds=1.0, sound=False)
    with pytest.raises(ClipError, match="no sound stream"):
        speech.load(tmp_path / "a.mp4")


def test_the_features_are_the_same_with_one_thread_and_with_two():
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * 48_000).astype(np.float32)
    rich = AudioConfig(deltas=2, prosody=True)
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            found.append(descriptors.features(noise, 48_000, rich)[0])
    assert np.array_equal(*found)


def test_frames_lie_wholly_inside_the_sound():
    samples = tone(3.0)
    coefficients = speech.mfcc(samples, 48_000)
    assert coefficients.shape == (1 + (len(samples) - 4096) // 2048, 13) and coefficients.dtype == np.float32
    assert np.allclose(coefficients[:10], speech.mfcc(samples[: 4096 + 9 * 2048], 48_000), atol=1e-3)


def test_a_sound_shorter_than_a_frame_gives_one_frame():
    assert speech.mfcc(tone(0.05), 48_000).shape == (1, 13)


def test_the_mel_bank_is_the_htk_one_and_the_window_hamming():
    """Equations (2.24) to (2.27) by hand, for one frame."""
    from scipy.fft import dct

    x = np.random.default_rng(0).normal(size=4096).astype(np.float32)
    x = np.append(x[:1], x[1:] - 0.97 * x[:-1])
    power = np.abs(np.fft.rfft(x * (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(4096) / 4096)))) ** 2
    hz = np.fft.rfftfreq(4096, 1 / 48_000)
    mel = np.linspace(0, 2595 * np.log10(1 + 24_000 / 700), 28)
    edges = 700 * (10 ** (mel / 2595) - 1)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    by_hand = dct(10 * np.log10(bank @ power), norm="ortho")[:13]
    again = np.random.default_rng(0).normal(size=4096).astype(np.float32)
    assert np.allclose(speech.mfcc(again, 48_000)[0], by_hand, atol=0.05)


def test_mfcc_refuses_another_rate_and_stereo():
    with pytest.raises(ValueError, match="16000 Hz"):
        speech.mfcc(tone(), 16_000)
    with pytest.raises(ValueError, match="mono"):
        speech.mfcc(np.zeros((2, 48_000)), 48_000)


def test_frame_times_are_the_middles_of_the_frames():
    times = speech.frame_times(3, AudioConfig())
    assert np.allclose(times, [2048 / 48_000, 4096 / 48_000, 6144 / 48_000])


@pytest.mark.real
def test_the_five_stereo_recordings_become_mono(shared):
    for name in ("01/03-01-02-01-01-02-01", "01/03-01-08-01-02-02-01", "05/03-01-02-01-02-02-05"):
        samples, _ = speech.load(shared / "ravdess" / f"Actor_{name}.flac")
        assert samples.ndim == 1 and len(samples) > 2 * 48_000
