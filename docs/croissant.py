"""Writes the data sets of data_manifest.csv as Croissant 1.0 (JSON-LD), a file each: python docs/croissant.py

Croissant is MLCommons' vocabulary for describing data sets: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
It asks for a checksum of every file, so files whose MD5 the manifest does not know are left out.
"""

import json
import mimetypes
import pathlib

from helpers.data import manifest, ravdess

FOLDER = pathlib.Path(__file__).parent / "croissant"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# {data set: name, data sets of the manifest, page, licence, year, creators, citation, description}
SETS = {
    "ravdess": (
        "RAVDESS",
        ("ravdess-speech", "ravdess-speech-audio"),
        "https://zenodo.org/records/1188976",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        "2018-04-05",
        ("Steven R. Livingstone", "Frank A. Russo"),
        "Livingstone SR, Russo FA (2018) The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
        "PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391",
        "24 actors speak two sentences in eight emotions, in video and audio: 1440 takes. Songs are not listed.",
    ),
    "fer2013": (
        "FER2013",
        ("fer2013",),
        "https://www.kaggle.com/competitions/challenges-in-representation-learning-facial-expression-recognition-challenge",
        "https://www.kaggle.com/competitions/challenges-in-representation-learning-facial-expression-recognition-challenge/rules",
        "2013-04-13",
        ("Pierre-Luc Carrier", "Aaron Courville"),
        "Goodfellow IJ et al. (2013) Challenges in Representation Learning: three machine learning contests. "
        "https://arxiv.org/abs/1307.0414",
        "35,887 grey images of faces, 48 by 48 pixels, seven expressions. Needs a Kaggle account.",
    ),
    "jaffe": (
        "JAFFE",
        ("jaffe",),
        "https://zenodo.org/records/3451524",
        "https://zenodo.org/records/3451524",
        "1998-04-14",
        ("Michael Lyons", "Miyuki Kamachi", "Jiro Gyoba"),
        "Lyons M, Akamatsu S, Kamachi M, Gyoba J (1998) Coding Facial Expressions with Gabor Wavelets. "
        "https://doi.org/10.1109/AFGR.1998.670949",
        "213 images of ten women, seven expressions. On request, for non-commercial research.",
    ),
}
# The parts of a RAVDESS file name, 01-01-03-02-01-01-05.mp4, of which a clip's fields are read.
PARTS = ("modality", "channel", "emotion", "intensity", "statement", "repetition", "actor")


def metadata(rows, name, sets, page, licence, published, creators, citation, description):
    """The JSON-LD of one data set: dict."""
    files = [file_object(row, page) for row in rows if row.dataset in sets and row.md5]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "url": page,
        "license": licence,
        "creator": [{"@type": "sc:Person", "name": person} for person in creators],
        "datePublished": published,
        "version": "1.0.0",
        "citeAs": citation,
        "distribution": files + (clips(files) if name == "RAVDESS" else []),
    } | ({"recordSet": [records()]} if name == "RAVDESS" else {})


def file_object(row, page):
    """A file of the manifest. One that has to be asked for has the page where to ask as its address."""
    described = {"@type": "cr:FileObject", "@id": row.file, "name": row.file, "contentUrl": row.url or page}
    described["encodingFormat"] = mimetypes.guess_type(row.file)[0] or "application/octet-stream"
    return described | ({"contentSize": f"{row.bytes} B"} if row.bytes else {}) | {"md5": row.md5}


def clips(files):
    """All clips in the archives, as a set of files."""
    archives = [{"@id": file["@id"]} for file in files if file["@id"].startswith("Video_Speech")]
    described = {"@type": "cr:FileSet", "@id": "clips", "name": "clips", "containedIn": archives}
    return [described | {"encodingFormat": "video/mp4", "includes": "**/01-01-*.mp4"}]


def records():
    """A record a clip, its fields read from the file's name."""
    fields = []
    for place, part in enumerate(PARTS):
        regex = r"^" + r"\d\d-" * place + r"(\d\d)"
        source = {"fileSet": {"@id": "clips"}, "extract": {"fileProperty": "filename"}, "transform": {"regex": regex}}
        described = {"@type": "cr:Field", "@id": f"records/{part}", "name": part, "dataType": "sc:Integer"}
        if part == "emotion":
            codes = (f"{number:02} {emotion}" for number, emotion in enumerate(ravdess.EMOTIONS, start=1))
            described["description"] = ", ".join(codes)
        fields.append(described | {"source": source})
    return {"@type": "cr:RecordSet", "@id": "records", "name": "records", "field": fields}


def write(folder=FOLDER):
    """Writes one JSON-LD a data set into `folder`."""
    rows = manifest.read(pathlib.Path(__file__).parents[1] / "data_manifest.csv")
    for name, about in SETS.items():
        text = json.dumps(metadata(rows, *about), indent=1, ensure_ascii=False)
        (pathlib.Path(folder) / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
