"""The data sets a notebook can name, each as a table with one row a clip."""

import json
import pathlib

from helpers import runtime
from helpers.data import own_clips, ravdess, ravdess_zenodo


def load(name="synthetic", root="", actors=24, **options):
    """Loads the table of a data set's clips.

    Args:
        name: "synthetic" (clips are drawn and spoken here, once); "ravdess" (those in `root`, or fetched from Zenodo
            when their features are built); or the path of your own clips, see `own_clips.index`.
        root, actors: folder of the clips, "" is data/<name> in the workspace; how many of RAVDESS' 24, from the first.
        options: of `synthetic.make`: n_actors, takes, seed; by default those the folder was made with.
    Returns: pandas.DataFrame as `ravdess.index` gives it.
    Raises ValueError, FileNotFoundError: unknown name, or none of the actors is there; no such csv, or no clips.
    """
    folder = pathlib.Path(root).expanduser() if root else runtime.workspace() / "data" / name
    if name == "synthetic":
        return _synthetic(folder, options)
    if name != "ravdess":
        if not pathlib.Path(name).expanduser().exists():
            raise ValueError(f'DATASET is {name!r}; "synthetic", "ravdess", or the path of a csv or folder of your own')
        return own_clips.index(name)
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
    row = next(table[table.clip_id == clip_id].itertuples(index=False))
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
