"""Prints README's table of results, and those of docs/results.md, from the committed out-of-fold predictions.

    python benchmarks/tables.py [--write]

docs/results/predictions holds a file a row and protocol: each clip with its actor, label, fold and the probabilities of
the model that was trained without that fold. Accuracy and UAR are over all clips; intervals resample the 24 speakers
with all their clips, and p-values flip the sign of each speaker's difference. WRITE puts the tables into both pages.
"""

import argparse
import functools
import itertools
import json
import re

import numpy as np

from helpers.beyond import recipe
from helpers.beyond.recipe import predictions
from helpers.evaluation import published, significance
from helpers.runtime import PROJECT

RESULTS = PROJECT / "docs" / "results"
PROTOCOLS = {"random": "random folds", "luna2022": "`luna2022`"}
ENSEMBLES = {"equal-thesis-*": 2, "equal-audio-*": 3, "equal-fusion-2-*": 2, "equal-fusion-3-*": 3}  # members
ALONE, TOGETHER, ADAPTED = (
    f"Here, {what}" for what in ("one model", "ensembles with equal weights", "with clips of the test speaker")
)
THESIS = {"video: VGG16, GRU, attention": "78.19", "audio: MFCC, three GRUs, attention": "76.52"}
THESIS |= {"fusion of the two": "91.25"}
THESIS_FOLDS = (("audio", "76.52", "68.75, 81.25"), ("fusion", "91.25", "87.50, 94.44"))
NETWORKS = {"audio": "audio-plain", "fusion with action units": "fusion-plain"}
JOINT = {"concatenate": "concatenation", "gated": "gate", "cross": "cross-attention"}
CORRUPTIONS = {"white noise, SNR 10 dB": "noise, SNR 10 dB"} | {w: w for w in ("without video", "without audio")}
SPEAKERS = {"": "", "-per-speaker": ", per-speaker normalisation"}
FRAMES = {"mean": "their mean", "one": "the middle frame", "all": "all, in order", "shuffled": "all, in random order"}
UNMEASURED = "the thesis' video network, and its fusion with faces"  # they need the clips of all actors
COMPARED = ("TIM-Net, Ye et al. 2023", "MFER", "Whisper-large-v3, frozen", "MAE-DFER", "HiCMAE")
COMPARED += ("Luna-Jiménez et al. 2022",)
COMPARED += tuple(f"{model}, Luna-Jiménez et al. 2022" for model in ("XLS-R, fine-tuned", "Action units, biLSTM"))
# Differences worth a test: (what, file, against which file), corrected together (Holm 1979).
PAIRS = (
    ("audio: functionals, LDA – the thesis' network", "lda-audio-luna2022", "audio-plain-luna2022"),
    ("both: the thesis' fusion – its audio alone", "fusion-plain-luna2022", "audio-plain-luna2022"),
    ("random folds: the thesis' fusion – its audio alone", "fusion-plain-random", "audio-plain-random"),
    ("both: the thesis' fusion – face alone, SVM", "fusion-plain-luna2022", "svm-action-units-luna2022"),
    ("random folds: the thesis' fusion – face alone, SVM", "fusion-plain-random", "svm-action-units-random"),
    ("both: the thesis' fusion – these two, equal weights", "fusion-plain-luna2022", "equal-thesis-luna2022"),
    ("random folds: the thesis' fusion – these two, equal weights", "fusion-plain-random", "equal-thesis-random"),
    ("joint networks: concatenation – gate", "joint-luna2022-concatenate-0.5", "joint-luna2022-gated-0.5"),
    ("audio: encoders, LDA – functionals, LDA", "lda-encoders-luna2022", "lda-audio-luna2022"),
    ("audio: encoders, network – LDA", "network-audio-encoders-luna2022", "lda-audio-encoders-luna2022"),
    ("audio: functionals, LDA – SVM", "lda-audio-luna2022", "svm-audio-luna2022"),
    ("face: action units, LDA – SVM", "lda-action-units-luna2022", "svm-action-units-luna2022"),
    ("both, two LDAs – audio alone", "equal-fusion-2-luna2022", "lda-audio-encoders-luna2022"),
    ("both, two LDAs – face alone", "equal-fusion-2-luna2022", "lda-action-units-luna2022"),
    ("both, two LDAs – one LDA on both", "equal-fusion-2-luna2022", "lda-both-luna2022"),
    ("audio, three LDAs – one", "equal-audio-luna2022", "lda-audio-encoders-luna2022"),
    (
        "face, SVM: per-speaker normalisation – without",
        "svm-action-units-luna2022-per-speaker",
        "svm-action-units-luna2022",
    ),
    ("audio, LDA: per-speaker normalisation – without", "lda-audio-luna2022-per-speaker", "lda-audio-luna2022"),
)
# What random folds measure: {model: file}, by these protocols.
STEPS = {
    "random": "clips at random",
    "repetition": "both repetitions together",
    "luna2022": "new speakers",
    "actor-emotion": "a speaker's emotion together",
}
UNTOUCHED = {"audio: pretrained encoders, LDA": "lda-encoders", "both: one LDA": "lda-both"}
UNTOUCHED |= {"both: two LDAs": "equal-fusion-2", "both: these two and the one LDA": "equal-fusion-3"}
MODELS = {"audio: encoders, LDA": "lda-audio-encoders", "audio: functionals, SVM": "svm-audio"}
MODELS |= {"face: action units, LDA": "lda-action-units", "face: action units, SVM": "svm-action-units"}
MODELS |= {"both: two LDAs": "equal-fusion-2"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the tables into README.md and docs/results.md")
    options = parser.parse_args()
    for page, found in pages().items():
        print(f"\n{page}\n\n" + "\n\n".join(found.values()))
        if options.write:
            path = PROJECT / page
            path.write_text(inserted(path.read_text(), found))
    if options.write:
        figure()


def keep(folder, name, result, **about):
    """Prints a result's main numbers; writes its summary and its out-of-fold predictions, where there is a folder."""
    summary = result.summary() | {"data": "RAVDESS, 1440 speech recordings"} | about
    shown = ("accuracy", "uar", "average", "best", "lowest", "folds", "accuracy_interval")
    print(json.dumps({"name": name} | {key: summary[key] for key in shown}), flush=True)
    if folder:
        (folder / "predictions").mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(summary, indent=1) + "\n")
        packed = {"method": "gzip", "mtime": 0}  # the same answers are the same bytes
        seed = ["seed"] * ("seed" in result.predictions)  # where there are several
        names = [*seed, "clip_id", "actor", "label", "prediction", "fold", *probabilities(result.predictions)]
        path = folder / "predictions" / f"{name}.csv.gz"
        rows = result.predictions[names].sort_values([*seed, "clip_id"])
        rows.to_csv(path, index=False, float_format="%.3f" if seed else "%.4f", compression=packed)


def probabilities(predictions):
    return [name for name in predictions if name.startswith("p_")]


def per_cent(values, digits=1):
    return [f"{100 * value:.{digits}f}" for value in values]


def summary(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


@functools.cache
def cells(name):
    """[accuracy with interval, UAR] of a file, as a table shows them."""
    rows = predictions(name)
    if rows is None:
        return ["–", "–"]
    right = rows.prediction == rows.label
    uar = right.groupby(rows.label).mean().mean()
    low, high = per_cent(significance.interval(rows, by="actor"))
    return [f"{100 * right.mean():.2f} ({low} to {high})", f"{100 * uar:.2f}"]


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |".replace("|  |", "| |") for line in lines)


def file_of(row, protocol):
    return recipe.HEADLINE[row].replace("*", protocol)


def heading_of(file):
    return ADAPTED if file.endswith("-per-speaker") else TOGETHER if file in ENSEMBLES else ALONE


def headline():
    head = ["", "members", *(word for name in PROTOCOLS.values() for word in (name, "UAR"))]
    rows = [["**The thesis**, average of ten folds", *[""] * 5]]
    rows += [[row, 1, number, "–", "–", "–"] for row, number in THESIS.items()]
    for heading in (ALONE, TOGETHER, ADAPTED):
        rows += [[f"**{heading}**", *[""] * 5]]
        if heading == ALONE:
            rows.append([UNMEASURED, 1, "not measured ‡", "–", "not measured ‡", "–"])
        for row, file in recipe.HEADLINE.items():
            shown = [c for p in PROTOCOLS for c in cells(file_of(row, p))]
            if heading == heading_of(file) and set(shown) != {"–"}:
                rows.append([row, ENSEMBLES.get(file, 1), *shown])
    return markdown(head, rows)


def thesis():
    """The thesis' networks: averages of folds, as the thesis gives them."""
    rows = []
    for (what, file), protocol in itertools.product(NETWORKS.items(), PROTOCOLS):
        if (RESULTS / f"{file}-{protocol}.json").is_file():
            found = summary(f"{file}-{protocol}")
            low, high = per_cent((found["lowest"], found["best"]), 2)
            folds = f"{found['folds']} of {found['folds_planned']}"
            rows.append([what, PROTOCOLS[protocol], folds, *per_cent([found["average"]], 2), f"{low}, {high}"])
    rows += [[f"*the thesis: {what}*", "random folds", "10 of 10", *numbers] for what, *numbers in THESIS_FOLDS]
    return markdown(["", "protocol", "folds trained", "average", "lowest and best fold"], rows)


def literature(names=None):
    """What others have published, with references; those of `names` alone if given, without."""
    rows = []
    for row in published.table().reset_index().itertuples():
        if not names or row.who in names:
            folds = [row.protocol.partition(",")[0].removesuffix(" folds")] + [row.details] * bool(row.details)
            folds = re.sub("(luna2022|emobox)", r"`\1`", ", ".join(folds))
            numbers = ["–" if np.isnan(n) else f"{n:.2f}".removesuffix("0") for n in (row.accuracy, row.uar)]
            line = [f"{row.modality.replace('audio + video', 'both')}: {row.who}", folds, *numbers]
            rows.append(line if names else [*line, row.reference])
    return markdown(["others", "folds", "accuracy", "UAR"] + ["reference"] * (not names), rows)


def table_4_3():
    """The thesis' six audio architectures without attention."""
    rows = []
    for row in published.TABLE_4_3:
        size = f"{row['layers']}x{row['units']}-{'bn' if row['batch_norm'] else 'plain'}"
        if not (RESULTS / f"table-4.3-{size}-none.json").is_file():
            continue  # not trained here
        found = summary(f"table-4.3-{size}-none")
        line = [f"{row['layers']} × {row['units']}", "yes" if row["batch_norm"] else "no", f"{found['parameters']:,}"]
        line += [*per_cent([found["average"]], 2), ", ".join(per_cent(found["fold_accuracy"]))]
        rows.append([*line, *per_cent([row["thesis"]], 0)])
    return markdown(["layers × units", "batch normalisation", "parameters", "average", "folds", "thesis"], rows)


def joint():
    """The joint networks on audio and action units, whole, and with one modality noisy or absent."""
    rows = []
    for kind, dropout, p in itertools.product(JOINT, ("0", "0.5"), PROTOCOLS):
        name = f"joint-{p}-{kind}-{dropout}"
        if predictions(name) is not None:
            found = summary(name)
            line = [JOINT[kind], "half of the clips" if float(dropout) else "none", f"{found['parameters']:,}"]
            rows.append([*line, PROTOCOLS[p], *cells(name), *(f"{found['corrupted'][w]:.1f}" for w in CORRUPTIONS)])
    return markdown(["joined by", "modality dropout", "parameters", "", "accuracy", "UAR", *CORRUPTIONS.values()], rows)


def ensembles():
    """The large ensembles: their members, how many of them have a weight above 0.001, and their results."""
    rows = []
    for (end, heading), name in itertools.product(SPEAKERS.items(), ("audio", "fusion")):
        for weights in ("equal", "fitted"):
            files = [f"ensemble-{name}-{weights}-{p}{end}" for p in PROTOCOLS]
            found = [summary(file)["pooling_weights"] for file in files]
            members = " / ".join(f"{sum(w > 1e-3 for w in each)} of {len(each)}" for each in found)
            rows.append([name + heading, weights, members, *(cell for file in files for cell in cells(file))])
    head = ["", "weights", "members that count", *(word for name in PROTOCOLS.values() for word in (name, "UAR"))]
    return markdown(head, rows)


def emobox():
    rows = [[row, *cells(file_of(row, "emobox"))] for row in recipe.HEADLINE]
    return markdown(["`emobox`, six folds", "accuracy", "UAR"], [row for row in rows if row[1] != "–"])


def differences():
    found, p_values = [], []
    for what, one, other in PAIRS:
        if predictions(one) is not None and predictions(other) is not None:
            gain, low, high = significance.difference(predictions(other), predictions(one), by="actor")
            found.append([what, f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"])
            p_values.append(sign_flip(predictions(other), predictions(one)))
    corrected = holm(p_values)
    rows = [[*row, small(p), small(q)] for row, p, q in zip(found, p_values, corrected)]
    return markdown(["`luna2022`, where random folds are not named", "points (95 %)", "p", "p, Holm"], rows)


def small(p):
    """A p-value as a table shows it; 20,000 draws tell nothing below 0.001 once it is corrected."""
    return "< 0.001" if p < 1e-3 else f"{p:.3f}"


def sign_flip(a, b, draws=20_000, seed=0):
    """p-value of a paired difference: the sign of each speaker's difference is as good as a coin's (two-sided)."""
    gain = (b.prediction == b.label).astype(float) - (a.prediction == a.label)
    sums = gain.groupby(a.actor).sum().to_numpy()
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (draws, len(sums)))
    return (1 + (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).sum()) / (1 + draws)


def holm(p_values):
    """Holm's correction of p-values that are looked at together (1979, "A simple sequentially rejective test")."""
    p_values = np.asarray(p_values, dtype=float)
    order, corrected = np.argsort(p_values), np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    return np.minimum(corrected, 1)


def ablation():
    """The rows' gains over the full model on the same clips; bold is what Holm's correction of all leaves."""
    rows, gains, p_values = {}, {}, {}
    for row, p in itertools.product(recipe.ablation(), PROTOCOLS):
        name, full = f"ablation-{p}-{recipe.slug(row)}", f"ablation-{p}-full-model"
        rows[row, p] = summary(name)
        if name == full:
            continue
        gains[row, p] = recipe.gain(name, full)
        p_values[row, p] = sign_flip(*recipe.pairs(predictions(full), predictions(name)))
    left = dict(zip(p_values, holm([*p_values.values()]) < 0.05))
    lines = []
    for row in recipe.ablation():
        line = [row, f"{rows[row, 'random']['parameters']:,}"]
        for p in PROTOCOLS:
            found = rows[row, p]
            line += per_cent((found["accuracy"], found["uar"])[: 1 + (p == "luna2022")], 2)
            gain = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in gains.get((row, p), (0, 0, 0))))
            line.append("–" if (row, p) not in left else f"**{gain}**" if left[row, p] else gain)
        lines.append([*line, " / ".join(str(rows[row, p]["seeds"]) for p in PROTOCOLS)])
    return markdown(["", "parameters", "random folds", "gain", "`luna2022`", "UAR", "gain", "seeds"], lines)


def lengths():
    """What augmentation gains in random folds, by the length of training."""
    rows = []
    for epochs in ("40", "120"):
        end = f"-{epochs}-epochs" * (epochs != "40")
        names = [f"ablation-random-{row}{end}" for row in ("no-augmentation", "full-model")]
        if all(predictions(name) is not None for name in names):
            gain = recipe.gain(names[1], names[0])
            shown = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in gain))
            rows.append([epochs, *(cells(name)[0] for name in names), shown])
    return markdown(["epochs, random folds", "no augmentation", "full model", "gain of augmentation"], rows)


def sexes():
    """Women and men: Welch's test over twelve speakers each, its p corrected for the rows (Holm)."""
    from scipy.stats import ttest_ind

    rows, p_values = [], []
    names = ("lda-encoders-luna2022", "lda-action-units-luna2022", "equal-fusion-2-luna2022", "lda-both-luna2022")
    labels = {file_of(row, "luna2022"): row for row in recipe.HEADLINE}
    for name in names:
        found = predictions(name)
        actors = (found.prediction == found.label).groupby(found.actor).mean()
        women, men = actors[actors.index % 2 == 0].to_numpy(), actors[actors.index % 2 == 1].to_numpy()
        test = ttest_ind(women, men, equal_var=False)
        low, high = test.confidence_interval()
        p_values.append(test.pvalue)
        span = " to ".join(per_cent((actors.min(), actors.max())))
        gap = f"{100 * (women.mean() - men.mean()):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        rows.append([labels[name], *per_cent((women.mean(), men.mean())), gap, span])
    rows = [[*row[:-1], small(p), row[-1]] for row, p in zip(rows, holm(p_values))]
    head = ["`luna2022`", "women", "men", "difference (95 %)", "p, Holm", "lowest and highest speaker"]
    return markdown(head, rows)


def untouched():
    """Accuracy on the speakers of the first luna2022 fold, on whom nothing was chosen, and on the other nineteen."""
    rows = []
    first = predictions("lda-encoders-luna2022").query("fold == 1").actor.unique()
    for model, file in UNTOUCHED.items():
        line = [model]
        for protocol in ("luna2022", "emobox"):
            found = predictions(f"{file}-{protocol}")
            right = (found.prediction == found.label).groupby(found.actor.isin(first)).mean()
            line += per_cent((right.loc[True], right.loc[False]), 2)
        rows.append(line)
    head = ["", "`luna2022`, untouched", "others", "`emobox`, untouched", "others"]
    return markdown(head, rows)


def speakers():
    """What per-speaker normalisation gains, by the clips that the test speaker's statistics come from."""
    rows = {}
    for row in summary("speaker-statistics")["rows"]:
        gain = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in row["gain"]))
        rows.setdefault(row["clips"], [row["clips"]]).extend([f"{100 * row['accuracy']:.1f}", gain])
    return markdown(["clips of the test speaker", "face", "gain", "audio", "gain"], rows.values())


def steps():
    rows = [[model, *(cells(f"{file}-{step}")[0] for step in STEPS)] for model, file in MODELS.items()]
    return markdown(["tested on", *STEPS.values()], rows)


def frames():
    """What a GRU over an actor's frames gains over their mean."""
    found, rows = summary("actor05-frames"), []
    for name, label in FRAMES.items():
        line = [label]
        for row in found[name].values():
            low, high = per_cent(row["interval"])
            line.append(f"{100 * row['accuracy']:.1f} ({low} to {high})")
            line.append(
                "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in row["gain"])) if any(row["gain"]) else "–"
            )
        rows.append(line)
    return markdown(["", "random folds", "gain", "repetitions together", "gain"], rows)


def figure():
    """Draws docs/protocols.png: accuracy by protocol; a line leaves out the one that is no step to the next."""
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    for model, file in MODELS.items():
        found = [predictions(f"{file}-{step}") for step in STEPS]
        accuracy = [100 * (rows.prediction == rows.label).mean() for rows in found]
        edges = [100 * np.array(significance.interval(rows, by="actor")) for rows in found]
        spread = np.abs(np.transpose(edges) - accuracy)
        bars = ax.errorbar(list(STEPS.values()), accuracy, spread, fmt="o", ms=4, lw=1.2, capsize=2, label=model)
        ax.plot(accuracy[:3], lw=1.2, color=bars[0].get_color())
    ax.axhline(100 * 192 / 1440, color="0.6", lw=0.8)
    ax.text(0, 100 * 192 / 1440 + 1, "majority-class baseline", fontsize=8, color="0.4")
    ax.set(ylim=(0, 100), ylabel="accuracy (%)")
    ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 0.17))
    ax.spines[["top", "right"]].set_visible(False)
    ax.figure.savefig(PROJECT / "docs" / "protocols.png", dpi=110, metadata={"Software": None})


def pages():
    """{page: {table: markdown}}."""
    found = {"headline": headline(), "literature": literature(COMPARED)}
    more = {
        "thesis": thesis(),
        "table-4.3": table_4_3(),
        "emobox": emobox(),
        "differences": differences(),
        "sexes": sexes(),
        "untouched": untouched(),
        "speakers": speakers(),
        "steps": steps(),
        "frames": frames(),
        "ablation": ablation(),
        "lengths": lengths(),
        "joint": joint(),
        "ensembles": ensembles(),
        "literature": literature(),
    }
    return {"README.md": found, "docs/results.md": {"headline": headline()} | more}


def inserted(text, found):
    """A page's text with its tables between <!-- table: name --> and <!-- end of table -->."""
    for name, table in found.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(\n<!-- end of table -->)", re.S)
        if not place.search(text):
            raise SystemExit(f"the page has no place for the table {name}: <!-- table: {name} -->")
        text = place.sub(rf"\g<1>{table}\2", text)
    return text


if __name__ == "__main__":
    main()
