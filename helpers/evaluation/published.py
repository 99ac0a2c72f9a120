"""Results of the thesis and of others on RAVDESS speech, each with its protocol. Accuracies between 0 and 1."""

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

_RANDOM, _ACTOR = "random folds, speaker-dependent", "speaker-independent"
_OTHER, _CHOSEN = "as published, folds not compared", "luna2022; epoch chosen on the test fold"
_SWAPPED = "in table 4.6, there as audio + video"
_LUNA, _RAVDESS = "doi:10.3390/app12010327", "doi:10.1371/journal.pone.0196391"
# Table 4.6 with the papers that it compares with, and what it leaves out: who, modality, accuracy or UAR, metric,
# protocol, details, reference. Compare within one protocol alone.
_OTHERS = (
    ("thesis: Song 2021", "audio", 0.7652, "accuracy", _RANDOM, "10 folds, average (best 81.25)", "table 4.4"),
    ("thesis: Song 2021", "video", 0.7819, "accuracy", _RANDOM, "10 folds, average (best 83.33)", "table 4.2"),
    ("thesis: Song 2021", "audio + video", 0.9125, "accuracy", _RANDOM, "10 folds, average (best 94.44)", "table 4.5"),
    ("Ghaleb et al. 2019", "audio + video", 0.677, "accuracy", _OTHER, "in table 4.6", "doi:10.1109/ACII.2019.8925444"),
    ("Mustaqeem et al. 2020", "audio", 0.7702, "accuracy", _OTHER, _SWAPPED, "doi:10.1109/ACCESS.2020.2990405"),
    ("Issa et al. 2020", "audio", 0.7161, "accuracy", _OTHER, "in table 4.6", "doi:10.1016/j.bspc.2020.101894"),
    ("TIM-Net, Ye et al. 2023", "audio", 0.9007, "accuracy", _RANDOM, "10 folds, last epoch", "arXiv:2211.08233"),
    ("WavLM-L + logistic regression", "audio", 0.917, "UAR", _RANDOM, "5 folds", ""),
    ("VGGFace + MFCC fusion", "audio + video", 0.9583, "accuracy", _RANDOM, "48.06 leave-one-speaker-out", ""),
    ("XLS-R + logistic regression", "audio", 0.819, "accuracy", _ACTOR, "leave-one-speaker-out", ""),
    ("Luna-Jiménez et al. 2022", "audio", 0.8182, "accuracy", _ACTOR, _CHOSEN, _LUNA),
    ("ComParE features", "audio", 0.636, "accuracy", _ACTOR, "hand-crafted", ""),
    ("LSTM with soft attention", "audio", 0.623, "UAR", _ACTOR, "hand-crafted features", ""),
    ("Chumachenko et al. 2022", "video", 0.7492, "accuracy", _ACTOR, "one split", "arXiv:2201.11095"),
    ("EMO-AffectNet, Ryumina et al. 2022", "video", 0.658, "accuracy", _ACTOR, "", "doi:10.1016/j.neucom.2022.10.013"),
    ("Luna-Jiménez et al. 2022", "video", 0.6213, "accuracy", _ACTOR, "luna2022", _LUNA),
    ("Luna-Jiménez et al. 2022", "audio + video", 0.8670, "accuracy", _ACTOR, _CHOSEN, _LUNA),
    ("human raters, as the thesis quotes them", "audio", 0.62, "accuracy", "human raters", "", _RAVDESS),
    ("human raters, as the thesis quotes them", "video", 0.72, "accuracy", "human raters", "", _RAVDESS),
)


def table(own=None):
    """Table 4.6 with protocols: published results and one's own in the same columns.

    `own` is {name: summary dict}, as `CVResult.summary` gives it.

    Returns: DataFrame who, value (per cent), metric, details, reference, by protocol and modality, best first in one.
    """
    import pandas as pd

    rows = []
    for name, summary in (own or {}).items():
        protocol = _RANDOM if summary["protocol"] == "random" else _ACTOR
        modality = "audio + video" if summary["model"] == "fusion" else summary["model"]
        details = f"{summary['protocol']}, {summary['folds']} folds, average"
        rows.append((f"here: {name}", modality, summary["average"], "accuracy", protocol, details, ""))
    columns = ["who", "modality", "value", "metric", "protocol", "details", "reference"]
    results = pd.DataFrame([*rows, *_OTHERS], columns=columns)
    results["value"] = (100 * results.value).round(2)
    results["order"] = results.protocol.map({_RANDOM: 0, _ACTOR: 1, _OTHER: 2}).fillna(3)
    results = results.sort_values(["order", "modality", "value"], ascending=[True, True, False], kind="stable")
    return results.drop(columns="order").set_index(["protocol", "modality"])
