"""Damaged clips, model files, caches and csv files, made with fixed seeds: python -m tests.fuzz

    python -m tests.fuzz [--cases 100] [--minutes 20] [--seed 0] [KIND …]

Prints for each kind how many were tried, held and failed, with the seeds of those that failed, and exits with 1 if one
did. A case holds where the result is right, or an error names the file and says what is wrong. It runs in a folder of
its own; a kind's modules have the cases, {kind: function of seed and folder} in CASES.
"""

import argparse
import importlib
import os
import pathlib
import sys
import tempfile
import time
import traceback
import warnings

HERE = pathlib.Path(__file__).parent


def cases():
    """{kind: function of seed and folder} of every module here."""
    found = {}
    for path in sorted(HERE.glob("[a-z]*.py")):
        if not path.stem.startswith("test_"):
            found |= importlib.import_module(f"tests.fuzz.{path.stem}").CASES
    return found


def run(kind, case, seeds, until=float("inf"), tell=print):
    """Runs the cases of one kind. Returns (number tried, {seed: traceback of what failed})."""
    tried, failed = 0, {}
    for seed in seeds:
        if time.monotonic() > until:
            tell(f"{kind}: the time is up")
            break
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tried += 1
            try:
                case(seed, pathlib.Path(folder))
            except Exception:  # what a case does not expect is what is looked for
                failed[seed] = traceback.format_exc()
                tell(f"{kind} {seed} failed:\n{failed[seed]}")
    return tried, failed


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--cases", type=int, default=100, help="of each kind")
    parser.add_argument("--minutes", type=float, default=20, help="for all kinds together")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow")
    options = parser.parse_args()
    known, until = cases(), time.monotonic() + 60 * options.minutes
    if unknown := set(options.kinds) - set(known):
        parser.error(f"no kind {', '.join(unknown)}; known: {', '.join(known)}")
    wrong = 0
    for kind in options.kinds or known:
        seeds = range(options.seed, options.seed + options.cases)
        tried, failed = run(kind, known[kind], seeds, until)
        print(f"{kind}: {tried} tried, {tried - len(failed)} held, {len(failed)} failed", *failed, flush=True)
        wrong += len(failed)
    return int(wrong > 0)


if __name__ == "__main__":
    os.environ.setdefault("EMOTION_VGG16_WEIGHTS", "random")
    sys.exit(main())
