"""Results of the thesis and of others on RAVDESS speech, each with its protocol. Accuracies between 0 and 1."""

import pathlib

# Tables 4.2, 4.4 and 4.5: average, best, lowest and standard deviation of ten random folds.
THESIS = {
    "video": {"average": 0.7819, "best": 0.8333, "lowest": 0.7361, "std": 0.03},
    "audio": {"average": 0.7652, "best": 0.8125, "lowest": 0.6875, "std": 0.04},
    "fusion": {"average": 0.9125, "best": 0.9444, "lowest": 0.8750, "std": 0.02},
}

# The ablations, as `ablation.run` takes them: GRU layers, units, batch normalisation; none has attention. The thesis
# does not say which clips these accuracies are of; its section 4.3 says "the best accuracy of 10 fold".
_TABLE_4_1 = ((1, 256, True, 0.78), (3, 256, True, 0.74), (1, 512, False, 0.76), (1, 512, True, 0.79))
_TABLE_4_1 += ((3, 512, False, 0.74), (3, 512, True, 0.76), (1, 1024, False, 0.77), (1, 1024, True, 0.77))
_TABLE_4_3 = ((1, 256, False, 0.69), (1, 256, True, 0.75), (3, 256, False, 0.75), (3, 256, True, 0.80))
_TABLE_4_3 += ((3, 512, False, 0.75), (1, 512, True, 0.79))
TABLE_4_1, TABLE_4_3 = (
    [dict(zip(("layers", "units", "batch_norm", "thesis"), row), attention="none") for row in rows]
    for rows in (_TABLE_4_1, _TABLE_4_3)
)

_PROTOCOLS = {"random": "random folds, speaker-dependent", "actor": "speaker-independent"}
_PROTOCOLS |= {"other": "as published, folds not compared", "human": "human raters"}


def table(own=None):
    """Table 4.6 with protocols: published results and one's own in the same columns.

    literature.csv holds the papers that the thesis compares with, and what it leaves out. † in its details: the epoch
    was chosen on the test fold. `own` is {name: summary dict}, as `CVResult.summary` gives it.

    Returns: DataFrame who, accuracy, uar (per cent, NaN where not published), details, reference, by protocol and
        modality, best first in one. Compare within one protocol alone.
    """
    import pandas as pd

    results, rows = pd.read_csv(pathlib.Path(__file__).with_name("literature.csv")), []
    for name, summary in (own or {}).items():
        protocol = "random" if summary["protocol"] == "random" else "actor"
        modality = "audio + video" if summary["model"] == "fusion" else summary["model"]
        details = f"{summary['protocol']}, {summary['folds']} folds, average"
        numbers = [round(100 * summary[metric], 2) for metric in ("average", "uar")]
        rows.append((f"here: {name}", modality, *numbers, protocol, details, ""))
    results = pd.concat([pd.DataFrame(rows, columns=results.columns), results]) if rows else results
    results["order"], results["best"] = results.protocol.map([*_PROTOCOLS].index), results.accuracy.fillna(results.uar)
    results = results.sort_values(["order", "modality", "best"], ascending=[True, True, False], kind="stable")
    results = results.assign(protocol=results.protocol.map(_PROTOCOLS)).fillna({"details": "", "reference": ""})
    return results.drop(columns=["order", "best"]).set_index(["protocol", "modality"])
