import matplotlib.pyplot as plt
import numpy as np

from helpers.audio import descriptors
from helpers.beyond import recipe
from helpers.config import AudioConfig
from helpers.plots import charts, clips

SOUND = AudioConfig(**recipe.FEATURES)
TIMES = np.arange(SOUND.rate) / SOUND.rate
VOICE = 0.1 * sum(np.sin(2 * np.pi * n * 150 * TIMES) / n for n in range(1, 20))


def test_the_pitch_is_drawn_in_hz_at_the_times_of_its_frames(tmp_path):
    values, times = descriptors.features(VOICE, SOUND.rate, SOUND)
    ax = clips.contours(values, times, SOUND)
    pitch, energy = (axes.lines[0] for axes in ax.figure.axes[1:])
    assert abs(np.nanmedian(pitch.get_ydata()) - 150) < 3
    assert np.array_equal(pitch.get_xdata(), times) and energy.axes.get_ylabel() == "dB"
    assert charts.save(ax, tmp_path / "voice.png").stat().st_size > 10_000
    plt.close(ax.figure)


def test_the_mel_bands_of_several_clips_share_one_scale():
    values, _ = descriptors.features(VOICE, SOUND.rate, SOUND)
    ax = clips.bands({"as it is": values, "again": values}, SOUND)
    first, second = (axes.images[0] for axes in ax.figure.axes)
    assert first.get_array().shape == (SOUND.n_mels, len(values)) and first.get_clim() == second.get_clim()
    assert [axes.get_title() for axes in ax.figure.axes] == ["as it is", "again"]
    plt.close(ax.figure)
