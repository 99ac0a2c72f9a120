"""Shares a model file: the layouts of Hugging Face and Kaggle, and `Predictor.load("hf://owner/name")`.

Nothing is uploaded here: `layout` makes a folder that you upload yourself. Tokens stay where the hubs' own packages
look for them: the environment, or Colab's secrets.
"""

import hashlib
import json
import pathlib
import re
import shutil
import zipfile

from helpers.predict import exporting

FILE, CARD = "model.zip", "README.md"
_NAME = re.compile(r"(?P<owner>[\w-]+)/(?P<name>[\w.-]+)", re.ASCII)
_HUB = re.compile(rf"hf://(?P<repo>{_NAME.pattern})(@(?P<revision>[\w.-]+))?", re.ASCII)
_SYNTHETIC, _RAVDESS = ("mit", "MIT"), ("cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0")
_YAML = """---
license: {licence}
library_name: keras
tags: [emotion-recognition, video, audio]
datasets: [{data}]
language: en
---

"""


def layout(file, folder, name, hub="huggingface", licence=""):
    """Writes a model file into a folder as a hub wants it; you upload it, for example with `hf upload`.

    Args:
        file, folder: what `export` wrote, or the pretrained model's file; the folder to make.
        name: "owner/name" on the hub.
        hub: "huggingface": model.zip and README.md, the model card with its YAML header; or "kaggle": model.zip,
            model-metadata.json and model-instance-metadata.json.
        licence: as the hub writes it; by default that of the training data, if it was RAVDESS or the synthetic clips.
    Returns: the folder as a pathlib.Path.
    Raises ValueError, FileNotFoundError: no owner/name, no such hub, no licence is known; not a model file.
    """
    file, folder, parts = pathlib.Path(file), pathlib.Path(folder), _NAME.fullmatch(name)
    if not parts:
        raise ValueError(f"{name!r} is not owner/name, such as ada/emotions")
    if hub not in ("huggingface", "kaggle"):
        raise ValueError(f'hub is {hub!r}; "huggingface" or "kaggle"')
    models, _, _ = exporting.read(file)  # refuses what is no model
    trained_on = next(iter(models.values())).summary.get("trained_on", "")
    data = (trained_on.lower().split() or ["own"])[0]
    with zipfile.ZipFile(file) as archive:
        card = archive.read("MODEL_CARD.md").decode()
    known = {"synthetic": _SYNTHETIC, "ravdess": _RAVDESS}.get(data, ("", ""))[hub == "kaggle"]
    if not (licence or known):
        raise ValueError("the licence of your training data is yours to name: give licence=…")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / FILE)
    if hub == "huggingface":
        (folder / CARD).write_text(_YAML.format(licence=licence or known, data=data) + card, encoding="utf-8")
    else:
        for target, described in _kaggle(parts, card, licence or known).items():
            (folder / target).write_text(json.dumps(described, indent=1), encoding="utf-8")
    return folder


def _kaggle(parts, card, licence):
    """The two files that the command `kaggle models` reads."""
    model = {"ownerSlug": parts["owner"], "title": parts["name"], "slug": parts["name"], "isPrivate": True}
    variation = {"ownerSlug": parts["owner"], "modelSlug": parts["name"], "instanceSlug": "default"}
    variation |= {"framework": "other", "overview": card.splitlines()[0].lstrip("# "), "licenseName": licence}
    variation |= {"usage": f"`Predictor.load('{FILE}')`, or with NumPy: it is a zip of arrays and JSON."}
    return {"model-metadata.json": model | {"description": card}, "model-instance-metadata.json": variation}


def is_address(path):
    """True for hf://…, a model on the Hugging Face Hub."""
    return str(path).startswith("hf:/")


def fetch(address):
    """Fetches the model.zip of "hf://owner/name" or "hf://owner/name@revision", verified by its SHA-256.

    It is kept in the cache of the package huggingface_hub, which is needed for this.
    Returns: pathlib.Path.
    Raises ValueError: no such address, the package or the file is missing, too large, or is not what the hub announced.
    """
    parts = _HUB.fullmatch(str(address))
    if not parts:
        raise ValueError(f"{address} is not hf://owner/name or hf://owner/name@revision")
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise ValueError(f"{address} needs a package: pip install huggingface_hub") from error
    try:
        announced = hub.get_hf_file_metadata(hub.hf_hub_url(parts["repo"], FILE, revision=parts["revision"]))
        if not announced.size or announced.size > exporting.LIMIT:
            raise ValueError(f"{address}: {FILE} has {announced.size} bytes, at most {exporting.LIMIT:,} are read")
        path = pathlib.Path(hub.hf_hub_download(parts["repo"], FILE, revision=announced.commit_hash))
    except (hub.errors.HfHubHTTPError, OSError) as error:
        raise ValueError(f"{address} cannot be had: {error}") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != announced.etag:
        path.resolve().unlink()
        raise ValueError(f"{address}: {FILE} is not what the hub announced (SHA-256 {announced.etag}); it was deleted")
    return path
