"""How far the numbers can be trusted: intervals, tests between systems, calibration and confusions.

Everything is computed from tables of predictions alone, as a `CVResult` holds them: one row a test clip, with the
columns clip_id actor label prediction fold p_<emotion> … (probabilities in the order of the classes).
"""

import numpy as np

METRICS = ("accuracy", "uar")


def interval(predictions, metric="accuracy", by="clip", level=0.95, resamples=2000, seed=0):
    """Percentile bootstrap interval of a metric (Efron 1979, "Bootstrap methods: another look at the jackknife").

    The interval tells how much the number would move with other test clips or other people. What another seed of the
    training would change is not in it.

    Args:
        predictions: DataFrame with int columns label and prediction, and actor where `by` is "actor".
        metric: "accuracy", or "uar": mean recall of the classes present; a resample uses the classes it has.
        by: what is drawn with replacement. "clip", or "actor": people with all their clips, for the protocols that
            test on people never seen. With fewer than about ten people the interval comes out too narrow.
        level: share of the resamples inside the interval.
        resamples: number of them.
        seed: of the drawing.

    Returns:
        (low, high): floats from 0 to 1.

    Raises:
        ValueError: unknown metric or `by`; by actor where there is only one; no clip; an impossible level or number.
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; one of {', '.join(METRICS)}")
    _, right, total = _counts(predictions, _unit(predictions, by))
    drawn = _draws(len(total), by, level, resamples, seed)
    values = _metric(drawn @ right, drawn @ total, metric)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar(a, b):
    """McNemar's exact test: is one of two systems right more often on the same clips? (McNemar 1947)

    Only the clips that one system has right and the other wrong count. The test takes the clips as independent; where
    few people speak many clips each, p comes out too small.

    Args:
        a, b: DataFrames with clip_id, label and prediction, in any order of rows.

    Returns:
        dict: only_a, only_b (int, clips that only this system has right), n (int, clips compared), p (float,
        two-sided; 1 where the systems never differ).

    Raises:
        ValueError: the tables hold other clips, a clip twice, other labels, or none at all.
    """
    from scipy.stats import binomtest

    both = _paired(a, b)
    right_a, right_b = both.prediction_a == both.label_a, both.prediction_b == both.label_b
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return {"only_a": only_a, "only_b": only_b, "n": len(both), "p": p}


def difference(a, b, by="clip", level=0.95, resamples=2000, seed=0):
    """How much more often the second of two systems is right on the same clips, with its bootstrap interval.

    Both are asked about the same drawn clips or people, so what is hard for both does not widen the interval.

    Args:
        a, b: as in `mcnemar`; with actor where `by` is "actor".
        by, level, resamples, seed: as in `interval`.

    Returns:
        (difference, low, high): floats from -1 to 1; accuracy of `b` less that of `a`.

    Raises:
        ValueError: as `mcnemar` and `interval`.
    """
    both = _paired(a, b)
    gain = (both.prediction_b == both.label_b).astype(float) - (both.prediction_a == both.label_a)
    sums = gain.groupby(_unit(both, by)).agg(["sum", "count"]).to_numpy()  # (U, 2)
    values = _draws(len(sums), by, level, resamples, seed) @ sums
    low, high = np.quantile(values[:, 0] / values[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return float(gain.mean()), float(low), float(high)


def calibration(predictions, bins=10):
    """Accuracy at each level of confidence (Guo et al. 2017, "On calibration of modern neural networks").

    Args:
        predictions: DataFrame with int columns label and prediction, and the probabilities p_<emotion> ….
        bins: number of equal parts of 0 to 1; each holds its upper edge.

    Returns:
        DataFrame, one row a bin, lowest first: confidence (mean of the largest probability), accuracy (both NaN in an
        empty bin), count (int).

    Raises:
        ValueError: fewer than one bin, no probability columns, or values there that are no probabilities.
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
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    groups = table.groupby(place)
    rows = groups.mean().assign(count=groups.size()).reindex(range(bins))
    return rows.assign(count=rows["count"].fillna(0).astype(int))


def ece(predictions, bins=10):
    """Expected calibration error: mean gap of confidence and accuracy over the clips, 0 at best (Guo et al. 2017).

    Args:
        predictions, bins: as in `calibration`.

    Returns:
        float from 0 to 1; NaN of an empty table.

    Raises:
        ValueError: as `calibration` does.
    """
    rows = calibration(predictions, bins)
    gap = (rows.accuracy - rows.confidence).abs()
    return float((gap * rows["count"]).sum() / rows["count"].sum())


def confused(predictions, classes, n=5):
    """The pairs of classes most often confused, by number of clips; equals in the order of the classes.

    Args:
        predictions: DataFrame with int columns label and prediction.
        classes: the emotions' names.
        n: pairs at the most; those that never occur are left out.

    Returns:
        DataFrame: true, said (names), count (int), share (of the true class' clips that were taken for the other).
    """
    import pandas as pd

    from helpers.evaluation import metrics

    matrix = metrics.confusion(predictions, classes)
    true, said = np.nonzero(matrix * (1 - np.eye(len(classes), dtype=int)))
    count = matrix[true, said]
    rows = {
        "true": [classes[c] for c in true],
        "said": [classes[c] for c in said],
        "count": count,
        "share": count / matrix.sum(axis=1)[true],
    }
    table = pd.DataFrame(rows).sort_values("count", ascending=False, kind="stable")
    return table.head(n).reset_index(drop=True)


def by_group(predictions, key):
    """Accuracy and UAR of each actor, or of each value of any other column: the spread over people.

    Args:
        predictions: DataFrame with int columns label and prediction, and `key`.
        key: name of a column, such as "actor" or "fold".

    Returns:
        DataFrame indexed by the column's values, sorted: accuracy, uar (over the classes the group has), n (int).

    Raises:
        ValueError: there is no such column, or no clip.
    """
    import pandas as pd

    if key not in predictions:
        raise ValueError(f"the table has no column {key!r}; it has {', '.join(map(str, predictions.columns))}")
    names, right, total = _counts(predictions, predictions[key])
    columns = {metric: _metric(right, total, metric) for metric in METRICS}
    return pd.DataFrame({**columns, "n": total.sum(axis=1).astype(int)}, index=pd.Index(names, name=key))


def report(predictions, classes, protocol):
    """What a summary keeps of all this, ready for JSON.

    Args:
        predictions: the whole table, with actor and probabilities.
        classes: the emotions' names.
        protocol: as in `ravdess.folds`. The intervals are by clip where it is "random", else by actor.

    Returns:
        dict: accuracy_interval, uar_interval ([low, high] of 95 %); interval_by ("clip" or "actor"; "clip" also where
        there is but one actor); ece; confused (list of [true, said, count]); actor_accuracy (lowest, highest, std
        (population) over the actors).

    Raises:
        ValueError: no clip, or no probabilities.
    """
    actors = by_group(predictions, "actor").accuracy
    by = "clip" if protocol == "random" or len(actors) == 1 else "actor"
    pairs = confused(predictions, classes)
    spread = {"lowest": actors.min(), "highest": actors.max(), "std": actors.std(ddof=0)}
    return {
        "accuracy_interval": list(interval(predictions, "accuracy", by)),
        "uar_interval": list(interval(predictions, "uar", by)),
        "interval_by": by,
        "ece": ece(predictions),
        "confused": [[true, said, int(count)] for true, said, count in zip(pairs.true, pairs.said, pairs["count"])],
        "actor_accuracy": {name: float(value) for name, value in spread.items()},
    }


def _unit(predictions, by):
    """(N,): what each row is drawn with; a clip of its own, or its actor."""
    if by not in ("clip", "actor"):
        raise ValueError(f'by is {by!r}; "clip" or "actor"')
    return predictions["actor"].to_numpy() if by == "actor" else np.arange(len(predictions))


def _draws(n, by, level, resamples, seed):
    """float (resamples, n): how often each unit is drawn, which is all that a resample needs."""
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level is {level}, resamples {resamples}: between 0 and 1, and at least 1")
    if by == "actor" and n == 1:
        raise ValueError('all clips are of one actor, so actors cannot be drawn: ask for by="clip"')
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)


def _paired(a, b):
    """Both tables side by side, a row a clip: columns of the one end in _a, of the other in _b; actor is shared."""
    for name, table in (("first", a), ("second", b)):
        repeated = int(table.clip_id.duplicated().sum())
        if repeated:
            raise ValueError(f"{repeated} rows of the {name} table repeat a clip; each clip must be there once")
    columns = ["clip_id", "label", "prediction"]
    actor = [name for name in ("actor",) if name in a]
    both = a[columns + actor].merge(b[columns], on="clip_id", how="outer", suffixes=("_a", "_b"), indicator=True)
    different = int((both["_merge"] != "both").sum())
    if different:
        raise ValueError(f"{different} clips are in only one of the two tables; the test needs the same clips in both")
    different = int((both.label_a != both.label_b).sum())
    if different:
        raise ValueError(f"{different} clips have another label in the second table; both must use the same classes")
    if both.empty:
        raise ValueError("the tables hold no clip")
    return both


def _right(predictions):
    """bool (N,): is the prediction the label?"""
    return predictions.label.to_numpy() == predictions.prediction.to_numpy()


def _counts(predictions, unit):
    """Clips of each unit and class.

    Args:
        unit: (N,), the unit that each row belongs to.

    Returns:
        (names, right, total): the U units, sorted; float (U, C), clips predicted right and all clips, for the C
        classes that occur as labels.
    """
    import pandas as pd

    if not len(predictions):
        raise ValueError("the table holds no clip")
    row, names = pd.factorize(np.asarray(unit), sort=True, use_na_sentinel=False)
    column, labels = pd.factorize(predictions.label.to_numpy(), sort=True)
    total = np.zeros((len(names), len(labels)))
    right = np.zeros_like(total)
    np.add.at(total, (row, column), 1)
    np.add.at(right, (row, column), _right(predictions))
    return names, right, total


def _metric(right, total, metric):
    """Accuracy or UAR (…,) of the right ones among all clips (…, C); a class with no clip is left out."""
    if metric == "accuracy":
        return right.sum(axis=-1) / total.sum(axis=-1)
    recall = np.divide(right, total, out=np.zeros_like(right), where=total > 0)
    return recall.sum(axis=-1) / (total > 0).sum(axis=-1)
