"""What came out, as pictures. Each function takes ax=None, draws on it or on a new one, and returns it."""

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
    mark = "o" if history.epoch.nunique() == 1 else None  # a line of one point cannot be seen
    for column, style, colour, name in ((metric, "-", "C0", "training"), (f"val_{metric}", "--", "C1", held)):
        if column in history:
            for _, fold in history.groupby("fold"):
                ax.plot(fold.epoch, fold[column], style, color=colour, alpha=0.25, linewidth=1)
            mean = history.groupby("epoch")[column].mean()
            ax.plot(mean.index, mean, style, color=colour, linewidth=2, marker=mark, label=name)
    ax.set(xlabel="epoch", ylabel=metric, title=title or f"Training {metric}, mean of the folds in bold")
    ax.set_ylim(0, 1.02 if metric == "accuracy" else None)
    ax.legend()
    return ax


def folds(table, parts, ax=None, title=None):
    """Whom and what each fold tests on: a row a fold, a column an actor or an emotion, its test clips (figure 3.4).

    Args:
        table: FeatureSet, or anything with actor (N,), label (N,) and classes.
        parts: [(training rows, test rows)], as `ravdess.folds` gives them.
    """
    import seaborn

    actor, label, actors = np.asarray(table.actor), np.asarray(table.label), np.unique(table.actor)
    by_actor = [[(actor[test] == a).sum() for a in actors] for _, test in parts]
    by_class = [[(label[test] == c).sum() for c in range(len(table.classes))] for _, test in parts]
    counts = np.hstack([by_actor, np.full((len(parts), 1), np.nan), by_class])
    ax = _axes(ax, max(5.0, 0.42 * counts.shape[1] + 1.5), 0.4 * len(parts) + 1.9)
    options = {"fmt": ".0f", "cmap": "Blues", "cbar": False, "linewidths": 0.5, "annot_kws": {"size": 8}}
    names = [*(f"actor {a}" for a in actors), "", *table.classes]
    seaborn.heatmap(counts, annot=True, xticklabels=names, yticklabels=range(1, len(parts) + 1), ax=ax, **options)
    ax.tick_params(axis="x", rotation=60, length=0)
    ax.tick_params(axis="y", rotation=0)
    ax.set(ylabel="fold", title=title or "Test clips of each actor and of each emotion")
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
    from helpers.evaluation import metrics

    k, accuracy, rows = metrics.best_fold(result.predictions)
    average = 100 * result.summary()["average"]
    matrix = metrics.confusion(rows, result.classes)
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


def reliability(predictions, ax=None, title=None):
    """Accuracy at each level of confidence; on the diagonal the probabilities say what they mean (Guo et al. 2017).

    The number above a bar is its clips; the fewer, the paler the bar. The title ends with the ECE.

    Args:
        predictions: DataFrame with label, prediction and the probabilities p_<emotion> ….
    """
    from helpers.evaluation import significance

    ax = _axes(ax, 4.8, 4.4)
    rows = significance.calibration(predictions)
    width = 1 / len(rows)
    for place, row in rows[rows["count"] > 0].iterrows():
        alpha = 0.25 + 0.75 * row["count"] / rows["count"].max()
        ax.bar((place + 0.5) * width, row.accuracy, width, color="C0", alpha=alpha, edgecolor="white")
        ax.annotate(f"{row['count']:.0f}", ((place + 0.5) * width, 1.02), ha="center", va="bottom", fontsize=8)
    ax.plot([0, 1], [0, 1], color="black", linestyle="dashed", linewidth=1)
    ax.set(xlim=(0, 1), ylim=(0, 1.08), xlabel="confidence (largest probability)", ylabel="accuracy")
    ax.set_title(f"{title or 'Confidence and accuracy'} · ECE {significance.ece(predictions):.3f}")
    return ax


def by_actor(predictions, ax=None, title=None):
    """Accuracy of each actor, lowest first, one dot each; dashed is the actors' mean.

    Args:
        predictions: DataFrame with actor, label and prediction.
    """
    from helpers.evaluation import significance

    accuracy = 100 * significance.by_group(predictions, "actor").accuracy.sort_values(kind="stable")
    ax = _axes(ax, np.clip(0.22 * len(accuracy) + 1.5, 5, 14), 3.6)
    ax.plot(range(len(accuracy)), accuracy, "o", color="C0")
    ax.axhline(accuracy.mean(), color="black", linestyle="dashed", linewidth=1, label=f"mean {accuracy.mean():.1f}")
    ax.set_xticks(range(len(accuracy)), list(accuracy.index), fontsize=7)
    ax.tick_params(axis="x", rotation=90 if len(accuracy) > 30 else 0)
    ax.set(ylim=(0, 103), xlabel="actor", ylabel="accuracy in per cent", title=title or "Accuracy of each actor")
    ax.margins(x=0.02)
    ax.legend(loc="lower right")
    return ax
