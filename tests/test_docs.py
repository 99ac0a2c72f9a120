"""The examples of the docs run."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from helpers.runtime import PROJECT


@pytest.mark.slow
def test_the_examples_of_how_to_change_it_run(tmp_path):
    page = (PROJECT / "docs" / "changing.md").read_text()
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)
    script = "\n".join(textwrap.dedent(block) for block in blocks)
    assert script.count("assert ") == 3 and "leave-one-speaker-out" in script
    (tmp_path / "page.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "EMOTION_VGG16_WEIGHTS": "random", "KERAS_BACKEND": "jax"}
    words = [sys.executable, "page.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
