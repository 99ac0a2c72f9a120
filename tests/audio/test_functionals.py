import numpy as np
import pytest

from helpers.audio import functionals
from helpers.data import synthetic
from helpers.data.exclusions import ClipError

SECONDS = np.arange(2 * functionals.RATE) / functionals.RATE


def buzz(hz, loudness=0.1):
    """A voice of one pitch: harmonics that decay."""
    return loudness * sum(np.sin(2 * np.pi * n * hz * SECONDS) / n for n in range(1, 20))


def test_silence_around_the_speech_changes_almost_nothing():
    padded = np.concatenate([np.zeros(functionals.RATE), buzz(200), np.zeros(functionals.RATE)])
    padded += np.random.default_rng(0).normal(0, 1e-6, len(padded))
    bare, cut = functionals.functionals(buzz(200)), functionals.functionals(padded)
    medians = slice(4 * (functionals.CEPSTRA + 6), 4 * (functionals.CEPSTRA + 6) + functionals.CEPSTRA)
    assert np.allclose(bare[medians], cut[medians], rtol=0.02, atol=0.1)
    assert cut[-2] - bare[-2] == 100, "how long the clip was before is a number of its own"


def test_the_statistics_are_those_of_a_ramp():
    ramp = np.linspace(0, 1, 101)[:, None]
    found = functionals.statistics(ramp)
    mean, std, *percentiles = found[:7]
    assert (mean, std) == pytest.approx((0.5, ramp.std())) and percentiles == pytest.approx(
        [0.05, 0.25, 0.5, 0.75, 0.95]
    )
    assert found[8] == pytest.approx(100 / 101) and found[10] == pytest.approx(0.01)
    assert np.isfinite(functionals.statistics(np.ones((1, 3)))).all()


def test_a_table_has_a_row_a_clip_and_names_the_clip_that_cannot_be_used(tmp_path):
    paths = [synthetic.clip(tmp_path / f"{n}.mp4", "happy", n, seconds=1, pictures=False) for n in (1, 2)]
    found = functionals.table(paths)
    assert found.shape == (2, 1732) and found.dtype == np.float32 and np.isfinite(found).all()
    assert np.array_equal(found[1], functionals.read(paths[1]))
    slow, same, fast = functionals.table(paths, functionals.SPEEDS)[0]
    assert np.array_equal(same, found[0])
    pitch = 4 * (functionals.CEPSTRA + 6) + functionals.CEPSTRA  # the median of its logarithm
    assert np.exp(fast[pitch] - slow[pitch]) == pytest.approx(1.1 / 0.9, rel=0.03)
    assert slow[-2] / fast[-2] == pytest.approx(1.1 / 0.9, rel=0.05), "frames"
    (tmp_path / "broken.wav").write_text("no sound")
    with pytest.raises(ClipError, match=r"broken\.wav"):
        functionals.table([tmp_path / "broken.wav"])
    with pytest.raises(ValueError, match="44100 Hz"):
        functionals.functionals(buzz(200), 44100)
