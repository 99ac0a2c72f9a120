"""A voice beyond its MFCC, as pictures of several axes. Each function returns the first; its figure holds them all."""

import numpy as np

from helpers import augmentation, pictures, prosody, voice


def contours(values, times, config):
    """Cepstra, pitch and energy over time, one below the other.

    Args:
        values, times: (T, F) and (T,), as `voice.features` gives them, with prosody.
        config: AudioConfig that made them.
    """
    import matplotlib.pyplot as plt

    places = voice.columns(config)
    _, axes = plt.subplots(3, 1, figsize=(8, 5.4), sharex=True, height_ratios=(2, 1, 1), layout="constrained")
    pictures.mfcc(values[:, places["mfcc"]], times, axes[0], "Cepstra, each standardised over the clip")
    axes[0].set_xlabel("")
    found = dict(zip(prosody.NAMES, values[:, places["prosody"]].T))
    pitch = np.where(found["periodicity"] > 0.5, np.exp(found["log pitch"]), np.nan)
    axes[1].plot(times, pitch, ".", markersize=4)
    axes[1].set(ylabel="Hz", title="Pitch, where the frame is periodic")
    axes[2].plot(times, found["log energy"] * 10 / np.log(10))
    axes[2].set(ylabel="dB", title="Energy", xlabel="seconds", xlim=(times[0], times[-1]))
    return axes[0]


def bands(shown, config):
    """Several voices' mel bands side by side, as far as their cepstra know them; 60 dB from black to white.

    Args:
        shown: {title: (T, F)}.
        config: AudioConfig of the features.
    """
    import matplotlib.pyplot as plt

    size = {"figsize": (2.6 * len(shown), 2.8), "sharey": True, "squeeze": False, "layout": "constrained"}
    axes = plt.subplots(1, len(shown), **size)[1][0]
    place, basis = voice.columns(config)["mfcc"], augmentation.cosines(config.n_mels, config.n_mfcc)
    found = {title: values[:, place] @ basis for title, values in shown.items()}
    loudest = max(picture.max() for picture in found.values())
    for ax, (title, picture) in zip(axes, found.items()):
        edges = (0, len(picture) * config.hop / config.rate, 0.5, config.n_mels + 0.5)
        options = {"vmin": loudest - 60, "vmax": loudest, "cmap": "magma", "extent": edges}
        ax.imshow(picture.T, aspect="auto", origin="lower", **options)
        ax.set(title=title, xlabel="seconds")
    axes[0].set_ylabel("mel band")
    return axes[0]
