"""The site: README, docs and the notebooks as `make site` executed them, in one static folder.

Sphinx with MyST-NB, which reads Markdown and notebooks as they are, links and formulas included. Built from the
project's root: `sphinx-build -c docs . runs/site/html`.
"""

import pathlib
import re

import nbformat

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXECUTED = ROOT / "runs" / "site" / "notebooks"

project = "Emotion recognition from face and voice"
root_doc = "README"
extensions = ["myst_nb"]
include_patterns = ["README.md", "docs/*.md", "notebooks/*.ipynb", "pretrained/README.md", "samples/README.md", "*.md"]
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 4
html_theme = "furo"
REPO = "OWNER/NAME"  # `make publish` fills it in
if "OWNER" not in REPO:
    html_baseurl = "https://{}.github.io/{}/".format(*REPO.split("/"))
    html_theme_options = {"source_repository": f"https://github.com/{REPO}/", "source_branch": "main"}
html_title = project
suppress_warnings = ["myst.header", "misc.highlighting_failure", "mystnb.unknown_mime_type"]

PAGES = """
```{toctree}
:hidden:
:caption: Notebooks
:glob:
notebooks/*
```

```{toctree}
:hidden:
:caption: Pages
:glob:
docs/*
pretrained/README
samples/README
CONTRIBUTING
SECURITY
```
"""


def on_what_data(executed):
    """What an executed notebook says of its data."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    printed = "\n".join(output.get("text", "") for output in outputs)
    auto = [f"It ran on {what}." for what in re.findall(r'^DATASET "auto" is ([^:\n]*)', printed, re.M)]
    more = re.findall(r"^(?:The audio experiments run on|A drawn face and a synthesised voice).*$", printed, re.M)
    return " ".join(auto + [f"{line.rstrip('.')}." for line in more[:1]]) or "It ran without clips."


def with_outputs(app, page, source):
    """Puts the executed notebook in the place of the stored one, and what it ran on in its first line."""
    if page == "README":
        source[0] += PAGES
    path = EXECUTED / f"{pathlib.PurePath(page).name}.ipynb"
    if page.startswith("notebooks/"):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: `make site` runs the notebooks first")
        executed = nbformat.read(path, as_version=4)
        title, _, rest = executed.cells[0].source.partition("\n")
        executed.cells[0].source = f"{title}\n\n*{on_what_data(executed)}*\n{rest}"
        source[0] = nbformat.writes(executed)


def setup(app):
    app.connect("source-read", with_outputs)
