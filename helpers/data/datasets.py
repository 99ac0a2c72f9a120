"""The data sets a notebook can name, each as a table with one row a clip."""

import json
import os
import pathlib

from helpers import runtime
from helpers.data import content, manifest, own_clips, ravdess, ravdess_zenodo

CARRIED = runtime.PROJECT / "samples" / "ravdess_mfcc.zip"  # RAVDESS' MFCC, as `mirror.pack` makes it


def load(dataset="auto", root="", actors=24, streams=(), **options):
    """Loads the table of a data set's clips.

    Args:
        dataset: "ravdess" (those in `root`, or fetched from Zenodo when their features are built); "synthetic" (clips
            are drawn and spoken here, once); the path of your own clips, see `own_clips.index`; or "auto": RAVDESS in
            Colab and wherever its clips or features are, else its MFCC, which the suite carries, else synthetic clips.
            A printed line says which of them, and why.
        root, actors: folder of the clips, "" is data/<dataset> in the workspace; how many of RAVDESS' 24.
        streams: the modalities that "auto" may not do without; the MFCC that are carried are ("audio",) alone.
        options: of `synthetic.make`: n_actors, takes, seed; by default those the folder was made with.
    Returns:
        pandas.DataFrame as `ravdess.index` gives it. `.attrs["modalities"]` is ("video", "audio") or what there is of
        it; `.attrs["clips"]` is False where only features are here and no clip can be played.
    Raises ValueError, FileNotFoundError: unknown data set, or none of the actors is there; no such csv, or no clips.
    """
    alone = False
    if dataset == "auto":
        dataset, alone, line = _automatic(root, actors, streams)
        print(f'DATASET "auto" is {line}')
    table = _table(dataset, root, actors, options)
    if _carries() and ravdess_zenodo.archive_of(table.iloc[0]):
        table.attrs["carried"] = str(CARRIED)
    if alone:
        table["video_path"] = ""
    modalities = tuple(stream for stream in ("video", "audio") if (table[f"{stream}_path"] != "").any())
    table.attrs |= {"modalities": modalities, "clips": not alone}
    return table


def _automatic(root, actors, streams):
    """What "auto" stands for here: data set, True for the carried MFCC alone, and words that say so."""
    clips, cache, real = runtime.workspace() / "data" / "ravdess", runtime.workspace() / "cache", "RAVDESS, real people"
    if root or clips.is_dir():
        return "ravdess", False, f"the clips in {root}" if root else f"{real}: its clips are in {clips}"
    if runtime.in_colab():
        return "ravdess", False, f"{real}: its clips are fetched from Zenodo, an actor at a time, and deleted after use"
    paths = map(pathlib.Path, ravdess_zenodo.table("", actors).video_path)
    if all(path.name in content.notes(content.notes_file(cache, path)) for path in paths):
        return "ravdess", False, f"{real}: the cache has its features"
    why, other = f"no clips of RAVDESS at {clips}", 'DATASET = "ravdess" fetches them from Zenodo'
    if _carries() and "video" not in streams:
        return "ravdess", True, f"{real}, AUDIO ALONE, the MFCC that the suite carries: {why}. {other}"
    return "synthetic", False, f"SYNTHETIC, drawn faces, no people: {why}, and the suite carries no video. {other}"


def _carries():
    """True where the suite's MFCC are here, and are those of the clips that the manifest names."""
    return CARRIED.is_file() and not os.environ.get(manifest.VARIABLE)


def _table(dataset, root, actors, options):
    folder = pathlib.Path(root).expanduser() if root else runtime.workspace() / "data" / dataset
    if dataset == "synthetic":
        return _synthetic(folder, options)
    if dataset != "ravdess":
        if not pathlib.Path(dataset).expanduser().exists():
            names = '"auto", "ravdess", "synthetic"'
            raise ValueError(f"DATASET is {dataset!r}; {names}, or the path of a csv or folder of your own")
        return own_clips.index(dataset)
    if not root and not folder.is_dir():
        return ravdess_zenodo.table(runtime.workspace() / "data" / "ravdess-fetched", actors)
    if not folder.is_dir():
        unpack = "Unpack the archives that data_manifest.csv names (Actor_01, Actor_02, …) there"
        other = 'set ROOT = "" to have them fetched, or try the suite with DATASET = "synthetic".'
        raise FileNotFoundError(f"no RAVDESS clips at {folder}. {unpack}, {other}")
    table = ravdess.index(folder)
    kept = table[table.actor <= actors].reset_index(drop=True)
    if not len(kept):
        raise ValueError(f"{folder} holds actors {sorted(set(table.actor))}; none of them is among the first {actors}")
    return kept


def clip(table, clip_id):
    """A clip's row of a table that `load` gave, a namedtuple; its files are fetched if they are on a server."""
    row = next(table[table.clip_id == clip_id].itertuples(index=False), None)
    if row is None:
        raise ValueError(f"no clip {clip_id!r} among the {len(table)} of the table; see its column clip_id")
    ravdess_zenodo.fetch_row(row)
    return row


def _synthetic(folder, options):
    from helpers.data import synthetic

    made = folder / "made.json"
    if not options and made.is_file():
        options = json.loads(made.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    made.write_text(json.dumps(options))  # before the making: killed half-way, the next call completes this set
    synthetic.make(folder, **options)
    table = ravdess.index(folder)
    table.attrs["data"] = "synthetic"  # those of earlier versions do not say so
    return table
