"""A model drawn layer by layer (thesis figures 3.5–3.7)."""

from helpers.plots.charts import axes

_NAMES = {
    **{"InputLayer": "input", "Standardisation": "standardise", "GaussianNoise": "noise", "GRU": "GRU", "LSTM": "LSTM"},
    **{"SoftAttention": "soft attention", "HardAttention": "hard attention", "Concatenate": "concatenate"},
    **{"BatchNormalization": "batch normalisation", "SpatialDropout1D": "dropout", "Dropout": "dropout"},
}


def model(network, ax=None, title=None):
    """Draws a Keras model's layers from top to bottom, one column a modality, each with its output shape."""
    columns = {"video": [], "audio": [], "fusion": []}
    for layer in network.layers:
        stream = layer.name.split("_")[0]
        if not layer.name.endswith(("_length", "_mask")):
            columns[stream if stream in columns else "fusion"].append(f"{_name(layer)}   {_shape(layer)}")
    streams = [name for name in ("video", "audio") if columns[name]]
    shared, tall = len(columns["fusion"]), max(len(columns[name]) for name in streams)
    ax = axes(ax, 2.9 * len(streams) + 0.4, 0.62 * (tall + shared) + 0.6)
    middle = (len(streams) - 1) / 2
    for x, stream in enumerate(streams):
        for place, text in enumerate(columns[stream], 1):
            y = shared + len(columns[stream]) - place
            _box(ax, x, y, text, f"C{x}", (middle, shared - 0.72) if y == shared else (x, y - 0.72))
    for place, text in enumerate(columns["fusion"], 1):
        y = shared - place
        _box(ax, middle, y, text, "C2", (middle, y - 0.72) if y else None)
    ax.set(xlim=(-0.5, len(streams) - 0.5), ylim=(-0.4, tall + shared - 0.4))
    ax.axis("off")
    ax.set_title(title or network.name.replace("_", " "))
    return ax


def _box(ax, x, y, text, colour, arrow_to):
    box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "alpha": 0.25, "edgecolor": colour}
    ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox=box)
    if arrow_to:
        ax.annotate("", arrow_to, (x, y - 0.28), arrowprops={"arrowstyle": "->", "color": "0.4"})


def _name(layer):
    kind = type(layer).__name__
    if kind == "Dense":
        return "softmax" if layer.name == "emotion" else "fully connected"
    return _NAMES.get(kind, layer.name)


def _shape(layer):
    output = layer.output[0] if isinstance(layer.output, (list, tuple)) else layer.output
    free = iter("BT")
    return "(" + ", ".join(str(size or next(free)) for size in output.shape) + ")"
