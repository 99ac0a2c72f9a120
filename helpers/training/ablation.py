"""The same training over a grid of architectures: tables 4.1 and 4.3 as one call (thesis 4.1, 4.2)."""

import itertools
import pathlib

from helpers import config, runtime
from helpers.config import SubsystemConfig
from helpers.training import cross_validation


def grid(**values):
    """Every combination of values of SubsystemConfig's fields, such as layers=(1, 3), attention=("none", "soft")."""
    return [dict(zip(values, row)) for row in itertools.product(*values.values())]


def run(features, model, rows, out=None, **options):
    """Cross-validates a subsystem once for each row, on the same folds.

    Each row has its own folder of folds, so that the call resumes like `training.cross_validate` and a row added later
    trains alone. `out`/table.csv is written after each row.

    Args:
        model: "video" or "audio", the subsystem.
        rows: dicts of SubsystemConfig's fields that differ from the thesis' subsystem, such as `evaluation.TABLE_4_1`
            or `grid`'s; "thesis" beside them is a published accuracy, carried into the table.
        out: folder; by default runs/ablation-<model>-<protocol> in the workspace.
        options: protocol, n_folds, max_folds, train, seed, progress, workers, as in `training.cross_validate`.
    Returns: (results, table): {row's name: CVResult}, in the rows' order, and what `table` makes of them.
    Raises ValueError, before anything is trained: unknown model or field, two equal rows, or as `cross_validate`.
    """
    if model not in ("video", "audio"):
        raise ValueError(f'model is {model!r}; an ablation is of "video" or "audio"')
    subsystems, published, fields = {}, {}, SubsystemConfig.__dataclass_fields__
    for row in rows:
        changes = {field: value for field, value in row.items() if field != "thesis"}
        for field in changes.keys() - fields.keys():
            raise ValueError(f"{field!r} is no field of a subsystem; known: {', '.join(fields)}")
        settings = getattr(SubsystemConfig, model)(**changes)
        if name(settings) in subsystems:
            raise ValueError(f"two rows of the ablation are {name(settings)}; leave one out")
        subsystems[name(settings)], published[name(settings)] = settings, row.get("thesis")
    out = pathlib.Path(out or runtime.workspace() / "runs" / f"ablation-{model}-{options.get('protocol', 'random')}")
    results = {}
    for row_name, settings in subsystems.items():
        options |= {model: settings, "out": out / row_name}
        results[row_name] = cross_validation.cross_validate(features, model, **options)
        table(results, published).to_csv(out / "table.csv", index_label="row")
    return results, table(results, published)


def name(settings):
    """A row's name and folder, such as "3x256-bn-soft"; whatever else is not the default follows by its name."""
    words = [f"{settings.layers}x{settings.units}", "bn" if settings.batch_norm else "plain", settings.attention]
    words += [settings.cell] if settings.cell != "gru" else []
    short_names = {"fc_units": "fc", "dropout": "drop", "rnn_dropout": "rnndrop", "noise": "noise"}
    short_names |= {"bidirectional": "both", "frame_stacking": "frame_stacking", "convolution": "conv"}
    values = {field: getattr(settings, field) for field in short_names}
    changed = {field: value for field, value in values.items() if value != getattr(SubsystemConfig(), field)}
    return "-".join([*words, *(f"{short_names[field]}{value}" for field, value in changed.items())])


def table(results, published=None):
    """The ablation, {name: CVResult}, as one table; `published` is {name: accuracy between 0 and 1, or None}.

    Returns:
        DataFrame, one row a result: GRU layers, GRU units, batch norm, attention, parameters (trained ones), average,
        std, best over the folds and the published accuracy in per cent, folds.
    """
    import pandas as pd

    rows = {}
    for row_name, result in results.items():
        stored = config.read(result.out / "config.json")
        settings, summary = SubsystemConfig(**stored[stored["model"]]), result.summary()
        rows[row_name] = {
            "GRU layers": settings.layers,
            "GRU units": settings.units,
            "batch norm": "yes" if settings.batch_norm else "no",
            "attention": settings.attention,
            "parameters": summary.get("parameters"),
            **{column: round(100 * summary[column], 2) for column in ("average", "std", "best")},
            "folds": summary["folds"],
        }
        if published and published.get(row_name) is not None:
            rows[row_name]["thesis"] = round(100 * published[row_name], 2)
    return pd.DataFrame.from_dict(rows, orient="index")
