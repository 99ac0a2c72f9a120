"""Figures of a clip's faces and sound. Each function takes ax=None, draws on it or on a new one, and returns it."""

import numpy as np

from helpers.audio import augmentation, descriptors
from helpers.plots.charts import axes, plain


def _strip(images, times, n, ax):
    """n of the images (N, H, W, 3) in a row, with their times; the rows that are shown."""
    rows, width = np.linspace(0, len(images) - 1, min(n, len(images))).round().astype(int), images[0].shape[1]
    ax.imshow(np.concatenate([images[row] for row in rows], axis=1))
    ax.set_xticks((np.arange(len(rows)) + 0.5) * width, [f"{times[row]:.2f} s" for row in rows])
    ax.set_yticks([])
    return rows


def face_strip(track, n=10, ax=None, title=None):
    """n of a FaceTrack's faces in a row, with their times."""
    ax = axes(ax, 10, 1.6)
    _strip(track.frames, track.times, n, ax)
    ax.set_title(title or "Faces the model sees")
    return ax


def frames_with_boxes(frames, boxes, times, n=6, ax=None, title=None):
    """n of a clip's frames in a row, each with its face's box (top, right, bottom, left) and its time in s."""
    from matplotlib.patches import Rectangle

    ax = axes(ax, 12, 1.6)
    rows, (height, width) = _strip(frames, times, n, ax), frames[0].shape[:2]
    for place, (top, right, bottom, left) in enumerate(boxes[row] for row in rows):
        corner, style = (left + place * width, top), {"fill": False, "ec": "lime", "lw": 1.5}
        ax.add_patch(Rectangle(corner, right - left, bottom - top, **style))
    ax.set(xlim=(0, width * len(rows)), ylim=(height, 0), title=title or "Kept frames and their faces")
    return ax


def attended_faces(track, weights, n=12, ax=None, title=None):
    """n of a FaceTrack's T faces in a row, over each a bar as high as its attention, weights (T,)."""
    ax, size = axes(ax, 12, 2.2), track.frames.shape[1]
    rows = _strip(track.frames, track.times, n, ax)
    ax.bar((np.arange(len(rows)) + 0.5) * size, -size * weights[rows] / max(weights), 0.8 * size, color="C0", alpha=0.7)
    ax.axhline(-size / len(weights) / max(weights), color="black", linestyle="dotted", linewidth=1)
    ax.set(xlim=(0, size * len(rows)), ylim=(size, -1.05 * size))
    ax.set_title(title or "Attention to each face; dotted: equal weights")
    return ax


def spectrogram(samples, rate, ax=None, title=None):
    """Energy over time and frequency, in decibel, from frames of 2048 samples."""
    ax = axes(ax, 8, 2.6)
    # A floor 100 dB below full scale: the logarithm of digital silence has no value.
    ax.specgram(samples + 1e-5, NFFT=2048, Fs=rate, noverlap=1792, cmap="magma", vmin=-120)
    ax.set(xlabel="seconds", ylabel="Hz", title=title or "Spectrogram", ylim=(0, min(rate / 2, 6000)))
    return ax


def waveform(samples, rate, ax=None, title=None, color="C0"):
    """Amplitude over time."""
    ax = axes(ax, 8, 2)
    ax.plot(np.arange(len(samples)) / rate, samples, color=color, linewidth=0.4)
    ax.set(xlabel="seconds", ylabel="amplitude", title=title or "Waveform", xlim=(0, len(samples) / rate))
    return ax


def attended_sound(samples, rate, weights, times, ax=None, title=None):
    """The waveform in grey, and over it the attention (T,) of each frame, at its time in seconds."""
    ax = waveform(samples, rate, ax, title or "Attention over the clip; dotted: equal weights", "0.7")
    over = ax.twinx()
    over.fill_between(times, weights, step="mid", color="C0", alpha=0.45)
    over.axhline(1 / len(weights), color="black", linestyle="dotted", linewidth=1)
    over.set(ylabel="attention", ylim=(0, None))
    return ax


def mfcc(coefficients, times, ax=None, title=None):
    """MFCC (T, n) over time, each coefficient standardised so that all can be seen."""
    ax = axes(ax, 8, 2.6)
    z = (coefficients - coefficients.mean(axis=0)) / (coefficients.std(axis=0) + 1e-6)
    edges = (times[0], times[-1], -0.5, coefficients.shape[1] - 0.5)
    ax.imshow(z.T, aspect="auto", origin="lower", extent=edges, cmap="coolwarm", vmin=-3, vmax=3)
    ax.set_yticks(range(0, coefficients.shape[1], 3))
    ax.set(xlabel="seconds", ylabel="coefficient", title=title or "MFCC, each standardised over the clip")
    return ax


def gallery(images, label, classes, columns=8, ax=None, title=None, seed=0):
    """Images, uint8 (N, size, size, 3), by class: a row each, up to so many columns, drawn at random (3.1–3.3)."""
    present = [number for number in range(len(classes)) if (label == number).any()]
    columns = min(columns, np.bincount(label).max())
    size, rng = images.shape[1], np.random.default_rng(seed)
    grid = np.full((len(present), columns, size, size, 3), 255, dtype=np.uint8)
    for row, number in enumerate(present):
        chosen = rng.permutation(np.flatnonzero(label == number))[:columns]
        grid[row, : len(chosen)] = images[chosen]
    ax = axes(ax, 0.8 * columns + 1, 0.8 * len(present) + 0.4)
    ax.imshow(grid.transpose(0, 2, 1, 3, 4).reshape(len(present) * size, columns * size, 3))
    ax.set_yticks((np.arange(len(present)) + 0.5) * size, [plain(classes[number]) for number in present])
    ax.set(xticks=[], title=title or "Images by emotion")
    return ax


def mel_bank(bank, frequencies, ax=None, title=None):
    """The triangles of a mel filter bank (M, F) over frequency (F,) in Hz (figure 2.14)."""
    ax = axes(ax, 8, 2.4)
    ax.plot(frequencies / 1000, bank.T, linewidth=1)
    ax.set(xlabel="kHz", ylabel="gain", xlim=(0, frequencies[-1] / 1000), ylim=(0, None))
    ax.set_title(title or f"Mel filter bank, {len(bank)} bands")
    return ax


def over_time(values, seconds, ax=None, title=None):
    """Mel bands' log energies (T, M), in dB, over a sound of so many seconds, as colours."""
    ax = axes(ax, 8, 2.6)
    image = ax.imshow(values.T, aspect="auto", origin="lower", extent=(0, seconds, 0.5, values.shape[1] + 0.5))
    ax.figure.colorbar(image, ax=ax, label="dB")
    ax.set(xlabel="seconds", ylabel="band", title=title)
    return ax


def contours(values, times, config):
    """Cepstra, pitch and energy over time, of (T, F) and (T,) as `descriptors.features` gives them, with prosody."""
    import matplotlib.pyplot as plt

    places = descriptors.columns(config)
    _, rows = plt.subplots(3, 1, figsize=(8, 5.4), sharex=True, height_ratios=(2, 1, 1), layout="constrained")
    mfcc(values[:, places["mfcc"]], times, rows[0], "Cepstra, each standardised over the clip")
    rows[0].set_xlabel("")
    prosody = dict(zip(descriptors.PROSODY, values[:, places["prosody"]].T))
    pitch = np.where(prosody["periodicity"] > 0.5, np.exp(prosody["log pitch"]), np.nan)
    rows[1].plot(times, pitch, ".", markersize=4)
    rows[1].set(ylabel="Hz", title="Pitch, where the frame is periodic")
    rows[2].plot(times, prosody["log energy"] * 10 / np.log(10))
    rows[2].set(ylabel="dB", title="Energy", xlabel="seconds", xlim=(times[0], times[-1]))
    return rows[0]


def bands(shown, config):
    """Mel bands of {title: features (T, F)} in a row, reconstructed from the cepstra; 60 dB from black to white."""
    import matplotlib.pyplot as plt

    size = {"figsize": (2.6 * len(shown), 2.8), "sharey": True, "squeeze": False, "layout": "constrained"}
    row = plt.subplots(1, len(shown), **size)[1][0]
    place, basis = descriptors.columns(config)["mfcc"], augmentation.cosines(config.n_mels, config.n_mfcc)
    energies = {title: values[:, place] @ basis for title, values in shown.items()}
    loudest = max(energy.max() for energy in energies.values())
    for ax, (title, energy) in zip(row, energies.items()):
        edges = (0, len(energy) * config.hop_length / config.rate, 0.5, config.n_mels + 0.5)
        options = {"vmin": loudest - 60, "vmax": loudest, "cmap": "magma", "extent": edges}
        ax.imshow(energy.T, aspect="auto", origin="lower", **options)
        ax.set(title=title, xlabel="seconds")
    row[0].set_ylabel("mel band")
    return row[0]
