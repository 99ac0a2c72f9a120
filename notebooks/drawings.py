"""The drawings of notebook 00. Each function takes ax=None, draws on it or on a new one, and returns it."""

import numpy as np

from helpers.plots.charts import axes

BLUE, ORANGE, GREY = "C0", "C1", "0.45"
_PALETTE = ("lightskyblue", "navajowhite", "lightgreen", "pink")


def canvas(ax, width, height, xlim, ylim, title=None):
    """Axes of a size in inches without ticks or frame, a unit as long in x as in y."""
    ax = axes(ax, width, height)
    ax.set(xlim=xlim, ylim=ylim, aspect="equal", title=title)
    ax.axis("off")
    return ax


def _patch(ax, shape, *place, **style):
    from matplotlib import patches

    ax.add_patch(getattr(patches, shape)(*place, **style))


def _label(ax, x, y, text, size=10, **style):
    ax.text(x, y, text, ha="center", va="center", fontsize=size, **style)


def box(ax, x, y, text, width=1.0, height=0.7, colour=BLUE, dashed=False, size=10):
    """A labelled box with its middle at (x, y)."""
    style = {"facecolor": "white", "edgecolor": colour, "linewidth": 1.6, "linestyle": "--" if dashed else "-"}
    _patch(ax, "Rectangle", (x - width / 2, y - height / 2), width, height, zorder=3, **style)
    _label(ax, x, y, text, size, zorder=4)


def wire(ax, *points, colour="black", arrow=True, over=False):
    """A line through the points, an arrow head at its end; a pale rim where it passes `over` others unconnected."""
    import matplotlib.patheffects

    rim = [matplotlib.patheffects.Stroke(linewidth=6, foreground="0.97"), matplotlib.patheffects.Normal()]
    points = np.asarray(points, dtype=float)  # (n, 2)
    style = {"path_effects": rim} if over else {}
    ax.plot(*points.T, color=colour, linewidth=1.4, zorder=2, solid_capstyle="butt", **style)
    if arrow:
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
        near = points[-1] + 0.01 * (points[-2] - points[-1])
        ax.annotate("", points[-1], near, arrowprops=style, zorder=2)


def _grid(ax, values, left, top, colours=None):
    """A table of numbers, one unit a cell, from its upper left corner on; {(row, column): colour} or one for all."""
    for (row, column), value in np.ndenumerate(values):
        x, y = left + column, top - row - 1
        colour = colours.get((row, column), "white") if isinstance(colours, dict) else colours or "white"
        _patch(ax, "Rectangle", (x, y), 1, 1, facecolor=colour, edgecolor=GREY, linewidth=0.8)
        _label(ax, x + 0.5, y + 0.5, f"{value:g}".replace("-", "−"))


def transfer(ax=None, title="Transfer learning"):
    """A network trained for task 1 gives its first layers, frozen, to task 2 (figure 2.1)."""
    ax = canvas(ax, 8.4, 3.6, (-0.9, 11.1), (-0.7, 4.6), title)
    for y, task, style in ((3.3, 1, {"colour": BLUE}), (0.7, 2, {"colour": GREY, "dashed": True})):
        ax.text(-0.8, y, f"Task {task}", va="center", fontsize=11)
        box(ax, 1.5, y, f"data {task}", 1.4, colour="black")
        for x in (3.4, 4.8, 6.2):
            box(ax, x, y, "layer", 1.0, **style)
        box(ax, 8.1, y, "classifier" if task == 1 else "new layers", 1.7, colour=BLUE if task == 1 else ORANGE)
        for start, end in ((2.2, 2.9), (3.9, 4.3), (5.3, 5.7), (6.7, 7.25), (8.95, 9.6)):
            wire(ax, (start, y), (end, y))
        ax.text(9.7, y, f"output {task}", va="center", fontsize=10)
    for x in (3.4, 4.8, 6.2):
        wire(ax, (x, 2.95), (x, 1.05), colour=GREY)
    ax.text(6.45, 2.0, "weights copied, then frozen", va="center", fontsize=10, color=GREY)
    ax.text(4.8, 3.95, "trained on task 1", ha="center", fontsize=10, color=BLUE)
    ax.text(4.8, -0.1, "not trained", ha="center", fontsize=10, color=GREY)
    ax.text(8.1, -0.1, "trained on task 2", ha="center", fontsize=10, color=ORANGE)
    return ax


def multilayer(sizes, kept=None, ax=None, title=None):
    """Layers of neurons, each connected to all of the next (figure 2.2); those left out are crossed (figure 2.15).

    `sizes` are the neurons of each layer, `kept` for each layer a bool for each neuron, None for all.
    """
    ax = canvas(ax, 5.2, 3.8, (-0.7, 2.2 * len(sizes) - 1.5), (-0.9, max(sizes) - 0.5), title)
    kept = kept or [np.ones(size, dtype=bool) for size in sizes]
    places = [[(2.2 * n, (max(sizes) - size) / 2 + k) for k in range(size)] for n, size in enumerate(sizes)]
    names = ["input", *(f"hidden {n}" for n in range(1, len(sizes) - 1)), "output"]
    for n, (layer, name) in enumerate(zip(places, names)):
        ax.text(2.2 * n, -0.75, name, ha="center", fontsize=10)
        for k, (x, y) in enumerate(layer):
            colour = GREY if not kept[n][k] else BLUE if 0 < n < len(sizes) - 1 else "black"
            _patch(ax, "Circle", (x, y), 0.28, facecolor="white", edgecolor=colour, lw=1.6, zorder=3)
            if not kept[n][k]:
                for tilt in (0.2, -0.2):
                    ax.plot([x - 0.2, x + 0.2], [y - tilt, y + tilt], color=GREY, zorder=4)
            if n + 1 < len(sizes) and kept[n][k]:
                for j, (x2, y2) in enumerate(places[n + 1]):
                    if kept[n + 1][j]:
                        ax.plot([x, x2], [y, y2], color="0.7", linewidth=0.8, zorder=1)
    return ax


def activation(x, y, derivative, ax=None, title=None):
    """An activation function with its derivative dashed (figures 2.3–2.5)."""
    ax = axes(ax, 4.2, 3.0)
    ax.axhline(0, color="0.8", linewidth=0.8)
    ax.axvline(0, color="0.8", linewidth=0.8)
    ax.plot(x, y, label="$f(x)$")
    ax.plot(x, derivative, "--", label="$f'(x)$")
    ax.set(xlabel="$x$", title=title or "Activation function")
    ax.legend()
    return ax


def convolution(image, kernel, output, place=(0, 0), ax=None, title=None):
    """The window of an image (H, W) at `place`, the kernel (k, l) on it and its pixel of the output (figure 2.6)."""
    (height, width), (k, n), (u, v) = image.shape, kernel.shape, place
    middle, second, third = -height / 2, width + 1.5, width + n + 3
    ax = canvas(ax, 8.4, 3.4, (-0.2, third + output.shape[1] + 0.2), (-height - 0.9, 0.3), title)
    _grid(ax, image, 0, 0, {(u + i, v + j): "lightskyblue" for i, j in np.ndindex(k, n)})
    _grid(ax, kernel, second, middle + k / 2, "navajowhite")
    _grid(ax, output, third, middle + output.shape[0] / 2, {place: "lightgreen"})
    for x, text in ((width + 0.75, "∗"), (second + n + 0.75, "=")):
        _label(ax, x, middle, text, 18)
    for x, text in ((width / 2, "image"), (second + n / 2, "kernel"), (third + output.shape[1] / 2, "output")):
        ax.text(x, -height - 0.7, text, ha="center", fontsize=10)
    return ax


def padding(image, padded, ax=None, title=None):
    """An image (H, W) before and after a border of padding (H + 2b, W + 2b), which is shaded (figure 2.7)."""
    (height, width), border = image.shape, (padded.shape[0] - image.shape[0]) // 2
    ax = canvas(ax, 7, 3.2, (-0.2, width + padded.shape[1] + 2.2), (-padded.shape[0] - 0.2, 0.2), title)
    _grid(ax, image, 0, -border)
    wire(ax, (width + 0.4, -padded.shape[0] / 2), (width + 1.6, -padded.shape[0] / 2))
    inside = {(i + border, j + border): "white" for i, j in np.ndindex(height, width)}
    _grid(ax, padded, width + 2, 0, dict.fromkeys(np.ndindex(padded.shape), "0.9") | inside)
    corner = (width + 2 + border, -border - height)
    _patch(ax, "Rectangle", corner, width, height, zorder=3, fill=False, edgecolor="black", linewidth=2.5)
    return ax


def pooling(values, pooled, ax=None, title=None):
    """Each window of (H, W) and the number of (H/s, W/s) that it gives, in one colour (figures 2.8 and 2.9)."""
    (height, width), stride = values.shape, values.shape[0] // pooled.shape[0]
    colour = {place: _PALETTE[n % 4] for n, place in enumerate(np.ndindex(pooled.shape))}
    middle, right = -height / 2, width + 2
    ax = canvas(ax, 5, 2.6, (-0.2, right + pooled.shape[1] + 0.2), (-height - 0.2, 0.2), title)
    _grid(ax, values, 0, 0, {(i, j): colour[i // stride, j // stride] for i, j in np.ndindex(values.shape)})
    wire(ax, (width + 0.4, middle), (right - 0.4, middle))
    _grid(ax, pooled, right, middle + pooled.shape[0] / 2, colour)
    return ax


def global_pooling(channels, pooled, ax=None, title=None):
    """Whole channels (H, W, C), each becoming one number of (C,) (figure 2.10)."""
    height, width, n = channels.shape
    ax = canvas(ax, 8, 3.4, (-0.2, n * (width + 1.5) - 1.3), (-height - 3.0, 0.2), title)
    for c in range(n):
        left = c * (width + 1.5)
        middle = left + width / 2
        _grid(ax, channels[..., c], left, 0, _PALETTE[c % 4])
        wire(ax, (middle, -height - 0.15), (middle, -height - 1.1))
        _grid(ax, pooled[None, c : c + 1], middle - 0.5, -height - 1.2, _PALETTE[c % 4])
        ax.text(middle, -height - 2.8, f"channel {c + 1}", ha="center", fontsize=10)
    return ax


def paths(loss, walks, ax=None, title=None):
    """The steps of optimisers, {name: (steps + 1, 2)} with the start first, on the contours of a loss of (2,)."""
    ax = axes(ax, 6.4, 4.6)
    points = np.concatenate(list(walks.values()))  # (n, 2)
    start = next(iter(walks.values()))[0]  # (2,)
    points = points[[loss(point) <= loss(start) for point in points]]  # diverging steps stay outside
    low, high = points.min(axis=0), points.max(axis=0)
    edge = 0.15 * (high - low) + 0.1
    x, y = (np.linspace(a - e, b + e, 60) for a, b, e in zip(low, high, edge))
    height = np.array([[loss(np.array([a, b])) for a in x] for b in y])  # (60, 60)
    ax.contour(x, y, height, levels=18, colors="0.8", linewidths=0.8)
    for name, walk in walks.items():
        ax.plot(*walk.T, ".-", linewidth=1, markersize=3, label=name)
    ax.plot(*start, "o", color="black", label="start")
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xlabel=r"$\theta_1$", ylabel=r"$\theta_2$", aspect="equal")
    ax.set_title(title or "Paths on the loss")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def _cell(ax, title, top, operations, labels):
    """A recurrent cell's frame, its operations on each element as circles, and its formulas."""
    ax = canvas(ax, 8, 4.8, (-0.4, 11.0), (-0.3, top + 0.45), title)
    style = {"boxstyle": "round,pad=0,rounding_size=0.3", "facecolor": "0.97", "edgecolor": "0.6", "zorder": 0}
    _patch(ax, "FancyBboxPatch", (1.1, 0.55), 8.7, top - 0.55, **style)
    for x, y, text in operations:
        _patch(ax, "Circle", (x, y), 0.24, facecolor="white", edgecolor="black", zorder=3)
        _label(ax, x, y, text, zorder=4)
    for text, (x, y) in labels.items():
        ax.text(x, y, text, fontsize=12)
    return ax


def _wires(ax, *paths, **style):
    for points in paths:
        wire(ax, *points, **style)


def lstm(ax=None, title="LSTM cell"):
    """Gates, candidate and the two states of an LSTM cell (figure 2.11)."""
    labels = {"$f_t$": (2.65, 3.5), "$i_t$": (3.5, 3.1), r"$\hat{c}_t$": (5.55, 2.85), "$o_t$": (7.45, 2.9)}
    labels |= {"$c_{t-1}$": (-0.3, 4.8), "$c_t$": (10.4, 4.8), "$h_{t-1}$": (-0.3, 1.0), "$h_t$": (10.4, 1.0)}
    labels |= {"$x_t$": (1.55, -0.2)}
    ax = _cell(ax, title, 5.65, ((2.5, 4.9, "×"), (5.4, 4.9, "+"), (5.4, 3.5, "×"), (8.6, 2.7, "×")), labels)
    wire(ax, (1.7, 0.2), (1.7, 1.1), colour=GREY, arrow=False)
    _wires(ax, [(0.4, 1.1), (6.9, 1.1), (6.9, 1.85)], *([(x, 1.1), (x, 1.85)] for x in (2.5, 3.9, 5.4)), colour=GREY)
    for x, text, colour in ((2.5, "σ", BLUE), (3.9, "σ", BLUE), (5.4, "tanh", ORANGE), (6.9, "σ", BLUE)):
        box(ax, x, 2.2, text, colour=colour)
    box(ax, 8.6, 3.85, "tanh", colour="black")
    _wires(ax, [(0.4, 4.9), (10.3, 4.9)], [(2.5, 2.55), (2.5, 4.66)], [(3.9, 2.55), (3.9, 3.5), (5.16, 3.5)])
    _wires(ax, [(5.4, 2.55), (5.4, 3.26)], [(5.4, 3.74), (5.4, 4.66)], [(6.9, 2.55), (6.9, 2.7), (8.36, 2.7)])
    _wires(ax, [(8.6, 4.9), (8.6, 4.2)], [(8.6, 3.5), (8.6, 2.94)], [(8.6, 2.46), (8.6, 1.1), (10.3, 1.1)])
    return ax


def gru(ax=None, title="GRU cell"):
    """Gates, candidate and the one state of a GRU cell (figure 2.12); orange is the old state, blue the input."""
    operations = (4.6, 5.2, "×"), (4.6, 4.3, "1−"), (8.4, 5.2, "+"), (8.4, 3.75, "×"), (2.6, 3.2, "×")
    labels = {"$r_t$": (2.72, 2.68), "$z_t$": (4.75, 2.7), r"$\hat{h}_t$": (8.55, 2.9), "$x_t$": (1.75, -0.2)}
    labels |= {"$h_{t-1}$": (-0.4, 5.1), "$h_t$": (10.4, 5.1), r"$r_t \odot h_{t-1}$": (5.2, 2.8)}
    ax = _cell(ax, title, 5.85, operations, labels)
    _wires(ax, [(0.4, 5.2), (4.36, 5.2)], [(1.5, 5.2), (1.5, 1.5), (4.4, 1.5), (4.4, 1.85)], colour=ORANGE)
    _wires(ax, [(2.4, 1.5), (2.4, 1.85)], [(2.6, 5.2), (2.6, 3.44)], colour=ORANGE)
    wire(ax, (1.9, 0.2), (1.9, 1.0), (8.4, 1.0), (8.4, 1.85), colour=BLUE)
    for x in (2.8, 4.8):
        wire(ax, (x, 1.05), (x, 1.85), colour=BLUE, over=True)
        wire(ax, (x, 1.0), (x, 1.1), colour=BLUE, arrow=False)
    _wires(ax, [(4.6, 2.55), (4.6, 4.06)], [(4.6, 4.54), (4.6, 4.96)], [(4.6, 3.75), (8.16, 3.75)])
    wire(ax, (2.6, 2.55), (2.6, 2.96))
    wire(ax, (2.84, 3.2), (6.9, 3.2), (6.9, 2.2), (7.85, 2.2), colour=ORANGE, over=True)
    _wires(ax, [(8.4, 2.55), (8.4, 3.51)], [(8.4, 3.99), (8.4, 4.96)], [(4.84, 5.2), (8.16, 5.2)])
    wire(ax, (8.64, 5.2), (10.3, 5.2))
    box(ax, 2.6, 2.2, "σ", colour="black")
    box(ax, 4.6, 2.2, "σ", colour="black")
    box(ax, 8.4, 2.2, "tanh", 1.1, colour="black")
    return ax
