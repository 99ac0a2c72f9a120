"""Numbers only: from a table of predictions to accuracy, UAR, macro F1 and the confusion matrix (thesis 3.5).

python -m helpers.evaluation runs/demo      prints the table of the results there
"""

import numpy as np


def confusion(predictions, classes):
    """Confusion matrix: int (C, C), rows true, columns predicted (thesis 3.5.2)."""
    from sklearn.metrics import confusion_matrix

    labels = list(range(len(classes)))
    return confusion_matrix(predictions.label, predictions.prediction, labels=labels)


def summarise(predictions, classes, **about):
    """Numbers of a cross-validation.

    Args:
        predictions: DataFrame with int columns label, prediction, fold; one row a test clip.
        classes: the emotions' names.
        about: more to keep beside the numbers, such as protocol.

    Returns:
        dict: average, best, lowest, std (population) of the folds' accuracies; n, folds, uar, macro_f1, accuracy,
        chance over all clips; per_class recall; fold_accuracy.
    """
    from sklearn.metrics import f1_score, recall_score

    label, prediction = predictions.label.to_numpy(), predictions.prediction.to_numpy()
    present = np.unique(label)
    correct = (label == prediction).astype(float)
    fold = predictions.fold.to_numpy()
    accuracies = np.array([correct[fold == k].mean() for k in np.unique(fold)])
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
    """The fold with the highest accuracy, which is what the thesis' figures 4.1 to 4.3 show.

    Args:
        predictions: DataFrame with label, prediction, fold.

    Returns:
        (k, accuracy, rows): its number, its accuracy between 0 and 1, its predictions. The first of equals.
    """
    accuracy = (predictions.label == predictions.prediction).groupby(predictions.fold).mean()
    k = accuracy.idxmax()
    return int(k), float(accuracy[k]), predictions[predictions.fold == k]


def most_confident_wrong(predictions, classes, n=5):
    """The wrong answers that were given with the greatest probability, worst first: the clips to look at.

    Args:
        predictions: DataFrame with clip_id, actor, label, prediction and the probabilities p_<emotion> ….
        classes: the emotions' names.
        n: how many at the most.

    Returns:
        DataFrame clip_id actor true said confidence; without rows where every answer is right.
    """
    wrong = predictions[predictions.label != predictions.prediction]
    found = wrong[["clip_id", "actor"]].copy()
    for name, column in (("true", "label"), ("predicted", "prediction")):
        found[name] = [classes[number] for number in wrong[column]]
    found["confidence"] = wrong[[f"p_{name}" for name in classes]].max(axis=1)
    return found.nlargest(n, "confidence").reset_index(drop=True)


def table(summaries):
    """The printed table: one row a system.

    Args:
        summaries: {name: summary dict}.

    Returns:
        DataFrame of percentages: average, best, lowest, std, UAR, macro F1, chance, the accuracy's 95 % interval (over
        clips, or over actors where the test people were never met); and clips, folds, protocol, trained parameters.
    """
    import pandas as pd

    rows = {}
    for name, summary in summaries.items():
        columns = ("average", "best", "lowest", "std", "uar", "macro_f1", "chance")
        rows[name] = {c: round(100 * summary[c], 2) if c in summary else float("nan") for c in columns}
        low, high = summary.get("accuracy_interval", (float("nan"),) * 2)
        rows[name]["95 % interval"] = f"{100 * low:.1f} to {100 * high:.1f}" if low == low else ""
        rows[name] |= {c: summary.get(c, "") for c in ("n", "folds", "protocol")}
        rows[name]["parameters"] = f"{summary['parameters']:,}" if summary.get("parameters") else ""
    return pd.DataFrame.from_dict(rows, orient="index").rename(
        columns={"uar": "UAR", "macro_f1": "macro F1", "n": "clips"}
    )


def main(folder):
    """Prints the table of the summaries below `folder`, and which figures lie there."""
    import json
    import pathlib

    folder = pathlib.Path(folder)
    paths = sorted(folder.glob("*/summary.json"))
    if not paths:
        raise SystemExit(f"no summary.json below {folder}; run the notebooks first")
    print(table({path.parent.name: json.loads(path.read_text()) for path in paths}).to_string())
    print("\naccuracies in per cent · figures: " + ", ".join(str(p) for p in sorted(folder.glob("*.png"))))
