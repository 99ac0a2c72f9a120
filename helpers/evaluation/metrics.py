"""Accuracy, UAR, macro F1 and the confusion matrix of a table of predictions (thesis 3.5).

`predictions` is a DataFrame as in a `CVResult`, one row a test clip, with the int columns label, prediction and fold;
`classes` are the emotions' names.
"""

import numpy as np


def confusion(predictions, classes):
    """Confusion matrix: int (C, C), rows true, columns predicted (thesis 3.5.2; its table 3.1 has them swapped)."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(predictions.label, predictions.prediction, labels=list(range(len(classes))))


def summarise(predictions, classes, **about):
    """Computes the summary of a cross-validation; `about` is kept with it, such as protocol.

    Returns:
        dict: average, best, lowest, std (population) of the folds' accuracies; over all clips n, folds, accuracy, uar,
        macro_f1, and chance, the accuracy of the majority-class baseline; per_class recall; fold_accuracy.
    """
    from sklearn.metrics import f1_score, recall_score

    label, prediction = predictions.label.to_numpy(), predictions.prediction.to_numpy()
    present = np.unique(label)
    correct = predictions.label == predictions.prediction
    accuracies = correct.groupby(predictions.fold).mean().to_numpy()
    recalls = recall_score(label, prediction, labels=present, average=None, zero_division=0)
    return {
        "average": float(accuracies.mean()),
        "best": float(accuracies.max()),
        "lowest": float(accuracies.min()),
        "std": float(accuracies.std()),
        "accuracy": float(correct.mean()),
        "uar": float(recalls.mean()),
        "macro_f1": float(f1_score(label, prediction, labels=present, average="macro", zero_division=0)),
        "chance": float(np.bincount(label).max() / len(label)),
        "n": len(label),
        "folds": len(accuracies),
        "fold_accuracy": accuracies.tolist(),
        "per_class": {classes[c]: float(r) for c, r in zip(present, recalls)},
        **about,
    }


def best_fold(predictions):
    """(k, accuracy, predictions) of the fold with the highest accuracy, as in the thesis' figures 4.1 to 4.3."""
    accuracy = (predictions.label == predictions.prediction).groupby(predictions.fold).mean()
    k = accuracy.idxmax()
    return int(k), float(accuracy[k]), predictions[predictions.fold == k]


def most_confident_wrong(predictions, classes, n=5):
    """At most n wrong predictions with the highest confidence: the clips to look at.

    Returns: DataFrame clip_id actor true predicted confidence, most confident first; empty where every one is right.
    """
    wrong = predictions[predictions.label != predictions.prediction]
    rows = wrong[["clip_id", "actor"]].copy()
    for name, column in (("true", "label"), ("predicted", "prediction")):
        rows[name] = [classes[number] for number in wrong[column]]
    rows["confidence"] = wrong[[f"p_{name}" for name in classes]].max(axis=1)
    return rows.nlargest(n, "confidence").reset_index(drop=True)


def table(summaries):
    """The results table of {name: summary dict}: one row a system.

    Returns:
        DataFrame of percentages: average, best, lowest, std, UAR, macro F1, chance (majority-class baseline), the
        accuracy's 95 % interval (over clips, or over actors in a speaker-independent protocol); and clips, folds,
        protocol, parameters.
    """
    import pandas as pd

    rows = {}
    for name, summary in summaries.items():
        columns = ("average", "best", "lowest", "std", "uar", "macro_f1", "chance")
        rows[name] = {c: round(100 * summary[c], 2) if c in summary else float("nan") for c in columns}
        interval = [100 * edge for edge in summary.get("accuracy_interval", ())]
        rows[name]["95 % interval"] = "{:.1f} to {:.1f}".format(*interval) if interval else ""
        rows[name] |= {c: summary.get(c, "") for c in ("n", "folds", "protocol")}
        rows[name]["parameters"] = f"{summary['parameters']:,}" if summary.get("parameters") else ""
    names = {"uar": "UAR", "macro_f1": "macro F1", "n": "clips"}
    return pd.DataFrame.from_dict(rows, orient="index").rename(columns=names)
