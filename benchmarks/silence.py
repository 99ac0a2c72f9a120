"""Data leakage through silence: what do untrimmed recordings give away beside speech? One JSON line a part.

    python benchmarks/silence.py RAVDESS_FOLDER [--result docs/results/silence.json]

SVMs on means and standard deviations of 13 MFCC: of the silence before and after the speech alone, of its length alone,
of the speech with and without what lies above 11 kHz. Both protocols; the majority-class baseline is 13.3 per cent.
"""

import argparse
import json
import pathlib

import joblib
import numpy as np

from helpers import runtime
from helpers.audio import descriptors, speech
from helpers.beyond import baselines
from helpers.config import AudioConfig
from helpers.data import ravdess

WHOLE = AudioConfig(n_fft=2048, hop_length=1024)
BELOW = AudioConfig(rate=22_050, n_fft=940, hop_length=470)
QUIET = 38.0  # dB below the loudest frame


def parts(path):
    """{part: features} of one recording."""
    values_of = {}
    for name, config in (("all bands", WHOLE), ("below 11 kHz", BELOW)):
        samples, rate = speech.load(path, config)
        _, prosody = descriptors.low_level_descriptors(samples, rate, config.n_fft, config.hop_length)
        spoken = descriptors.trim_silence(prosody[:, descriptors.PROSODY.index("log energy")], QUIET)
        values = speech.mfcc(samples, rate, config)
        values_of[f"speech, {name}"] = _summary(values[spoken])
        if config is WHOLE:
            silence = np.delete(values, spoken, axis=0)
            values_of["silence: its sound"] = _summary(silence if len(silence) else values[:1])
            values_of["silence: its length"] = np.array([spoken.start, len(values) - min(spoken.stop, len(values))])
            values_of["speech: its length"] = np.array([min(spoken.stop, len(values)) - spoken.start])
    return values_of


def _summary(values):
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--result", type=pathlib.Path)
    chosen = parser.parse_args()
    table = ravdess.index(chosen.root)
    clips = joblib.Parallel(n_jobs=runtime.workers())(joblib.delayed(parts)(path) for path in table.audio_path)
    streams = {name: np.stack([clip[name] for clip in clips]).astype(float) for name in clips[0]}
    streams["speech and silence"] = np.hstack([streams["speech, all bands"], *(streams[n] for n in _SILENCE)])
    rows = []
    for name, values in streams.items():
        row = {"part": name, "numbers": values.shape[1]}
        for protocol in ("random", "luna2022"):
            summary = baselines.cross_validate(values, table, protocol, name=name).summary()
            row |= {f"{protocol} accuracy": round(100 * summary["average"], 2)}
            row |= {f"{protocol} interval": [round(100 * edge, 1) for edge in summary["accuracy_interval"]]}
        rows.append(row)
        print(json.dumps(row), flush=True)
    if chosen.result:
        about = {
            "model": "SVM",
            "seed": 0,
            "command": "python benchmarks/silence.py ROOT",
            "data": "RAVDESS, 1440 speech recordings",
            "rows": rows,
        }
        chosen.result.write_text(json.dumps(about, indent=1) + "\n")


_SILENCE = ("silence: its sound", "silence: its length")

if __name__ == "__main__":
    main()
