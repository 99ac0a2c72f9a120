from helpers.evaluation import published


def test_every_published_number_stands_with_its_protocol_and_ones_own_among_them():
    own = {
        "mine": {"model": "fusion", "protocol": "luna2022", "folds": 5, "average": 0.8},
        "other": {"model": "audio", "protocol": "random", "folds": 10, "average": 0.86},
    }
    table = published.table(own).reset_index()
    assert table.protocol.ne("").all() and table.accuracy.between(10, 100).all()
    mine, other = (table[table.who == f"here: {name}"].iloc[0] for name in own)
    assert mine.protocol == "speaker-independent" and mine.modality == "audio + video" and mine.accuracy == 80
    assert other.protocol.startswith("random") and other.modality == "audio"
    thesis = table[table.who.str.startswith("thesis")]
    assert sorted(thesis.accuracy) == [76.52, 78.19, 91.25]


def test_protocols_are_never_mixed_and_the_best_comes_first():
    table = published.table().reset_index()
    assert table.protocol.ne(table.protocol.shift()).sum() == table.protocol.nunique()
    for _, group in table.groupby(["protocol", "modality"]):
        assert group.accuracy.is_monotonic_decreasing
