"""Drawn, talking faces that the HOG detector finds: the images of helpers.data.synthetic, which alone imports this.

The face is drawn from polygons in units of half a head height, from the centre of the head, y downwards.
"""

from typing import NamedTuple

import cv2
import numpy as np

DETAIL = 2  # the face is drawn this many times larger than the frame, then scaled down while it sways


class Expression(NamedTuple):
    """One facial expression: brows, eyes and mouth at rest."""

    brow_in: float  # how far the inner end of the brow is raised
    brow_out: float  # the same for the outer end
    eye: float  # opening of the eye, 1 = ordinary
    corner: float  # how far the corners of the mouth are raised
    width: float  # half width of the mouth
    gape: float  # how far the mouth stands open while silent


EXPRESSIONS = {
    "relaxed": Expression(0.02, 0.00, 1.05, 0.02, 0.22, 0.00),
    "smiling": Expression(0.05, 0.03, 0.75, 0.17, 0.37, 0.14),
    "frowning": Expression(-0.11, 0.04, 0.62, -0.18, 0.31, 0.02),
    "gaping": Expression(0.15, 0.10, 1.35, -0.02, 0.19, 0.26),
}

# RGB; the lists differ in length or step, so that the combinations do not soon repeat from actor to actor.
_SKIN = ((242, 205, 178), (198, 143, 106), (226, 181, 146), (156, 104, 76), (238, 204, 182), (172, 118, 84))
_HAIR = ((58, 38, 28), (24, 22, 26), (112, 108, 110), (196, 150, 84), (134, 66, 32))
_EYES = ((88, 56, 34), (62, 104, 148), (76, 112, 72), (60, 40, 30))
_WALL = ((186, 205, 214), (214, 205, 186), (192, 208, 190), (206, 194, 212), (176, 190, 206), (220, 200, 192))
_SHIRT = ((52, 84, 120), (92, 76, 116), (134, 60, 62), (176, 132, 64), (64, 104, 84))

_CIRCLE = np.stack([f(np.radians(np.arange(0, 360, 10))) for f in (np.cos, np.sin)], 1)
_TOP = slice(18, None)  # the upper half of an oval, from left to right


class Person:
    """What stays the same in all clips of one actor."""

    def __init__(self, actor):
        rng, i = np.random.default_rng([24, actor]), actor - 1
        self.male, self.cut = actor % 2 == 1, i // 2 % 3
        self.skin, self.hair = np.array(_SKIN[i % 6]), np.array(_HAIR[(i + i // 6) % 5])
        self.iris, self.wall, self.shirt = _EYES[i % 4], np.array(_WALL[(i + i // 6) % 6]), _SHIRT[i % 5]
        self.width = rng.uniform(0.72, 0.80) if self.male else rng.uniform(0.69, 0.77)
        self.eyes, self.nose = rng.uniform(0.30, 0.34), rng.uniform(0.11, 0.15)
        self.lips = rng.uniform(0.9, 1.1) * (1.0 if self.male else 1.25)
        self.brow = rng.uniform(0.9, 1.1) * (1.25 if self.male else 0.9)


def _oval(x, y, rx, ry, part=slice(None)):
    return _CIRCLE[part] * (rx, ry) + (x, y)


def _curve(knots):
    """A smooth open line through the knots (Catmull-Rom)."""
    p = np.array([knots[0], *knots, knots[-1]], float)
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, 12)[:, None]
    line = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    return 0.5 * line.reshape(-1, 2)


def _symmetric(*right):
    """A smooth line through the knots of the right half, then back up through their mirror images."""
    return _curve([*right, *((-x, y) for x, y in right[::-1])])


class _Canvas:
    """An RGB picture to draw on, DETAIL times the size of the frame."""

    def __init__(self, size, background):
        self.unit = 0.30 * size[1] * DETAIL  # half a head: the head takes 60 % of the frame's height
        self.centre = np.array([0.5 * size[0], 0.51 * size[1]]) * DETAIL
        shade = np.linspace(1.08, 0.80, size[1] * DETAIL)[:, None, None]
        self.pixels = np.clip(shade * background, 0, 255).astype(np.uint8).repeat(size[0] * DETAIL, 1)

    def _fixed(self, points):
        return np.rint((self.centre + self.unit * np.asarray(points)) * 16).astype(np.int32)

    def fill(self, points, colour):
        cv2.fillPoly(self.pixels, [self._fixed(points)], [int(c) for c in colour], cv2.LINE_AA, 4)

    def line(self, points, colour, width):
        width = max(1, round(width * self.unit))
        cv2.polylines(self.pixels, [self._fixed(points)], False, colour, width, cv2.LINE_AA, 4)

    def soft(self, points, colour, blur, strength, within=None):
        """Blends a blurred shape over the picture: shading, which makes the detector surer of the face."""
        sigma, points = blur * self.unit, self._fixed(points)
        edge = int(3 * sigma) + 2
        x0, y0 = np.maximum(points.min(0) // 16 - edge, 0)
        x1, y1 = np.maximum(points.max(0) // 16 + edge, 0)
        part = self.pixels[y0:y1, x0:x1]  # a view: the rest of the picture stays as it is
        if not part.size:
            return
        mask = np.zeros(part.shape[:2], np.float32)
        cv2.fillPoly(mask, [points - (x0 * 16, y0 * 16)], strength, cv2.LINE_AA, 4)
        mask = cv2.GaussianBlur(mask, (0, 0), sigma)
        if within is not None:
            inside = np.zeros(part.shape[:2], np.uint8)
            cv2.fillPoly(inside, [self._fixed(within) - (x0 * 16, y0 * 16)], 255, cv2.LINE_AA, 4)
            mask *= inside / np.float32(255)
        part[:] = part + (np.array(colour, np.float32) - part) * mask[..., None]


def _bust(canvas, p):
    """Draws what keeps still within a clip: shoulders, head, nose, hair and their shading."""
    skin, dark, w, n = p.skin, p.skin * 0.45, p.width, p.nose
    if not p.male:
        length, v = (1.15, 0.55, 0.75)[p.cut], w + 0.16
        locks = _symmetric((v, -0.2), (v + 0.04, 0.4), (v - 0.06, length), (0, length + 0.1))
        canvas.fill(np.concatenate([_oval(0, -0.25, v, 0.92, _TOP), locks]), p.hair * 0.8)
    canvas.fill([(-0.36, 0.5), (0.36, 0.5), (0.42, 1.5), (-0.42, 1.5)], skin * 0.78)
    canvas.soft(_oval(0, 1.02, 0.4, 0.16), dark, 0.06, 0.8)
    canvas.fill(_symmetric((1.6, 2.2), (1.35, 1.45), (0.42, 1.22), (0, 1.42)), p.shirt)
    chin = _symmetric((w, -0.2), (0.95 * w, 0.25), (0.74 * w, 0.65), (0.34 * w, 0.95), (0, 1.0))
    head = np.concatenate([_oval(0, -0.22, w, 0.76, _TOP), chin])
    for side in (-1, 1):
        canvas.fill(_oval(side * w, 0.02, 0.1, 0.2), skin * 0.85)
    canvas.fill(head, skin)
    for side in (-1, 1):  # the cheeks turn away from the light, the eyes lie deeper than brow and cheek
        canvas.soft(_oval(side * w, 0.35, 0.2, 0.75), dark, 0.12, 0.55, head)
        canvas.soft(_oval(side * p.eyes, -0.10, 0.21, 0.13), dark, 0.06, 0.75, head)
        canvas.soft(_oval(side * 0.43, 0.30, 0.13, 0.1), (225, 110, 100), 0.07, 0.25, head)
        flank = [(side * 0.08, -0.1), (side * n, 0.26), (side * 0.05, 0.26), (side * 0.05, -0.1)]
        canvas.soft(flank, dark, 0.03, 0.35)
    canvas.soft(_oval(0, 0.92, 0.35, 0.12), dark, 0.06, 0.35, head)
    canvas.soft(_oval(0, 0.79, 0.16, 0.04), dark, 0.04, 0.4, head)
    canvas.soft(_oval(0, -0.45, 0.4, 0.14), (255, 255, 255), 0.12, 0.25, head)
    canvas.soft([(-0.03, -0.1), (0.03, -0.1), (0.05, 0.22), (-0.05, 0.22)], (255, 250, 240), 0.03, 0.35)
    canvas.soft(_oval(0, 0.31, n * 1.1, 0.035), dark, 0.02, 0.8)
    for side in (-1, 1):
        canvas.fill(_oval(side * n * 0.5, 0.295, 0.035, 0.02), skin * 0.28)
    right, left = ((-0.55, -0.55), (-0.56, -0.68), (-0.58, -0.42))[p.cut]  # where the hair ends on the forehead
    temple = [(w + 0.06, -0.3), (w - 0.04, -0.1), (w * 0.86, -0.42)]
    fringe = _curve([*temple, (0.3, right), (-0.15, left), *((-x, y) for x, y in temple[::-1])])
    canvas.fill(np.concatenate([_oval(0, -0.3, w + 0.06, 0.78, _TOP), fringe]), p.hair)
    canvas.soft(_oval(-0.2, -0.82, 0.3, 0.06), p.hair * 0.5 + 128, 0.06, 0.35)
    if not p.male and p.cut == 2:
        canvas.fill(_oval(0, -1.16, 0.26, 0.2), p.hair * 0.9)


def _eye(canvas, p, expression, side, blink):
    x, y, h = side * p.eyes, -0.08, 0.075 * expression.eye * (1 - 0.85 * blink)
    canvas.fill(_oval(x, y, 0.145, h + 0.02), p.skin * 0.3)
    # Brilliant whites in dark skin would turn the gradients round that the detector looks for.
    canvas.fill(_oval(x, y + 0.01, 0.13, h), (232, 230, 228) if p.skin[0] > 160 else (205, 200, 196))
    canvas.fill(_oval(x, y, 0.072, min(0.075, h)), p.iris)
    canvas.fill(_oval(x, y, 0.036, min(0.036, h)), (15, 12, 12))
    canvas.fill(_oval(x + 0.025, y - 0.3 * min(0.075, h), 0.016, min(0.016, h)), (255, 255, 255))
    canvas.line(_oval(x, y + 0.005, 0.15, h + 0.02, slice(19, None)), (30, 22, 20), 0.03)
    u = np.linspace(0, 1, 12)  # along the brow, from the nose outwards
    ridge = -0.27 - expression.brow_in * (1 - u) - expression.brow_out * u - 0.06 * np.sin(np.pi * u * 0.9)
    along, thick = x + side * (-0.17 + 0.37 * u), 0.045 * p.brow * (1 - 0.7 * u**2)
    upper, lower = np.stack([along, ridge - thick], 1), np.stack([along, ridge + thick], 1)
    canvas.fill(np.concatenate([upper, lower[::-1]]), np.minimum(p.hair * 0.5, p.skin * 0.3))


def _mouth(canvas, p, expression, talk):
    x = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 25))  # from corner to corner
    w, gap = expression.width - 0.03 * talk, (expression.gape + 0.10 * talk) * np.cos(np.arcsin(x))
    middle = 0.57 + expression.corner * (0.4 - x**2)
    upper, lower = np.stack([w * x, middle - 0.4 * gap], 1), np.stack([w * x, middle + 0.6 * gap], 1)
    lip = 0.055 * p.lips * np.stack([0.5 * x, 1 - 0.75 * x**2], 1)
    red = 0.6 * np.array([176, 72, 72]) + 0.2 * p.skin
    canvas.fill(np.concatenate([upper + lip * (1, -0.8), (lower + lip * (1, 1.2))[::-1]]), red)
    canvas.fill(np.concatenate([upper, lower[::-1]]), (58, 20, 24))
    bite = np.minimum(upper + (0, 0.055), upper + (lower - upper) * (1, 0.45))
    canvas.fill(np.concatenate([upper, bite[::-1]])[2:-2], (240, 238, 232))
    canvas.line(upper, (70, 26, 28), 0.02)


def frames(size, fps, mouth, expression, actor, rng, face=True):
    """Draws the pictures of one clip.

    Args:
        size, fps: (width, height) in pixels; frames per second.
        mouth: for each frame how far speech opens the mouth, 0..1.
        expression, actor: one of EXPRESSIONS' names; 1..24.
        rng, face: numpy Generator for place, sway and blinks; False leaves only the background.
    Yields: As many uint8 arrays (height, width, 3), RGB, as `mouth` has values.
    """
    p = Person(actor)
    canvas = _Canvas(size, p.wall)
    if face:
        _bust(canvas, p)
    t = np.arange(len(mouth)) / float(fps)
    speed, phase = rng.uniform(0.25, 0.6, 3), rng.uniform(0, 2 * np.pi, 3)
    turn, dx, dy = np.sin(2 * np.pi * speed[:, None] * t + phase[:, None]) * [[1.5], [0.02], [0.012]]
    zoom, x0, y0 = rng.uniform(0.97, 1.03), *rng.uniform(-0.02, 0.02, 2)
    blinks = np.exp(-(((t[:, None] - rng.uniform(0, 3, 2)) / 0.06) ** 2)).max(1)
    rest = canvas.pixels
    for i, talk in enumerate(mouth):
        canvas.pixels = rest.copy()
        if face:
            _mouth(canvas, p, EXPRESSIONS[expression], talk)
            for side in (-1, 1):
                _eye(canvas, p, EXPRESSIONS[expression], side, blinks[i])
        move = cv2.getRotationMatrix2D(canvas.centre.tolist(), turn[i], zoom / DETAIL)
        move[:, 2] += np.array(size) / 2 - canvas.centre + size[1] * np.array([x0 + dx[i], y0 + dy[i] + 0.01])
        yield cv2.warpAffine(canvas.pixels, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
