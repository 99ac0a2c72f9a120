"""Synthetic clips: a drawn face and a synthesised voice in real mp4 files with RAVDESS names.

Four expressions and four voices; each of the eight emotions is one (expression, voice) pair, and each expression and
each voice serves two emotions. Video or audio alone therefore tops out near 50 %; the two together can reach 100 %.
"""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers import runtime
from helpers.data import mp4
from helpers.data.ravdess import EMOTIONS

RATE = 48_000  # Hz, as in RAVDESS
FPS = Fraction(30_000, 1001)  # frames per second, as in RAVDESS


class Voice(NamedTuple):
    """One way of speaking."""

    pitch: float  # factor on the actor's own pitch
    glide: float  # octaves from the first to the last syllable
    tilt: float  # dB per octave above 200 Hz
    breath: float  # share of noise in the amplitude, 0..1
    tremor: float  # depth of a 6 Hz vibrato, octaves


_VOICES = {
    "clear": Voice(1.20, 0.35, -8.0, 0.02, 0.00),
    "mellow": Voice(0.90, -0.10, -16.0, 0.03, 0.00),
    "harsh": Voice(1.00, -0.40, -2.0, 0.12, 0.00),
    "breathy": Voice(1.10, 0.05, -12.0, 0.70, 0.06),
}
EXPRESSIONS = ("relaxed", "smiling", "frowning", "gaping")  # drawn in helpers.data.synthetic_face
VOICES = tuple(_VOICES)
# An eight-cycle: neighbours share either the expression or the voice, never both.
PAIRS = {emotion: (EXPRESSIONS[e // 2], VOICES[(e // 2 + e % 2) % 4]) for e, emotion in enumerate(EMOTIONS)}

# The first three formants (Hz) of a man's vowels, and the vowels of the two RAVDESS sentences, seven syllables each:
# "Kids are talking by the door" and "Dogs are sitting by the door".
_VOWELS = {"i": (390, 1990, 2550), "a": (730, 1090, 2440), "o": (570, 840, 2410), "e": (500, 1500, 2500)}
_SENTENCES = {1: "iaoiaeo", 2: "oaiiaeo"}
_TAKES = ((1, 1), (1, 2), (2, 1), (2, 2))  # (statement, repetition)


def _rhythm(count, rng):
    """The loudness (0..1) of `count` samples, and how many syllables (0..7) have gone by.

    Mouth and voice both follow it, so it must not depend on the emotion: else the mouth would betray the voice.
    """
    starts = np.cumsum([0, *rng.uniform(0.8, 1.2, 7)])
    first, last = rng.uniform(0.08, 0.14), rng.uniform(0.86, 0.92)
    syllable = np.interp(np.linspace(0, 1, count), first + (last - first) * starts / starts[-1], np.arange(8))
    peaks = rng.uniform(0.65, 1.0, 8)
    return np.sin(np.pi * (syllable % 1)) ** 1.2 * peaks[syllable.astype(int)], syllable


def _speech(loudness, syllable, voice, actor, statement, rng):
    """Source and filter: harmonics of a gliding pitch, and breath, under the formants of the syllables."""
    n, own, male = len(loudness), np.random.default_rng([48, actor]), actor % 2 == 1
    tract = own.uniform(0.95, 1.05) * (1.0 if male else 1.15)  # a shorter throat has higher formants
    octaves = voice.glide * (syllable / 7 - 0.5) + voice.tremor * np.sin(2 * np.pi * 6 / RATE * np.arange(n))
    pitch = own.uniform(0.9, 1.1) * (115 if male else 205) * voice.pitch * 2 ** (octaves + rng.normal(0, 0.03))
    step = 240  # 5 ms: formants move so slowly that straight lines between such points do
    points, ramp = np.arange(0, n + step, step), np.arange(step, dtype=np.float32) / step
    at, pitch_at = np.interp(points, np.arange(n), syllable), np.interp(points, np.arange(n), pitch)
    vowels = tract * np.array([_VOWELS[v] for v in _SENTENCES[statement]])
    formants = [np.interp(at, np.arange(7) + 0.5, vowels[:, i]) for i in range(3)]

    def gain(hz):
        peaks = zip((1.0, 0.6, 0.35), (60, 80, 120), formants)
        mouth = sum(g / (1 + ((hz - f) / (width + 0.03 * hz)) ** 2) for g, width, f in peaks)
        return (mouth + 0.02) * 10 ** (voice.tilt / 20 * np.log2(np.maximum(hz, 200) / 200))

    tone, spin = np.zeros(n, np.float32), np.ones(n, np.complex64)
    turn = np.exp(2j * np.pi / RATE * np.cumsum(pitch)).astype(np.complex64)
    for harmonic in range(1, int(8000 / pitch.max())):
        spin *= turn  # the next harmonic without another sine
        g = gain(harmonic * pitch_at).astype(np.float32)
        tone += spin.imag * (g[:-1, None] + np.diff(g)[:, None] * ramp).ravel()[:n]
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 50)
    breath = np.fft.irfft(np.fft.rfft(rng.normal(size=n)) * np.exp(-((np.log2(hz / 4500) / 1.2) ** 2)), n)
    wave = loudness * ((1 - voice.breath) * tone / tone.std() + voice.breath * breath / breath.std())
    wave *= rng.uniform(0.055, 0.065) / np.sqrt(np.mean(wave**2))  # one loudness for all voices
    return wave + rng.normal(0, 2e-4, n)  # no room is quite silent


def clip(
    path, emotion, actor, statement=1, repetition=1, seed=0, *, seconds=None, fps=FPS, size=(320, 240), face=True,
    sound=True, pictures=True, silent=False,
):  # fmt: skip
    """Writes one clip, H.264 video and AAC audio in an mp4 file. Returns its pathlib.Path.

    On one machine and one set of libraries the same arguments give the same bytes.

    Args:
        path: where to write; the file appears there only when it is finished. Its folder is made if need be.
        emotion, actor: one of EMOTIONS; 1..24, odd ones are men, even ones women.
        statement, repetition: 1 or 2; the statement's vowels are spoken.
        seed: whole number >= 0; with the four above, it decides everything that is drawn at random.
        seconds, fps: duration, by default drawn from 2.0 to 2.6; frames per second.
        size: (width, height) in pixels, both even; the head takes about 60 % of the height.
        face, sound, pictures: False leaves only the background, or the audio or video stream out.
        silent: True writes an audio stream of digital silence.
    Raises ValueError: unknown emotion, actor, statement or repetition, an odd size, or neither sound nor pictures.
    """
    if emotion not in EMOTIONS or actor not in range(1, 25) or (statement, repetition) not in _TAKES:
        raise ValueError(f"no such clip: {emotion}, actor {actor}, statement {statement}, repetition {repetition}")
    if size[0] % 2 or size[1] % 2:
        raise ValueError(f"size is {size}; H.264 wants even numbers")
    if not (sound or pictures):
        raise ValueError("a clip needs sound, pictures or both")
    path, fps, (expression, voice) = Path(path), Fraction(fps).limit_denominator(10_000), PAIRS[emotion]
    seeds = [seed, actor, EMOTIONS.index(emotion), statement, repetition]
    # One generator for each part: leaving the sound out, say, does not change the pictures.
    timing, drawing, speaking = (np.random.default_rng([*seeds, part]) for part in range(3))
    drawn = timing.uniform(2.0, 2.6)
    count = max(1, round((drawn if seconds is None else seconds) * fps))
    loudness, syllable = _rhythm(round(count / fps * RATE), timing)
    frames = wave = None
    if pictures:
        from helpers.data import synthetic_face

        mouth = loudness[(np.arange(count) / float(fps) * RATE).astype(int)]
        frames = synthetic_face.frames(tuple(size), fps, mouth, expression, actor, drawing, face)
    if sound:
        args = (loudness, syllable, _VOICES[voice], actor, statement, speaking)
        wave = np.zeros(len(loudness)) if silent else _speech(*args)
    path.parent.mkdir(parents=True, exist_ok=True)
    with runtime.replacing(path) as file:  # a name with a dot and no .mp4: never taken for a clip
        mp4.write(file.name, frames, wave, size=size, fps=fps, rate=RATE, synthetic=True)
    return path


def make(root, n_actors=6, takes=4, seed=0, workers=None, progress=True):
    """Writes the clips root/Actor_NN/01-01-EE-01-SS-RR-AA.mp4 that are not there yet; those that are stay as they are.

    Args:
        root: folder, made if need be.
        n_actors: 1..24; each actor speaks with all eight emotions.
        takes: 1..4 clips for each actor and emotion: (statement, repetition) = (1, 1), (1, 2), (2, 1), (2, 2).
        seed, workers: see `clip`; processes, by default one for each core.
    Returns: The sorted list of the n_actors * 8 * takes paths.
    """
    import joblib
    from tqdm.auto import tqdm

    if n_actors not in range(1, 25) or takes not in range(1, 5):
        raise ValueError(f"n_actors is {n_actors} and takes is {takes}; they must be 1..24 and 1..4")
    jobs = {}
    for actor, (e, emotion), take in itertools.product(range(1, n_actors + 1), enumerate(EMOTIONS, 1), _TAKES[:takes]):
        name = f"01-01-{e:02d}-01-{take[0]:02d}-{take[1]:02d}-{actor:02d}.mp4"
        path = Path(root) / f"Actor_{actor:02d}" / name
        jobs[path] = joblib.delayed(clip)(path, emotion, actor, *take, seed)
    missing = [job for path, job in jobs.items() if not path.exists()]
    if missing:
        done = joblib.Parallel(n_jobs=workers or joblib.cpu_count(), return_as="generator")(missing)
        for _ in tqdm(done, total=len(missing), desc="synthetic clips", unit="clip", disable=not progress):
            pass
    return sorted(jobs)
