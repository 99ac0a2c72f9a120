"""What readers read: notebooks, README, docs. Links and commands lead somewhere, words are the field's."""

import ast
import functools
import importlib
import re

import nbformat
import pytest

from helpers.runtime import PROJECT

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
DOCS = sorted((PROJECT / "docs").glob("*.md"))
PAGES = [PROJECT / "README.md", *DOCS]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
# What is often written for it: the term as this suite writes it.
TERMS = {
    r"\b(?:behavior|color|center|gray|learned|(?:recogn|optim|standard|general|regular|initial|minim|maxim)iz\w+)\b": (
        "the British spelling"
    ),
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


# Home-made words, by the word of the field that stands in their place (docs/glossary.md). Each pattern needs the words
# around it that make it home-made: a file's audio stream, a Colab machine and a person who says something are English.
_MODEL = r"(?:models?|networks?|fusions?|classifiers?|machines?|ensembles?|softmax|subsystems?|SVM|LDA)"
HOME_MADE = {
    "speaker-independent": r"\b(?:never|not) (?:yet )?met\b|\bstrangers?\b"
    r"|\b(?:people|actors|speakers) never (?:seen|heard)\b",
    "speaker-dependent": r"\b(?:people|actors|speakers|whom) (?:it|the model|they) knows?\b|\bpeople are known\b",
    "per-speaker normalisation": r"\bperson by person\b"
    r"|\bmeasured against (?:the )?(?:person|theirs)\b",
    "speaker identification": r"\bspeakers? (?:is |are )?guessed\b|\bguess(?:es|ed)? (?:the|which) (?:speaker|of)\b",
    "classifier": r"\b(?:another|one|the|a|such a|which) machines? (?:that|which|says?|guess|beats?|of)\b"
    r"|(?<!vector )\bmachines? that (?:guess|say|hear|name|know|beat)",
    "classical baseline": r"\b(?:without|no) depth\b|\bshallow (?:models?|machines?|rows?)\b",
    "SVM": r"\bsupport vectors\b",
    "LDA": r"\blinear discriminants?(?! analysis)\b|\b(?:the|a) discriminant\b",
    "audio model": r"\bthe voices (?:alone|reach|together|have|without)\b|\b(?:single|all) voices\b|\| *voice[:,]",
    "ensemble": r"\ball of these together\b|\ball of these *\|"
    r"|\b(?:same|equal) powers?\b|\beach to (?:the|a|its) power\b",
    "modality": r"(?<!sound )(?<!audio )(?<!video )(?<!data )\bstreams?\b(?! of (?:a|the) file)",
    "without video, without audio": r"\b(?:no|without|the) pictures *\||\bno pictures\b|\b(?:pictures|sound) alone\b",
    "VTLP; noise and channel augmentation; tempo perturbation": r"\bchanges? of (?:voice|room|tempo|vocal tract)\b",
    "test-time augmentation": r"\bhea(?:rs|rd) (?:each clip |it |a clip )?at (?:three|several)\b",
    "on-the-fly augmentation": r"\b(?:changed?|drawn) anew\b(?! in each epoch)",
    "SpecAugment": r"\bno masks\b|\bstretches (?:are |of \w+ )?blanked\b|\bblanked\b",
    "time shift": r"\bshifts? in time\b",
    "silence trimming": r"\bsilence (?:at both ends )?(?:is )?(?:left on|cut (?:off|away))\b",
    "low-level descriptor": r"(?<!pitch )(?<!F0 )\bcontours\b",
    "extended acoustic features": r"\bricher voice\b|\b(?:voice|described),? more richly\b",
    "no recurrent layer": r"\bno memory at all\b|\bwithout memory\b",
    "standard deviation": r"\bmeans? (?:and|or) spreads?\b|\bmeans?, spreads?\b|\btheir own spread\b",
    "unidirectional, bidirectional": r"\bforwards only\b|\b(?:reads?|runs?|read|GRU) both ways\b|, both ways\b",
    "frame stacking": r"\b(?:steps|frames) (?:put )?side by side\b",
    "label smoothing": r"\blabels? (?:are |is )?softened\b|\bsoften(?:s|ed|ing) (?:the )?labels?\b",
    "encoder": r"\btrunks?\b",
    "learning rate": r"\bsteps? (?:that |which |size )?(?:falls?|rises?|fell|rose)\b|\bfalling step\b",
    "corruption robustness": r"\bmade worse\b|\bdamaged (?:test )?clips?\b|\b(?:clips?|inputs?) gets? worse\b",
    "cross-corpus": r"\b(?:trained|tested|people|do|does|fares?) elsewhere\b|\| *elsewhere",
    "confident, abstain": r"\bnot sure\b|\bhow sure\b|\btoo sure\b|\bsure is sure\b"
    r"|\bsure of (?:it|him|her|them)sel(?:f|ves)\b",
    "full model": r"\*everything\*|\beverything here\b|\b(?:over|than|against) everything\b|\| *everything *\|",
    "overfits": r"\bby heart\b",
    "majority-class baseline, or 1/8": r"\bchance (?:is|level|of 12|12|13)\b"
    r"|\b(?:above|below|at|than|over|beats?) chance\b",
    "hyperparameter": r"\bknobs?\b",
    "emotion": r"\bmoods?\b",
    "expression": r"\blooks? and (?:a |one |four )?voices?\b"
    r"|\b(?:four|each|every|one|two|same|which|whose|pair of|by) looks?\b"
    r"(?! at\b| like\b| over\b)",
    "images": r"\bstills\b|\ba still\b(?= (?:of|image|has|is|in))|\b(?:one|each|every) still\b",
    "at random": r"\bby lot\b",
    "predicts": rf"\b{_MODEL} (?:alone )?(?:says?|said|names?)\b"
    r"|\bnames (?:the|an|one of (?:the )?eight) emotions?\b|\bnames one of eight\b",
    "speakers": r"\bover (?:the )?people\b",
    "workers": r"\bcrews?\b",
    "temperature": r"\bwarmth\b",
    "probabilities": r"\b(?:eight|the|its|their) chances\b",
}
# The same in public names of `helpers`: modules, functions, classes, their fields and parameters.
HOME_MADE_NAMES = {
    "crew",
    "guard",
    "pieces",
    "people",
    "across",
    "shallow",
    "still_set",
    "stills",
    "per_person",
    "standardised",
    "recognise",
    "stream_dropout",
    "warp",
    "noise_floor",
    "equaliser",
    "stretch",
    "trim",
    "masks",
    "shift",
    "stack",
    "trunks",
    "bring",
    "let_go",
    "steady",
    "family",
    "Watch",
    "Trained",
    "Desk",
    "Pairs",
    "Blank",
    "deaf",
    "warmth",
    "chances",
    "made_with",
    "gru_layers",
    "gru_units",
    "beside",
    "found",
    "wanted",
    "known",
    "said",
    "knobs",
}


def prose(path):
    """A page's or notebook's text, without code between back-ticks, code blocks, formulas and addresses."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return plain(text)


def plain(text):
    text = re.sub(r"^(?: {4}|\t).*$", " ", text, flags=re.M)
    for literal in (r"```.*?```", r"`[^`\n]*`", r"\$[^$]*\$", r"\]\([^)]*\)", r"https?://\S+"):
        text = re.sub(literal, " ", text, flags=re.S)
    return text


def home_made(text):
    """[(what stands there, the field's word)]; words may lie on two lines."""
    text = re.sub(r" *\n(?!\||\n) *", " ", text)
    return [
        (text[max(0, match.start() - 25) : match.end() + 25].strip(), word)
        for word, pattern in HOME_MADE.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.name)
def test_terms_are_spelt_as_the_thesis_and_the_field_spell_them(path):
    found = {match[0]: term for wrong, term in TERMS.items() for match in re.finditer(wrong, prose(path))}
    assert not found, found


def test_the_check_of_the_terms_can_fail():
    for slip in ("a frozen VGG-16", "13 MFCCs", "the emotion clam", "batch normalization", "a Hanning window", "Numpy"):
        assert any(re.search(wrong, slip) for wrong in TERMS), slip
    for right in ("TensorFlow and NumPy", "VGG16", "calm", "a Hamming window", "JAFFE", "in Colab, open"):
        assert not any(re.search(wrong, right) for wrong in TERMS), right


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.name)
def test_prose_uses_the_words_of_the_field(path):
    hits = home_made(prose(path))
    assert not hits, "\n".join(f"{word}: … {where} …" for where, word in hits)


def test_the_check_of_the_words_can_fail():
    for slip in (
        "people it never\nmet",
        "Strangers speak",
        "normalised person by person",
        "another machine says who speaks",
        "support vectors win",
        "a linear discriminant",
        "the voices alone reach 70",
        "a missing stream",
        "no change of room",
        "with no memory at all",
        "mean, spread and maximum",
        "a step that falls",
        "the trunks are frozen",
        "chance is 13.3",
        "turn a knob",
        "in all their moods",
        "each look serves two",
        "FER2013's stills",
        "drawn by lot",
        "over people",
        'the answer is "not sure"',
        "the network says happy",
        "a softmax names one of eight",
        "silence left on",
    ):
        assert home_made(slip), slip
    for english in (
        "a machine with two cores",
        "Machines that share a folder",
        "the sound stream of a file",
        "the model card says who made it",
        "it still runs",
        "a support vector machine",
        "linear discriminant analysis",
        "with a chance of 5 per cent",
        "by chance",
        "a quick look",
        "look at each frame",
        "spread over a cluster",
        "everything is cached",
        "make sure that it runs",
        "a damaged archive",
        "a step of the GRU",
        "the power spectrum",
        "as the paper says",
        "file names",
        "the pictures of chapter 2",
    ):
        assert not home_made(english), english


def public_names():
    """{name: where} of modules, and of public functions and classes with their fields and parameters."""
    names = {}
    for path in sorted((PROJECT / "helpers").rglob("*.py")):
        where = path.relative_to(PROJECT).as_posix()
        names.setdefault(path.stem, where)
        for owner in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(owner, (ast.Module, ast.ClassDef)):
                for node in owner.body:
                    public = not getattr(node, "name", "").startswith("_")
                    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and public:
                        names.setdefault(node.name, where)
                    if isinstance(node, ast.FunctionDef) and (public or node.name == "__init__"):
                        for each in (*node.args.args, *node.args.kwonlyargs):
                            names.setdefault(each.arg, f"{where}, {node.name}")
                    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                        names.setdefault(node.target.id, where)
    return names


def test_public_names_are_words_of_the_field():
    names = public_names()
    assert {"cross_validate", "FeatureSet", "epochs", "n_mfcc"} <= set(names)
    assert names.pop("found") == "helpers/video/faces.py"  # FaceTrack's: in which frames a face was found
    hits = {name: names[name] for name in sorted(HOME_MADE_NAMES & set(names))}
    assert not hits, hits


@pytest.mark.parametrize(
    "term",
    ["overfitting", "data leakage", "early stopping", "bootstrap", "learning rate", "vanishing gradient"]
    + ["internal covariate shift", "query, key, value", "encoder", "baseline"],
)
def test_the_glossary_explains_what_every_student_asks_for(term):
    assert re.search(
        rf"^\| (?:[^|]+, )?{term}(?:, [^|]+)? \| \w.+ \|$", (PROJECT / "docs/glossary.md").read_text(), re.M
    )


def anchors(path):
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target
    for target in re.findall(r"`((?:docs|benchmarks|notebooks|helpers|tests)/[\w./-]+)`", text):
        assert (PROJECT / target).exists(), target


def test_the_readme_links_every_page_of_docs_and_is_short():
    assert not [page.name for page in DOCS if f"](docs/{page.name})" not in README]
    assert README.count("\n") <= 150


def test_every_notebook_has_its_link_in_the_readme():
    links = re.findall(r"^\| \[\d\d [^]]+\]\((notebooks/[\w.]+)\)", README, re.M)
    assert links == [f"notebooks/{path.name}" for path in NOTEBOOKS]


def code_of(path):
    """What stands between back-ticks or in a code block."""
    return "\n".join(re.findall(r"`[^`\n]+`|^    .+$", path.read_text(encoding="utf-8"), re.M))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_of_a_page_names_what_there_is(path):
    code = code_of(path)
    targets = set(re.findall(r"^([a-z]+(?:-[a-z]+)*):", (PROJECT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)\b", code)) <= targets
    for module in re.findall(r"python -m (helpers[\w.]*)", code):
        file = PROJECT / module.replace(".", "/")
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module
    for script in re.findall(r"((?:benchmarks|tests)/[\w/]+\.py)", code):
        assert (PROJECT / script).is_file(), script


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_option_of_a_benchmark_on_a_page_is_one_it_takes(path):
    for script, options in re.findall(r"(benchmarks/\w+\.py)([^`\n]*)", code_of(path)):
        source = (PROJECT / script).read_text(encoding="utf-8")
        if script.endswith("table_4_3.py"):
            source += (PROJECT / "benchmarks" / "audio_real.py").read_text(encoding="utf-8")  # it takes that one's
        missing = [option for option in re.findall(r"--[\w-]+", options) if f'"{option}"' not in source]
        assert not missing, (script, missing)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_name_of_the_package_on_a_page_is_there(path):
    folders = sorted(p.name for p in (PROJECT / "helpers").iterdir() if (p / "__init__.py").is_file())
    for folder, rest in re.findall(rf"(?<![\w./-])({'|'.join(folders)}|runtime)((?:\.[A-Za-z_]\w*)+)", code_of(path)):
        if not re.search(r"\.(?:py|npz|csv|md|png|zip)$", rest):
            functools.reduce(getattr, rest[1:].split("."), importlib.import_module(f"helpers.{folder}"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_opens_with_what_for_whom_how_long_and_what_it_leaves(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    for heading in ("What this is.", "For whom.", "How long.", "What it leaves behind."):
        assert f"**{heading}**" in first
    takes = re.search(r"\*\*How long\.\*\* (.+)", first)[1]
    assert re.search(r"minute|second", takes, re.I) and re.search(r"\d GB of memory", takes)


def test_the_citation_is_complete_and_names_thesis_and_data():
    text = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    for line in ("cff-version: 1.2.0", "title:", "license: MIT", "family-names: Song", "10.1371/journal.pone.0196391"):
        assert line in text
    assert (PROJECT / "LICENSE").is_file()
