"""The data sets the notebooks know by name, each as a table with one row a clip."""

import json
import pathlib

from helpers import ravdess, runtime


def load(name="synthetic", root="", **options):
    """The table of a data set's clips.

    Args:
        name: "synthetic" (clips are drawn and spoken here, once) or "ravdess" (the real ones, already on disk).
        root: folder of the clips; "" is data/<name> in the workspace.
        options: of `synthetic.make`: n_actors, takes, seed; by default those the folder was made with.

    Returns:
        pandas.DataFrame as `ravdess.index` gives it.

    Raises:
        ValueError: unknown name.
        FileNotFoundError: no real clips there; says what to do.
    """
    root = pathlib.Path(root).expanduser() if root else runtime.workspace() / "data" / name
    if name == "synthetic":
        from helpers import synthetic

        made = root / "made.json"
        if not options and made.is_file():
            options = json.loads(made.read_text())
        root.mkdir(parents=True, exist_ok=True)
        made.write_text(json.dumps(options))  # before the making: killed half-way, the next call completes this set
        synthetic.make(root, **options)
    elif name != "ravdess":
        raise ValueError(f'DATASET is {name!r}; "synthetic" or "ravdess"')
    elif not root.is_dir():
        raise FileNotFoundError(
            f"no RAVDESS clips at {root}. Unpack the archives that data_manifest.csv names (Actor_01, Actor_02, …) and "
            'set ROOT to their folder, or try the suite with DATASET = "synthetic".'
        )
    return ravdess.index(root)
