"""Bootstrap intervals, tests between systems, calibration error and confusions.

`predictions` is a DataFrame as in a `CVResult`, one row a test clip: clip_id, actor, int label and prediction, fold,
and the probabilities p_<emotion> … in the order of `classes`, the emotions' names.
"""

import numpy as np

from helpers.evaluation import metrics


def interval(predictions, metric="accuracy", by="clip", level=0.95, resamples=2000, seed=0):
    """Percentile bootstrap interval of a metric (Efron 1979, "Bootstrap methods: another look at the jackknife").

    It covers the choice of test clips or actors, not the seed of the training.

    Args:
        by: "clip", or "actor": draws actors with all their clips, for speaker-independent protocols; too narrow with
            fewer than about ten.
    Returns: (low, high): floats from 0 to 1.
    Raises ValueError: unknown metric or `by`; one actor only; no clip; an impossible level or number of resamples.
    """
    if metric not in ("accuracy", "uar"):
        raise ValueError(f'metric is {metric!r}; "accuracy" or "uar"')
    _, right, total = _counts(predictions, _unit(predictions, by))
    drawn = _draws(len(total), by, level, resamples, seed)
    return _percentiles(_metric(drawn @ right, drawn @ total, metric), level)


def mcnemar(a, b):
    """McNemar's exact test: is one of two systems right more often on the same clips? (McNemar 1947)

    Returns:
        dict: only_a, only_b (int, clips that only this system has right), n (int, clips compared), p (float, two-sided;
        too small where few actors have many clips, since it takes clips as independent).
    Raises ValueError: the tables hold other clips, a clip twice, other labels, or none at all.
    """
    from scipy.stats import binomtest

    both = _paired(a, b)
    right_a, right_b = both.prediction_a == both.label_a, both.prediction_b == both.label_b
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0  # 1: they never differ
    return {"only_a": only_a, "only_b": only_b, "n": len(both), "p": p}


def difference(a, b, by="clip", level=0.95, resamples=2000, seed=0):
    """The accuracy of b less that of a on the same clips, with its paired bootstrap interval as in `interval`.

    Returns: (difference, low, high): floats from -1 to 1.
    Raises ValueError: as `mcnemar`.
    """
    both = _paired(a, b)
    gain = (both.prediction_b == both.label_b).astype(float) - (both.prediction_a == both.label_a)
    sums = gain.groupby(_unit(both, by)).agg(["sum", "count"]).to_numpy()  # (U, 2)
    values = _draws(len(sums), by, level, resamples, seed) @ sums
    return float(gain.mean()), *_percentiles(values[:, 0] / values[:, 1], level)


def calibration(predictions, bins=10):
    """Accuracy in equal bins of confidence (Guo et al. 2017, "On calibration of modern neural networks").

    Returns:
        DataFrame, one row a bin, lowest first: confidence (mean of the highest probability), accuracy (both NaN in an
        empty bin), count (int). A bin holds its upper edge.
    Raises ValueError: fewer than one bin, no probability columns, or values there that are no probabilities.
    """
    import pandas as pd

    if bins < 1:
        raise ValueError(f"bins is {bins}; at least 1")
    names = [name for name in predictions.columns if str(name).startswith("p_")]
    if not names:
        raise ValueError("the table has no probabilities: no column begins with p_")
    confidence = predictions[names].max(axis=1, skipna=False).to_numpy(dtype=float)
    bad = int((~((confidence > 0) & (confidence <= 1 + 1e-3))).sum())
    if bad:
        raise ValueError(f"{bad} clips have probabilities that are absent or not between 0 and 1")
    table = pd.DataFrame({"confidence": confidence, "accuracy": _right(predictions).astype(float)})
    groups = table.groupby(np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True))
    return groups.mean().reindex(range(bins)).assign(count=groups.size().reindex(range(bins), fill_value=0))


def ece(predictions, bins=10):
    """Expected calibration error: mean gap of confidence and accuracy, from 0 to 1; NaN of an empty table."""
    rows = calibration(predictions, bins)
    gap = (rows.accuracy - rows.confidence).abs()
    return float((gap * rows["count"]).sum() / rows["count"].sum())


def confused(predictions, classes, n=5):
    """The n pairs of classes most often confused; equals in the order of the classes.

    Returns: DataFrame: true, predicted (names), count (int), share (of the true class' clips).
    """
    import pandas as pd

    matrix = metrics.confusion(predictions, classes)
    true, predicted = np.nonzero(matrix * (1 - np.eye(len(classes), dtype=int)))
    count = matrix[true, predicted]
    names = {"true": [classes[c] for c in true], "predicted": [classes[c] for c in predicted]}
    table = pd.DataFrame(names | {"count": count, "share": count / matrix.sum(axis=1)[true]})
    return table.sort_values("count", ascending=False, kind="stable").head(n).reset_index(drop=True)


def by_group(predictions, key):
    """Accuracy and UAR of each value of a column, such as "actor" or "fold".

    Returns: DataFrame indexed by the column's sorted values: accuracy, uar (over the classes there), n (int).
    Raises ValueError: there is no such column, or no clip.
    """
    import pandas as pd

    if key not in predictions:
        raise ValueError(f"the table has no column {key!r}; it has {', '.join(map(str, predictions.columns))}")
    names, right, total = _counts(predictions, predictions[key])
    columns = {metric: _metric(right, total, metric) for metric in ("accuracy", "uar")}
    return pd.DataFrame({**columns, "n": total.sum(axis=1).astype(int)}, index=pd.Index(names, name=key))


def report(predictions, classes, protocol):
    """What a summary adds to `metrics.summarise`, ready for JSON.

    Intervals are by clip where the protocol is "random" or there is one actor, else by actor.

    Returns:
        dict: accuracy_interval, uar_interval ([low, high] of 95 %); interval_by ("clip" or "actor"); ece; confused
        (list of [true, predicted, count]); actor_accuracy (lowest, highest, std (population) over the actors).
    """
    actors = by_group(predictions, "actor").accuracy
    by = "clip" if protocol == "random" or len(actors) == 1 else "actor"
    over_actors = {"lowest": actors.min(), "highest": actors.max(), "std": actors.std(ddof=0)}
    return {
        "accuracy_interval": list(interval(predictions, "accuracy", by)),
        "uar_interval": list(interval(predictions, "uar", by)),
        "interval_by": by,
        "ece": ece(predictions),
        "confused": confused(predictions, classes)[["true", "predicted", "count"]].astype(object).to_numpy().tolist(),
        "actor_accuracy": {name: float(value) for name, value in over_actors.items()},
    }


def _unit(predictions, by):
    """(N,): the resampling unit of each row, the clip itself or its actor."""
    if by not in ("clip", "actor"):
        raise ValueError(f'by is {by!r}; "clip" or "actor"')
    return predictions["actor"].to_numpy() if by == "actor" else np.arange(len(predictions))


def _draws(n, by, level, resamples, seed):
    """float (resamples, n): how often each unit is drawn."""
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is {level}, resamples {resamples}: between 0 and 1, and at least 1")
    if by == "actor" and n == 1:
        raise ValueError('all clips are of one actor, so actors cannot be drawn: ask for by="clip"')
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def _percentiles(values, level):
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _paired(a, b):
    """Both tables side by side, a row a clip, their columns ending in _a and _b; actor is shared."""
    for name, table in (("first", a), ("second", b)):
        if repeated := int(table.clip_id.duplicated().sum()):
            raise ValueError(f"{repeated} rows of the {name} table repeat a clip; each clip must be there once")
    columns = ["clip_id", "label", "prediction"]
    both = a[columns + ["actor"] * ("actor" in a)].merge(b[columns], "outer", "clip_id", suffixes=("_a", "_b"))
    if different := int((both.label_a.isna() | both.label_b.isna()).sum()):
        raise ValueError(f"{different} clips are in only one of the two tables; the test needs the same clips in both")
    if different := int((both.label_a != both.label_b).sum()):
        raise ValueError(f"{different} clips have another label in the second table; both must use the same classes")
    if both.empty:
        raise ValueError("the tables hold no clip")
    return both


def _right(predictions):
    return predictions.label.to_numpy() == predictions.prediction.to_numpy()


def _counts(predictions, unit):
    """Clips of each unit and class: (U sorted names, float (U, C) predicted right, float (U, C) all clips)."""
    import pandas as pd

    if not len(predictions):
        raise ValueError("the table holds no clip")
    marks = pd.DataFrame({"right": _right(predictions), "total": 1.0})
    groups = marks.groupby([np.asarray(unit), predictions.label.to_numpy()], dropna=False)
    counts = groups.sum().unstack(fill_value=0)
    return counts.index, counts.right.to_numpy(float), counts.total.to_numpy(float)


def _metric(right, total, metric):
    """Accuracy or UAR (…,) from right and all clips (…, C); a class with no clip is left out."""
    if metric == "accuracy":
        return right.sum(axis=-1) / total.sum(axis=-1)
    recall = np.divide(right, total, out=np.zeros_like(right), where=total > 0)
    return recall.sum(axis=-1) / (total > 0).sum(axis=-1)
