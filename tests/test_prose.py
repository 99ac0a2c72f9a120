"""What readers read: notebooks, README, docstrings. Links lead somewhere, terms are the thesis' and the field's."""

import re

import nbformat
import pytest

from helpers.runtime import PROJECT

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
README = (PROJECT / "README.md").read_text(encoding="utf-8")
# What is often written for it: the term as this suite writes it.
TERMS = {
    r"VGG[- ]16|Vgg16|VGG-Net": "VGG16",
    r"MFCCs|mfccs|MFCC's": "MFCC",
    r"\b[Cc]lam\b|\bclaim emotion": "calm",
    r"Hanning|[Hh]aming": "Hamming window",
    r"SoftMax|\b[Ss]oft max": "softmax",
    r"\bRelu\b|\bRELU\b|\bReLu\b": "ReLU",
    r"\bRavdess\b|RAVDES\b|RAVEDESS": "RAVDESS",
    r"FER[- _]2013|Fer2013": "FER2013",
    r"Jaffe\b": "JAFFE",
    r"\bGru\b|\bLstm\b": "GRU, LSTM",
    r"batch[- ]normalization|Batch[- ]normalization|normalization": "normalisation",
    r"pre[- ]emphasize|preemphasis": "pre-emphasis",
    r"Mc[- ]Nemar|Mcnemar": "McNemar",
    r"[Tt]ensor[Ff]low(?<!TensorFlow)|tensor flow": "TensorFlow",
    r"Num[Pp]y(?<!NumPy)": "NumPy",
    r"\bColaboratory\b|\bcolab\b(?=[ ,.])": "Colab",
    r"cross[- ]?validations? accuracy of the best": "average, best and lowest",
    r"suprised|surprized|fearfull|disgusted\b": "surprised, fearful, disgust",
    r"attention mechanisim|recieve|seperat|occured|definately|accomodate": "(a slip of the pen)",
}


def prose(path):
    """A notebook's text, without code between back-ticks, formulas and addresses."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return plain(text)


def plain(text):
    for literal in (r"```.*?```", r"`[^`\n]*`", r"\$[^$]*\$", r"\]\([^)]*\)", r"https?://\S+"):
        text = re.sub(literal, " ", text, flags=re.S)
    return text


@pytest.mark.parametrize("path", [*NOTEBOOKS, PROJECT / "README.md"], ids=lambda path: path.name)
def test_terms_are_spelt_as_the_thesis_and_the_field_spell_them(path):
    text = prose(path) if path.suffix == ".ipynb" else plain(README)
    found = {match[0]: term for wrong, term in TERMS.items() for match in re.finditer(wrong, text)}
    assert not found, found


def test_the_check_of_the_terms_can_fail():
    for slip in ("a frozen VGG-16", "13 MFCCs", "the emotion clam", "batch normalization", "a Hanning window", "Numpy"):
        assert any(re.search(wrong, slip) for wrong in TERMS), slip
    for right in ("TensorFlow and NumPy", "VGG16", "calm", "a Hamming window", "JAFFE", "in Colab, open"):
        assert not any(re.search(wrong, right) for wrong in TERMS), right


def test_every_file_the_readme_points_to_is_there():
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", README):
        assert (PROJECT / target).exists(), target
    for target in re.findall(r"`((?:docs|benchmarks|notebooks|helpers)/[\w./-]+)`", README):
        assert (PROJECT / target).exists(), target


def test_every_badge_opens_the_notebook_it_stands_beside():
    badges = re.findall(r"\((notebooks/[\w.]+)\).*?blob/main/([\w./]+)\)", README)
    assert [path for path, _ in badges] == [f"notebooks/{path.name}" for path in NOTEBOOKS]
    assert all(path == opened for path, opened in badges)
    for path in NOTEBOOKS:
        opened = re.findall(r"blob/main/([\w./]+)\)", nbformat.read(path, as_version=4).cells[0].source)
        assert opened == [f"notebooks/{path.name}"]


def test_every_command_of_the_readme_names_what_there_is():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.M))
    assert (
        set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\n])", " ".join(re.findall(r"`[^`]+`|^    .+$", README, re.M))))
        <= targets
    )
    for script in re.findall(r"benchmarks/(\w+\.py)", README):
        assert (PROJECT / "benchmarks" / script).is_file(), script


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_opens_with_what_for_whom_how_long_and_what_it_leaves(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    for heading in ("What this is.", "For whom.", "How long.", "What it leaves behind."):
        assert f"**{heading}**" in first
    takes = re.search(r"\*\*How long\.\*\* (.+)", first)[1]
    assert re.search(r"minute|second", takes, re.I) and re.search(r"\d GB of memory", takes)


def test_the_citation_is_complete_and_names_thesis_and_data():
    text = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    for line in (
        "cff-version: 1.2.0",
        "title:",
        "license: MIT",
        "family-names: Song",
        "10.1371/journal.pone.0196391",
    ):
        assert line in text
    assert (PROJECT / "LICENSE").is_file()
