"""A model drawn layer by layer (thesis figures 3.5–3.7)."""

_WORDS = {
    "InputLayer": "input",
    "Standardisation": "standardise",
    "GaussianNoise": "noise",
    "SpatialDropout1D": "dropout",
    "GRU": "GRU",
    "LSTM": "LSTM",
    "SoftAttention": "soft attention",
    "HardAttention": "hard attention",
    "Concatenate": "concatenate",
    "BatchNormalization": "batch normalisation",
    "Dropout": "dropout",
}


def model(network, ax=None, title=None):
    """A model's layers from top to bottom, one column a stream, each with the shape it gives.

    Args:
        network: one of `models`' networks.

    Returns:
        The ax. Figures 3.5 (fusion), 3.6 (video) and 3.7 (audio) of the thesis.
    """
    import matplotlib.pyplot as plt

    columns = {"video": [], "audio": [], "": []}
    for layer in network.layers:
        stream = next((name for name in ("video", "audio") if layer.name.split("_")[0] == name), "")
        if not layer.name.endswith(("_length", "_mask")):
            columns[stream].append((_words(layer), _shape(layer)))
    streams = [name for name in ("video", "audio") if columns[name]]
    tall = max(len(columns[name]) for name in streams)
    rows = tall + len(columns[""])
    if ax is None:
        ax = plt.subplots(figsize=(2.9 * len(streams) + 0.4, 0.62 * rows + 0.6), layout="constrained")[1]
    middle = (len(streams) - 1) / 2
    for x, stream in enumerate(streams):
        top = rows - tall + len(columns[stream])
        for place, (words, shape) in enumerate(columns[stream]):
            last = place == len(columns[stream]) - 1
            goal = (middle, rows - tall - 0.72) if last else (x, top - place - 1.72)
            _box(ax, x, top - place - 1, words, shape, f"C{x}", goal)
    for place, (words, shape) in enumerate(columns[""]):
        y = rows - tall - place - 1
        _box(ax, middle, y, words, shape, "C2", (middle, y - 0.72) if place < len(columns[""]) - 1 else None)
    ax.set(xlim=(-0.5, len(streams) - 0.5), ylim=(-0.4, rows - 0.4))
    ax.axis("off")
    ax.set_title(title or network.name.replace("_", " "))
    return ax


def _box(ax, x, y, words, shape, colour, goal):
    box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "alpha": 0.25, "edgecolor": colour}
    ax.text(x, y, f"{words}   {shape}", ha="center", va="center", fontsize=9, bbox=box)
    if goal:
        ax.annotate("", goal, (x, y - 0.28), arrowprops={"arrowstyle": "->", "color": "0.4"})


def _words(layer):
    kind = type(layer).__name__
    if kind == "Dense":
        return "softmax" if layer.name == "emotion" else "fully connected"
    return _WORDS.get(kind, layer.name)


def _shape(layer):
    output = layer.output[0] if isinstance(layer.output, (list, tuple)) else layer.output
    free = iter("BT")
    return "(" + ", ".join(str(size or next(free)) for size in output.shape) + ")"
