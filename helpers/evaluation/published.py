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
# Table 4.6, and what it leaves out: who, modality, accuracy, protocol, details. Compare within one protocol alone.
_OTHERS = (
    ("thesis: Song 2021", "audio", 0.7652, _RANDOM, "10 folds, average (best 81.25)"),
    ("thesis: Song 2021", "video", 0.7819, _RANDOM, "10 folds, average (best 83.33)"),
    ("thesis: Song 2021", "audio + video", 0.9125, _RANDOM, "10 folds, average (best 94.44)"),
    ("TIM-Net", "audio", 0.9007, _RANDOM, "10 folds, 39 MFCC, last epoch"),
    ("WavLM-L + logistic regression", "audio", 0.917, _RANDOM, "5 folds, UAR"),
    ("VGGFace + MFCC fusion", "audio + video", 0.9583, _RANDOM, "the same model has 48.06 leaving one actor out"),
    ("XLS-R + logistic regression", "audio", 0.819, _ACTOR, "one actor left out at a time"),
    ("Luna-Jiménez et al. 2022", "audio", 0.8182, _ACTOR, "luna2022"),
    ("ComParE features", "audio", 0.636, _ACTOR, "hand-crafted"),
    ("LSTM with soft attention", "audio", 0.623, _ACTOR, "hand-crafted features"),
    ("Chumachenko et al. 2022", "video", 0.7492, _ACTOR, ""),
    ("EMO-AffectNet", "video", 0.658, _ACTOR, ""),
    ("Luna-Jiménez et al. 2022", "video", 0.6213, _ACTOR, "luna2022"),
    ("Luna-Jiménez et al. 2022", "audio + video", 0.8670, _ACTOR, "luna2022"),
    ("human raters, as the thesis quotes them", "audio", 0.62, "human raters", ""),
    ("human raters, as the thesis quotes them", "video", 0.72, "human raters", ""),
)


def table(own=None):
    """Table 4.6 with protocols: published accuracies and one's own results in the same columns.

    `own` is {name: summary dict}, as `CVResult.summary` gives it.

    Returns: DataFrame who, accuracy (per cent), details, by protocol and modality, best first within one.
    """
    import pandas as pd

    rows = []
    for name, summary in (own or {}).items():
        protocol = _RANDOM if summary["protocol"] == "random" else _ACTOR
        modality = "audio + video" if summary["model"] == "fusion" else summary["model"]
        details = f"{summary['protocol']}, {summary['folds']} folds, average"
        rows.append((f"here: {name}", modality, summary["average"], protocol, details))
    results = pd.DataFrame([*rows, *_OTHERS], columns=["who", "modality", "accuracy", "protocol", "details"])
    results["accuracy"] = (100 * results.accuracy).round(2)
    results["order"] = results.protocol.map({_RANDOM: 0, _ACTOR: 1}).fillna(2)
    results = results.sort_values(["order", "modality", "accuracy"], ascending=[True, True, False], kind="stable")
    return results.drop(columns="order").set_index(["protocol", "modality"])
