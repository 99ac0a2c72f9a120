"""The benchmarks start, and the committed results carry the names and commands that the benchmarks give them."""

import importlib
import json
import re
import subprocess
import sys

import pytest

from helpers.runtime import PROJECT

BENCHMARKS = sorted((PROJECT / "benchmarks").glob("*.py"))
RESULTS = sorted((PROJECT / "docs" / "results").glob("*.json"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_shows_its_options(path):
    done = subprocess.run([sys.executable, str(path), "--help"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_command_of_a_committed_result_names_a_benchmark_and_its_options(path):
    command = json.loads(path.read_text())["command"]
    script = re.fullmatch(r"(?:KERAS_BACKEND=jax )?python (benchmarks/\w+\.py) [A-Z].*", command)[1]
    source = (PROJECT / script).read_text()
    if "from audio_real import" in source:
        source += (PROJECT / "benchmarks" / "audio_real.py").read_text()  # which reads the options
    missing = [option for option in re.findall(r" (--[\w-]+)", command) if f'"{option}"' not in source]
    assert not missing, command


def test_the_committed_results_are_named_as_the_benchmarks_name_them(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    ablation = importlib.import_module("ablation")
    named = 0
    for path in RESULTS:
        stored = json.loads(path.read_text())
        end = "-per-speaker.json" if stored.get("per_speaker") else ".json"
        if path.name.startswith("ablation-"):
            options = [stored[key] for key in ("row", "protocol", "epochs", "seeds", "per_speaker")]
            assert path.name == ablation.file_name(*options)
        elif path.name.startswith("joint-"):
            dropout = f"{stored['modality_dropout']:g}"
            assert path.name == f"joint-{stored['protocol']}-{stored['fusion']}-{dropout}.json"
        elif re.match("(?:audio|fusion)-(?:network|ensemble)-", path.name):
            assert path.name == f"{stored['row']}-{stored['protocol']}{end}"
        elif re.match("(?:svm|lda)-", path.name):
            assert path.name == f"{stored['model']}-{stored['protocol']}{end}"
        else:
            continue
        named += 1
    assert named > 70
