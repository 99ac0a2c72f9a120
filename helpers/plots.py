"""Pictures only. Each function takes ax=None, draws on it or on a new one, and returns it."""

import pathlib

import numpy as np


def _axes(ax, width=6.0, height=4.0):
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def save(ax, path):
    """Writes the picture that `ax` belongs to as PNG. Returns the path."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, dpi=120)
    return path


def confusion(matrix, classes, ax=None, title=None):
    """Confusion matrix, rows true and columns predicted, in per cent of each row (figures 4.1–4.3).

    Args:
        matrix: int (C, C), as `evaluation.confusion` gives it.
        classes: C names.
    """
    import seaborn

    ax = _axes(ax, 5.6, 5.0)
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    options = {"vmin": 0, "vmax": 100, "cmap": "Blues", "cbar": False, "square": True, "linewidths": 0.5}
    seaborn.heatmap(share, annot=True, fmt=".0f", xticklabels=classes, yticklabels=classes, ax=ax, **options)
    ax.set(xlabel="predicted", ylabel="true", title=title or "Recall in per cent of each true emotion")
    ax.tick_params(axis="x", rotation=45)
    ax.tick_params(axis="y", rotation=0)
    return ax


def curves(history, metric="accuracy", ax=None, title=None):
    """A metric over the epochs, thin a fold and bold their mean; held-out rows dashed (figure 4.4).

    Args:
        history: DataFrame with fold, epoch, <metric> and perhaps val_<metric>.
        metric: "accuracy" or "loss".
    """
    ax = _axes(ax)
    held = "of training actors or clips held out"
    for column, style, colour, name in ((metric, "-", "C0", "training"), (f"val_{metric}", "--", "C1", held)):
        if column in history:
            for _, fold in history.groupby("fold"):
                ax.plot(fold.epoch, fold[column], style, color=colour, alpha=0.25, linewidth=1)
            mean = history.groupby("epoch")[column].mean()
            ax.plot(mean.index, mean, style, color=colour, linewidth=2, label=name)
    ax.set(xlabel="epoch", ylabel=metric, title=title or f"Training {metric}, mean of the folds in bold")
    ax.set_ylim(0, 1.02 if metric == "accuracy" else None)
    ax.legend()
    return ax


def folds(table, parts, ax=None, title=None):
    """Which actors each fold tests on: clips of an actor (column) in a fold's test part (row) (figure 3.4)."""
    import seaborn

    actors = np.unique(table.actor)
    actor = np.asarray(table.actor)
    counts = np.array([[(actor[test] == a).sum() for a in actors] for _, test in parts])
    ax = _axes(ax, max(5.0, 0.45 * len(actors) + 2), 0.4 * len(parts) + 1.4)
    options = {"annot": True, "fmt": "d", "cmap": "Blues", "cbar": False, "linewidths": 0.5, "annot_kws": {"size": 8}}
    rows = range(1, len(parts) + 1)
    seaborn.heatmap(counts, xticklabels=actors, yticklabels=rows, ax=ax, **options)
    ax.set(xlabel="actor", ylabel="fold", title=title or "Test clips of each actor in each fold")
    return ax


def systems(summaries, reference=None, ax=None, title=None):
    """Average accuracy of each system with its folds as points; `reference` averages as diamonds; chance dashed.

    Args:
        summaries: {name: summary dict}.
        reference: {name: average}, such as the thesis'.
    """
    ax = _axes(ax, 1.3 * len(summaries) + 2.5, 4.2)
    for x, (name, summary) in enumerate(summaries.items()):
        ax.bar(x, 100 * summary["average"], width=0.6, color=f"C{x % 10}", alpha=0.75)
        points = 100 * np.array(summary["fold_accuracy"])
        ax.plot(x + np.linspace(-0.15, 0.15, len(points)), points, "o", color="black", markersize=3, alpha=0.6)
        ax.hlines(100 * summary["chance"], x - 0.4, x + 0.4, colors="black", linestyles="dashed", linewidth=1)
        if reference and name in reference:
            ax.plot(x, 100 * reference[name], "D", color="white", markeredgecolor="black", markersize=7)
    ax.set_xticks(range(len(summaries)), list(summaries))
    note = "dots: folds · dashed: chance" + (" · diamond: thesis, on RAVDESS" if reference else "")
    ax.set(ylim=(0, 103), ylabel="accuracy in per cent", title=title or "Average over the folds", xlabel=note)
    return ax


def best_fold(result, ax=None, title=None):
    """Confusion matrix of the fold with the highest accuracy, which is all the thesis' figures 4.1 to 4.3 show.

    Args:
        result: CVResult. The title says which fold it is, its accuracy and the folds' average.
    """
    from helpers import evaluation

    k, accuracy, rows = evaluation.best_fold(result.predictions)
    average = 100 * result.summary()["average"]
    matrix = evaluation.confusion(rows, result.classes)
    said = f"best fold ({k}): {100 * accuracy:.1f} % · average {average:.1f} %"
    return confusion(matrix, result.classes, ax, f"{title}\n{said}" if title else said)


def ablation(table, ax=None, title=None):
    """Average accuracy of each architecture, a line the folds' standard deviation, a diamond the published accuracy.

    Args:
        table: DataFrame, as `ablation.table` gives it.
    """
    ax = _axes(ax, 7.0, 0.42 * len(table) + 1.4)
    places = np.arange(len(table))
    error = {"xerr": table["std"], "error_kw": {"elinewidth": 1}} if (table.folds > 1).any() else {}
    ax.barh(places, table.average, height=0.6, color="C0", alpha=0.75, **error)
    if "thesis" in table:
        ax.plot(table.thesis, places, "D", color="white", markeredgecolor="black", markersize=7, label="thesis")
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    columns = (table[name] for name in ("GRU layers", "GRU units", "batch norm", "attention"))
    names = [
        f"{layers} × {units}" + ", batch norm" * (norm == "yes") + f", {attention} attention" * (attention != "none")
        for layers, units, norm, attention in zip(*columns)
    ]
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    folds = " and ".join(str(n) for n in sorted(set(table.folds)))
    ax.set(xlim=(0, 100), xlabel=f"accuracy in per cent, {folds} folds" if folds != "1" else "accuracy, one fold")
    ax.set_title(title or "Layers × units, batch normalisation, attention")
    return ax


def face_strip(track, n=10, ax=None, title=None):
    """n of a FaceTrack's faces side by side, with their times."""
    ax = _axes(ax, 10, 1.6)
    rows = np.linspace(0, len(track.frames) - 1, min(n, len(track.frames))).round().astype(int)
    size = track.frames.shape[1]
    ax.imshow(np.concatenate(list(track.frames[rows]), axis=1))
    ax.set_xticks((np.arange(len(rows)) + 0.5) * size, [f"{t:.2f} s" for t in track.times[rows]])
    ax.set_yticks([])
    ax.set_title(title or "Faces the model sees")
    return ax


def frames_with_boxes(frames, boxes, times, n=6, ax=None, title=None):
    """n of a clip's frames side by side, each with its face's box (top, right, bottom, left) and its time in s."""
    import matplotlib.patches

    rows = np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int)
    ax = _axes(ax, 12, 1.6)
    height, width = frames[0].shape[:2]
    ax.imshow(np.concatenate([frames[row] for row in rows], axis=1))
    for place, (top, right, bottom, left) in enumerate(boxes[row] for row in rows):
        corner, style = (left + place * width, top), {"fill": False, "ec": "lime", "lw": 1.5}
        ax.add_patch(matplotlib.patches.Rectangle(corner, right - left, bottom - top, **style))
    ax.set_xticks((np.arange(len(rows)) + 0.5) * width, [f"{times[row]:.2f} s" for row in rows])
    ax.set(yticks=[], xlim=(0, width * len(rows)), ylim=(height, 0), title=title or "Kept frames and their faces")
    return ax


def spectrogram(samples, rate, ax=None, title=None):
    """Energy over time and frequency, in decibel, from frames of 2048 samples."""
    ax = _axes(ax, 8, 2.6)
    # A floor 100 dB below full scale: the logarithm of digital silence has no value.
    ax.specgram(samples + 1e-5, NFFT=2048, Fs=rate, noverlap=1792, cmap="magma", vmin=-120)
    ax.set(xlabel="seconds", ylabel="Hz", title=title or "Spectrogram", ylim=(0, min(rate / 2, 6000)))
    return ax


def waveform(samples, rate, ax=None, title=None):
    """Amplitude over time."""
    ax = _axes(ax, 8, 2)
    ax.plot(np.arange(len(samples)) / rate, samples, linewidth=0.4)
    ax.set(xlabel="seconds", ylabel="amplitude", title=title or "Waveform", xlim=(0, len(samples) / rate))
    return ax


def mfcc(coefficients, times, ax=None, title=None):
    """MFCC (T, n) over time, each coefficient standardised so that all can be seen."""
    ax = _axes(ax, 8, 2.6)
    z = (coefficients - coefficients.mean(axis=0)) / (coefficients.std(axis=0) + 1e-6)
    edges = (times[0], times[-1], -0.5, coefficients.shape[1] - 0.5)
    ax.imshow(z.T, aspect="auto", origin="lower", extent=edges, cmap="coolwarm", vmin=-3, vmax=3)
    ax.set_yticks(range(0, coefficients.shape[1], 3))
    ax.set(xlabel="seconds", ylabel="coefficient", title=title or "MFCC, each standardised over the clip")
    return ax


def attended_faces(track, weights, n=12, ax=None, title=None):
    """n of a FaceTrack's faces side by side, over each a bar as high as the attention it got.

    Args:
        track: FaceTrack of T faces.
        weights: (T,), attention of each.
    """
    ax = _axes(ax, 12, 2.2)
    rows = np.linspace(0, len(track.frames) - 1, min(n, len(track.frames))).round().astype(int)
    size = track.frames.shape[1]
    ax.imshow(np.concatenate(list(track.frames[rows]), axis=1))
    middles = (np.arange(len(rows)) + 0.5) * size
    ax.bar(middles, -size * weights[rows] / max(weights), 0.8 * size, color="C0", alpha=0.7)
    ax.axhline(-size / len(weights) / max(weights), color="black", linestyle="dotted", linewidth=1)
    ax.set_xticks(middles, [f"{t:.2f} s" for t in track.times[rows]])
    ax.set(yticks=[], xlim=(0, size * len(rows)), ylim=(size, -1.05 * size))
    ax.set_title(title or "Attention to each face; dotted: equal weights")
    return ax


def attended_sound(samples, rate, weights, times, ax=None, title=None):
    """The waveform in grey, and over it the attention (T,) that each frame got, at its time in seconds."""
    ax = waveform(samples, rate, ax)
    ax.lines[-1].set_color("0.7")
    over = ax.twinx()
    over.fill_between(times, weights, step="mid", color="C0", alpha=0.45)
    over.axhline(1 / len(weights), color="black", linestyle="dotted", linewidth=1)
    over.set(ylabel="attention", ylim=(0, None))
    ax.set_title(title or "Attention over the clip; dotted: equal weights")
    return ax


def gallery(images, label, classes, columns=8, ax=None, title=None, seed=0):
    """Pictures by class: one row a class that is there, drawn at random (figures 3.1–3.3).

    Args:
        images: uint8 (N, size, size, 3).
        label: int (N,), places in `classes`.
        classes: names.
        columns: pictures of each class at the most; white where a class has fewer.
    """
    present = [number for number in range(len(classes)) if (label == number).any()]
    columns = min(columns, np.bincount(label).max())
    size, rng = images.shape[1], np.random.default_rng(seed)
    grid = np.full((len(present), columns, size, size, 3), 255, dtype=np.uint8)
    for row, number in enumerate(present):
        found = np.flatnonzero(label == number)
        for column, n in enumerate(rng.permutation(found)[:columns]):
            grid[row, column] = images[n]
    ax = _axes(ax, 0.8 * columns + 1, 0.8 * len(present) + 0.4)
    ax.imshow(grid.transpose(0, 2, 1, 3, 4).reshape(len(present) * size, columns * size, 3))
    ax.set_yticks((np.arange(len(present)) + 0.5) * size, [classes[number] for number in present])
    ax.set_xticks([])
    ax.set_title(title or "Pictures by emotion")
    return ax


def reliability(predictions, ax=None, title=None):
    """Accuracy at each level of confidence; on the diagonal the probabilities say what they mean (Guo et al. 2017).

    The number above a bar is its clips; the fewer, the paler the bar. The title ends with the ECE.

    Args:
        predictions: DataFrame with label, prediction and the probabilities p_<emotion> ….
    """
    from helpers import statistics

    ax = _axes(ax, 4.8, 4.4)
    rows = statistics.calibration(predictions)
    width = 1 / len(rows)
    for place, row in rows[rows["count"] > 0].iterrows():
        alpha = 0.25 + 0.75 * row["count"] / rows["count"].max()
        ax.bar((place + 0.5) * width, row.accuracy, width, color="C0", alpha=alpha, edgecolor="white")
        ax.annotate(f"{row['count']:.0f}", ((place + 0.5) * width, 1.02), ha="center", va="bottom", fontsize=8)
    ax.plot([0, 1], [0, 1], color="black", linestyle="dashed", linewidth=1)
    ax.set(xlim=(0, 1), ylim=(0, 1.08), xlabel="confidence (largest probability)", ylabel="accuracy")
    ax.set_title(f"{title or 'Confidence and accuracy'} · ECE {statistics.ece(predictions):.3f}")
    return ax


def by_actor(predictions, ax=None, title=None):
    """Accuracy of each actor, lowest first, one dot each; dashed is the actors' mean.

    Args:
        predictions: DataFrame with actor, label and prediction.
    """
    from helpers import statistics

    accuracy = 100 * statistics.by_group(predictions, "actor").accuracy.sort_values(kind="stable")
    ax = _axes(ax, np.clip(0.22 * len(accuracy) + 1.5, 5, 14), 3.6)
    ax.plot(range(len(accuracy)), accuracy, "o", color="C0")
    ax.axhline(accuracy.mean(), color="black", linestyle="dashed", linewidth=1, label=f"mean {accuracy.mean():.1f}")
    ax.set_xticks(range(len(accuracy)), list(accuracy.index), fontsize=7)
    ax.tick_params(axis="x", rotation=90 if len(accuracy) > 30 else 0)
    ax.set(ylim=(0, 103), xlabel="actor", ylabel="accuracy in per cent", title=title or "Accuracy of each actor")
    ax.margins(x=0.02)
    ax.legend(loc="lower right")
    return ax
