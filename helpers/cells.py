"""The cells of chapter 2's recurrent networks, drawn (figures 2.11 and 2.12)."""

from helpers.drawings import _BLUE, _GREY, _ORANGE, _box, _canvas, _circle, _wire


def _frame(ax, left, bottom, width, height):
    import matplotlib.patches

    style = {"boxstyle": "round,pad=0,rounding_size=0.3", "facecolor": "0.97", "edgecolor": "0.6", "zorder": 0}
    ax.add_patch(matplotlib.patches.FancyBboxPatch((left, bottom), width, height, **style))


def lstm(ax=None, title="LSTM cell"):
    """Gates, candidate and the two states of an LSTM cell (figure 2.11)."""
    ax = _canvas(ax, 8, 4.8, (-0.4, 11.0), (-0.3, 6.1), title)
    _frame(ax, 1.1, 0.55, 8.7, 5.1)
    _wire(ax, (0.4, 4.9), (10.3, 4.9))
    _wire(ax, (0.4, 1.1), (6.9, 1.1), (6.9, 1.85), colour=_GREY)
    _wire(ax, (1.7, 0.2), (1.7, 1.1), colour=_GREY, arrow=False)
    for x, text, colour in ((2.5, "σ", _BLUE), (3.9, "σ", _BLUE), (5.4, "tanh", _ORANGE), (6.9, "σ", _BLUE)):
        _box(ax, x, 2.2, text, colour=colour)
        if x < 6.9:
            _wire(ax, (x, 1.1), (x, 1.85), colour=_GREY)
    _wire(ax, (2.5, 2.55), (2.5, 4.66))
    _wire(ax, (3.9, 2.55), (3.9, 3.5), (5.16, 3.5))
    _wire(ax, (5.4, 2.55), (5.4, 3.26))
    _wire(ax, (5.4, 3.74), (5.4, 4.66))
    _wire(ax, (8.6, 4.9), (8.6, 4.2))
    _wire(ax, (8.6, 3.5), (8.6, 2.94))
    _wire(ax, (6.9, 2.55), (6.9, 2.7), (8.36, 2.7))
    _wire(ax, (8.6, 2.46), (8.6, 1.1), (10.3, 1.1))
    for x, y, text in ((2.5, 4.9, "×"), (5.4, 4.9, "+"), (5.4, 3.5, "×"), (8.6, 2.7, "×")):
        _circle(ax, x, y, text)
    _box(ax, 8.6, 3.85, "tanh", colour="black")
    labels = {"$f_t$": (2.65, 3.5), "$i_t$": (3.5, 3.1), r"$\hat{c}_t$": (5.55, 2.85), "$o_t$": (7.45, 2.9)}
    labels |= {"$c_{t-1}$": (-0.3, 4.8), "$c_t$": (10.4, 4.8), "$h_{t-1}$": (-0.3, 1.0), "$h_t$": (10.4, 1.0)}
    for text, (x, y) in {**labels, "$x_t$": (1.55, -0.2)}.items():
        ax.text(x, y, text, fontsize=12)
    return ax


def gru(ax=None, title="GRU cell"):
    """Gates, candidate and the one state of a GRU cell (figure 2.12); orange is the old state, blue the input."""
    ax = _canvas(ax, 8, 4.8, (-0.4, 11.0), (-0.3, 6.3), title)
    _frame(ax, 1.1, 0.55, 8.7, 5.3)
    _wire(ax, (0.4, 5.2), (4.36, 5.2), colour=_ORANGE)
    _wire(ax, (1.5, 5.2), (1.5, 1.5), (4.4, 1.5), (4.4, 1.85), colour=_ORANGE)
    _wire(ax, (2.4, 1.5), (2.4, 1.85), colour=_ORANGE)
    _wire(ax, (2.6, 5.2), (2.6, 3.44), colour=_ORANGE)
    _wire(ax, (1.9, 0.2), (1.9, 1.0), (8.4, 1.0), (8.4, 1.85), colour=_BLUE)
    for x in (2.8, 4.8):
        _wire(ax, (x, 1.05), (x, 1.85), colour=_BLUE, over=True)
        _wire(ax, (x, 1.0), (x, 1.1), colour=_BLUE, arrow=False)
    _wire(ax, (4.6, 2.55), (4.6, 4.06))
    _wire(ax, (4.6, 4.54), (4.6, 4.96))
    _wire(ax, (4.6, 3.75), (8.16, 3.75))
    _wire(ax, (2.6, 2.55), (2.6, 2.96))
    _wire(ax, (2.84, 3.2), (6.9, 3.2), (6.9, 2.2), (7.85, 2.2), colour=_ORANGE, over=True)
    _wire(ax, (8.4, 2.55), (8.4, 3.51))
    _wire(ax, (8.4, 3.99), (8.4, 4.96))
    _wire(ax, (4.84, 5.2), (8.16, 5.2))
    _wire(ax, (8.64, 5.2), (10.3, 5.2))
    _box(ax, 2.6, 2.2, "σ", colour="black")
    _box(ax, 4.6, 2.2, "σ", colour="black")
    _box(ax, 8.4, 2.2, "tanh", 1.1, colour="black")
    for x, y, text in ((4.6, 5.2, "×"), (4.6, 4.3, "1−"), (8.4, 5.2, "+"), (8.4, 3.75, "×"), (2.6, 3.2, "×")):
        _circle(ax, x, y, text)
    labels = {"$r_t$": (2.72, 2.68), "$z_t$": (4.75, 2.7), r"$\hat{h}_t$": (8.55, 2.9), "$x_t$": (1.75, -0.2)}
    labels |= {"$h_{t-1}$": (-0.4, 5.1), "$h_t$": (10.4, 5.1), r"$r_t \odot h_{t-1}$": (5.2, 2.8)}
    for text, (x, y) in labels.items():
        ax.text(x, y, text, fontsize=12)
    return ax
