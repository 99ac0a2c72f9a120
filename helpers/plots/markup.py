"""A Prediction as HTML and SVG in the colours of the page it stands on: what, where, when."""

import base64
import html
import pathlib

import numpy as np

from helpers.plots.predictions import FAINT

CSS = pathlib.Path(__file__).with_name("answer.css")  # what the classes look like
SCRIPT = CSS.with_suffix(".js").read_text(encoding="utf-8")
FACES, COLUMNS = 12, 400  # faces in a row; columns of a waveform
_COLOURS = ("#4c9be8", "#f28e2b", "#3fae6a", "#e5575c", "#a98bd6", "#b07d62", "#e377c2", "#999999")


def answer(prediction, name, clip):
    """The answer to a clip, its name and the bytes of `playback.write(…, panels=False)`: a <div> that needs no file."""
    kind, title, key = "video", "Where: the face", "<small>Green: the face that was found; red: lost.</small>"
    if prediction.faces is None:
        kind, title, key = "audio", "The audio", ""
    elif not prediction.faces.found.any():
        title, key = "Where: no face was found", ""
    player = f'<{kind} controls playsinline src="{_inline(f"{kind}/mp4", clip)}"></{kind}>'
    return (
        f'<div class="answer"><header>{heading(prediction)}<small>{html.escape(name)}</small></header>'
        f'<section class="what"><h3>What</h3>{bars(prediction)}</section>'
        f'<section class="where"><h3>{title}</h3>{player}{key}</section>'
        f'<section class="when"><h3>When</h3>{_when(prediction)}</section></div>'
    )


def heading(prediction):
    """The sentence, and all that limits it; what forbids to believe it stands first, in red."""
    remarks = [] if prediction.confident else ["The model abstains: it is not confident enough to predict an emotion."]
    remarks += [warning for warning in prediction.warnings if warning not in prediction.alarms]
    red = "".join(f'<p class="alarm" role="alert">{html.escape(alarm)}</p>' for alarm in prediction.alarms)
    listed = "".join(f"<li>{html.escape(remark)}</li>" for remark in remarks)
    return f"{red}<h2>{html.escape(prediction.sentence)}</h2>{listed and f'<ul>{listed}</ul>'}"


def bars(prediction):
    """A bar for each emotion; square and circle are the probabilities of video alone and of audio alone."""
    rows = ""
    for name, value in prediction.probabilities.items():
        marks = "".join(
            f'<b class="mark {stream}" title="{stream} alone" style="left:{100 * values[name]:.1f}%"></b>'
            for stream, values in prediction.streams.items()
        )
        best, share = " best" * (name == prediction.emotion), min(100 * value, 99.4)  # no answer is certain
        bar = f'<div class="bar{best}"><i style="width:{100 * value:.1f}%"></i>{marks}</div>'
        rows += f'<span class="{best}">{html.escape(name)}</span>{bar}<span class="{best}">{share:.0f} %</span>'
    keys = "".join(f'<span><b class="mark {stream}"></b> {stream} alone</span>' for stream in prediction.streams)
    return f'<div class="bars">{rows}</div><div class="key">{keys}</div>'


def _when(prediction):
    """Faces over the timeline of a long clip, or over a short one's waveform and attention."""
    seconds = prediction.seconds
    long, keys = len(prediction.timeline) > 1, {}
    if long:
        paths = "".join(f'<path class="grid" d="M0 {y}H1000"/>' for y in (1, 50, 100))
        middles = [(part.start + part.end) / 2 for part in prediction.timeline]
        for number, name in enumerate(prediction.probabilities):
            values = np.array([part.probabilities[name] for part in prediction.timeline])
            if values.max() > FAINT:
                keys[html.escape(name)] = colour = _COLOURS[number % len(_COLOURS)]
                paths += _line(middles, 100 - 99 * values, seconds, colour)
    else:
        paths, height = ("", 98) if prediction.samples is None else (_wave(prediction, seconds), 40)
        for stream, weights in prediction.attention.items():
            if weights is not None:
                keys[f"attention, {stream}"] = colour = f"var(--{stream})"
                heights = height * weights / max(weights.max(), 1e-9)
                paths += _line(prediction.times[stream], 99 - heights, seconds, colour)
    svg = f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{paths}</svg>' if paths else ""
    listed = "".join(f'<span><i style="background:{colour}"></i>{name}</span>' for name, colour in keys.items())
    unit = "<span>Probability, 0 to 100 %, window by window</span>" if long else ""
    axis = "".join(f"<span>{round(share * seconds, 1):g} s</span>" for share in (0, 0.5, 1))
    return (
        f'<div class="chart">{_faces(prediction.faces, seconds)}{svg}<div class="cursor" hidden></div></div>'
        f'<div class="axis">{axis}</div><div class="key">{unit}{listed}</div>'
    )


def _faces(track, seconds):
    if track is None or not track.found.any():
        return ""
    import cv2

    rows = np.linspace(0, len(track.frames) - 1, FACES).round().astype(int)
    strip = np.concatenate([track.frames[row] for row in rows], axis=1)
    picture = cv2.imencode(".jpg", strip[:, :, ::-1])[1].tobytes()
    width = 100 * min(1, track.times[-1] / seconds or 1)
    return f'<img alt="Faces the model sees" style="width:{width:.1f}%" src="{_inline("image/jpeg", picture)}">'


def _wave(prediction, seconds):
    """The envelope of the waveform, filled, in the upper half."""
    samples = np.abs(prediction.samples)
    peaks = [piece.max() for piece in np.array_split(samples, min(COLUMNS, len(samples)))]
    peaks = 26 * np.array(peaks) / max(*peaks, 1e-6)
    x = np.linspace(0, 1000 * len(samples) / prediction.rate / seconds, len(peaks))
    points = zip([*x, *x[::-1]], [*(28 - peaks), *(28 + peaks[::-1])])
    return f'<path class="wave" d="M{" ".join(f"{x:.1f} {y:.1f}" for x, y in points)}Z"/>'


def _line(times, values, seconds, colour):
    points = " ".join(f"{1000 * time / seconds:.1f} {value:.1f}" for time, value in zip(times, values))
    return f'<path style="stroke:{colour}" d="M{points}"/>'


def _inline(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
