import numpy as np
import pandas as pd
import pytest

from helpers import people, ravdess, shallow


@pytest.fixture(scope="module")
def crowd():
    """Twelve actors, each emotion four times, and two streams: each knows half of the emotions' names, and everyone
    has a voice and a face of their own."""
    rng, rows = np.random.default_rng(0), []
    for actor in range(1, 13):
        rows += [(f"{actor}-{label}-{n}", actor, label) for label in range(8) for n in range(4)]
    table = pd.DataFrame(rows, columns=["clip_id", "actor", "label"])
    own = rng.normal(0, 6, (13, 4))[table.actor]
    streams = {
        "video": np.eye(4)[table.label // 2] * 3 + own + rng.normal(0, 0.7, (len(table), 4)),
        "audio": np.eye(4)[table.label % 4] * 3 - own + rng.normal(0, 0.7, (len(table), 4)),
    }
    return table, streams


def test_the_fusion_is_better_than_either_stream_and_better_still_person_by_person(crowd):
    table, streams = crowd
    uar = {}
    for person in (False, True):
        rows = {name: people.rows(x, table.actor) if person else x for name, x in streams.items()}
        results = shallow.cross_validate(rows, table, "actor", 3)
        assert list(results) == ["video", "audio", "fusion"]
        uar[person] = {name: result.summary()["uar"] for name, result in results.items()}
    assert (
        uar[True]["fusion"] > 0.9 > max(uar[True]["video"], uar[True]["audio"])
        and uar[True]["fusion"] > uar[False]["fusion"]
    )


def test_a_result_is_like_any_other_cross_validations(crowd):
    table, streams = crowd
    result = shallow.cross_validate(
        {"audio": streams["audio"]}, table, "random", 4, machines={"audio": shallow.support_vectors(1.0)}
    )["audio"]
    rows = result.predictions
    assert rows.clip_id.tolist() == table.clip_id.tolist() and sorted(rows.fold.unique()) == [1, 2, 3, 4]
    chances = rows[[f"p_{name}" for name in ravdess.EMOTIONS]].to_numpy()
    assert np.allclose(chances.sum(axis=1), 1) and (chances.argmax(axis=1) == rows.prediction).all()
    assert result.summary()["protocol"] == "random" and result.summary()["n"] == len(table)


def test_each_version_of_a_clip_is_learnt_from_and_its_answer_is_their_mean(crowd):
    table, streams = crowd
    rows, random = people.rows(streams["audio"], table.actor), np.random.default_rng(1)
    versions = np.stack([rows + random.normal(0, 1, rows.shape) for _ in range(4)], axis=1)
    uar = {
        name: shallow.cross_validate({"audio": rows}, table, "actor", 3)["audio"].summary()["uar"]
        for name, rows in (("one", versions[:, 0]), ("four", versions))
    }
    assert uar["four"] > uar["one"] + 0.01
    same = np.repeat(streams["audio"][:, None], 3, axis=1)  # thrice the same says nothing new
    plain, thrice = (
        shallow.cross_validate({"a": rows}, table, "actor", 3, machines={"a": shallow.discriminant()})["a"].predictions
        for rows in (streams["audio"], same)
    )
    assert (plain.prediction == thrice.prediction).mean() > 0.98


def test_a_discriminant_learns_from_fewer_clips_than_numbers(crowd):
    table, streams = crowd
    noise = np.random.default_rng(2).normal(size=(len(table), 500))
    rows = {"both": np.concatenate([*people_rows(streams, table), noise], axis=1)}
    machines = {"both": shallow.discriminant(0.5)}
    assert (
        shallow.cross_validate(rows, table, "actor", 3, machines=machines)["both"].summary()["uar"] > 0.5
    )  # chance 0.125


def people_rows(streams, table):
    return [people.rows(values, table.actor) for values in streams.values()]


def test_the_labels_of_the_test_fold_change_no_answer_in_it(crowd):
    table, streams = crowd
    before = shallow.cross_validate(streams, table, "actor", 3)["fusion"].predictions
    test = (before.fold == 1).to_numpy()
    # Each actor's labels move round by one: the folds stay, every label of the first one is wrong.
    wrong = table.assign(label=np.where(test, (table.label + 1) % 8, table.label))
    after = shallow.cross_validate(streams, wrong, "actor", 3)["fusion"].predictions
    assert (after.fold == before.fold).all()
    assert (after.prediction[test] == before.prediction[test]).all()
    assert (after.prediction[~test] != before.prediction[~test]).any()
