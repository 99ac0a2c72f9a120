"""Figures of results. Each function takes ax=None, draws on it or on a new one, and returns it.

`predictions` are those of a CVResult: DataFrame with actor, label, prediction, p_<emotion> ….
"""

import pathlib

import numpy as np


def axes(ax, width=6.0, height=4.0):
    """The given axes, or new ones of a size in inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def plain(name):
    """A name that came with the data, in which dollar signs do not begin mathematics."""
    return name.replace("$", r"\$")


def save(ax, path):
    """Writes the figure that `ax` belongs to as PNG. Returns the path."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, dpi=120)
    return path


def _heatmap(values, rows, columns, ax, **options):
    import seaborn

    options |= {"annot": True, "fmt": ".0f", "cmap": "Blues", "cbar": False, "linewidths": 0.5}
    seaborn.heatmap(values, xticklabels=columns, yticklabels=rows, ax=ax, **options)
    ax.tick_params(axis="y", rotation=0)


def confusion(matrix, classes, ax=None, title=None):
    """Confusion matrix (C, C), rows true and columns predicted, in per cent of each row (figures 4.1–4.3)."""
    names = list(map(plain, classes))
    side = max(5.0, 0.34 * len(names) + 1.2) + 0.05 * max(0, *(len(name) - 10 for name in names))
    ax = axes(ax, side + 0.6, side)
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    _heatmap(share, names, names, ax, vmin=0, vmax=100, square=True)
    ax.set(xlabel="predicted", ylabel="true", title=title or "Recall in per cent of each true emotion")
    for name in ax.get_xticklabels():
        name.set(rotation=45, ha="right", rotation_mode="anchor")  # it ends at its own column
    return ax


def curves(history, metric="accuracy", ax=None, title=None):
    """Accuracy or loss over the epochs, each fold thin and their mean bold, validation dashed (figure 4.4).

    `history` is a CVResult's: DataFrame with fold, epoch, <metric> and perhaps val_<metric>.
    """
    ax = axes(ax)
    validation = "validation: training actors or clips held out"
    mark = "o" if history.epoch.nunique() == 1 else None  # a line of one point cannot be seen
    for column, style, colour, name in ((metric, "-", "C0", "training"), (f"val_{metric}", "--", "C1", validation)):
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
    """Number of test clips of each actor and of each emotion (columns) in each fold (rows) (figure 3.4).

    `table` is a FeatureSet, `parts` its [(training rows, test rows)], as `data.folds` gives them.
    """
    actor, label, actors = np.asarray(table.actor), np.asarray(table.label), np.unique(table.actor)
    counts = [
        [*((actor[test] == a).sum() for a in actors), np.nan, *np.bincount(label[test], minlength=len(table.classes))]
        for _, test in parts
    ]
    names = [*(f"actor {a}" for a in actors), "", *map(plain, table.classes)]
    ax = axes(ax, max(5.0, 0.42 * len(names) + 1.5), 0.4 * len(parts) + 1.9)
    _heatmap(np.array(counts), range(1, len(parts) + 1), names, ax, annot_kws={"size": 8})
    ax.tick_params(axis="x", rotation=60, length=0)
    ax.set(ylabel="fold", title=title or "Test clips of each actor and of each emotion")
    return ax


def systems(summaries, reference=None, ax=None, title=None):
    """Average accuracy of each system of {name: summary}, its folds as points, the majority-class baseline dashed.

    `reference` is {name: average}, such as the thesis', drawn as diamonds.
    """
    ax = axes(ax, 1.3 * len(summaries) + 2.5, 4.2)
    for x, (name, summary) in enumerate(summaries.items()):
        ax.bar(x, 100 * summary["average"], width=0.6, color=f"C{x % 10}", alpha=0.75)
        points = 100 * np.array(summary["fold_accuracy"])
        ax.plot(x + np.linspace(-0.15, 0.15, len(points)), points, "o", color="black", markersize=3, alpha=0.6)
        ax.hlines(100 * summary["chance"], x - 0.4, x + 0.4, colors="black", linestyles="dashed", linewidth=1)
        if reference and name in reference:
            ax.plot(x, 100 * reference[name], "D", color="white", markeredgecolor="black", markersize=7)
    ax.set_xticks(range(len(summaries)), list(summaries))
    note = "dots: folds · dashed: majority class" + ("\ndiamond: thesis, on RAVDESS" if reference else "")
    ax.set(ylim=(0, 103), ylabel="accuracy in per cent", title=title or "Average over the folds", xlabel=note)
    return ax


def best_fold(result, ax=None, title=None):
    """Confusion matrix of a CVResult's fold with the highest accuracy, which the title names (figures 4.1–4.3)."""
    from helpers.evaluation import metrics

    fold, accuracy, rows = metrics.best_fold(result.predictions)
    numbers = f"best fold ({fold}): {100 * accuracy:.1f} % · average {100 * result.summary()['average']:.1f} %"
    matrix = metrics.confusion(rows, result.classes)
    return confusion(matrix, result.classes, ax, f"{title}\n{numbers}" if title else numbers)


def ablation(table, ax=None, title=None):
    """Average accuracy of each row of an `ablation.table`; lines are standard deviations, diamonds the thesis."""
    ax = axes(ax, 7.0, 0.42 * len(table) + 1.4)
    places = np.arange(len(table))
    error = {"xerr": table["std"], "error_kw": {"elinewidth": 1}} if (table.folds > 1).any() else {}
    ax.barh(places, table.average, height=0.6, color="C0", alpha=0.75, **error)
    if "thesis" in table:
        ax.plot(table.thesis, places, "D", color="white", markeredgecolor="black", markersize=7, label="thesis")
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    names = table["GRU layers"].astype(str) + " × " + table["GRU units"].astype(str)
    names += np.where(table["batch norm"] == "yes", ", batch norm", "")
    names += np.where(table.attention == "none", "", ", " + table.attention + " attention")
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    numbers = " and ".join(str(n) for n in sorted(set(table.folds)))
    ax.set(xlim=(0, 100), xlabel=f"accuracy in per cent, {numbers} folds" if numbers != "1" else "accuracy, one fold")
    ax.set_title(title or "Layers × units, batch normalisation, attention")
    return ax


def reliability(predictions, ax=None, title=None):
    """Reliability diagram (Guo et al. 2017): accuracy at each level of confidence; the diagonal is perfect calibration.

    The number above a bar is its clips; the fewer, the paler the bar. The title ends with the ECE.
    """
    from helpers.evaluation import significance

    ax = axes(ax, 4.8, 4.4)
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
    """Accuracy of each actor, lowest first; dashed is the actors' mean."""
    from helpers.evaluation import significance

    accuracy = 100 * significance.by_group(predictions, "actor").accuracy.sort_values(kind="stable")
    ax = axes(ax, np.clip(0.22 * len(accuracy) + 1.5, 5, 14), 3.6)
    ax.plot(range(len(accuracy)), accuracy, "o", color="C0")
    ax.axhline(accuracy.mean(), color="black", linestyle="dashed", linewidth=1, label=f"mean {accuracy.mean():.1f}")
    ax.set_xticks(range(len(accuracy)), list(accuracy.index), fontsize=7)
    ax.tick_params(axis="x", rotation=90 if len(accuracy) > 30 else 0)
    ax.set(ylim=(0, 103), xlabel="actor", ylabel="accuracy in per cent", title=title or "Accuracy of each actor")
    ax.margins(x=0.02)
    ax.legend(loc="lower right")
    return ax
