from helpers.evaluation import published


def test_every_published_number_stands_with_its_protocol_and_ones_own_among_them():
    own = {
        "mine": {"model": "fusion", "protocol": "luna2022", "folds": 5, "average": 0.8, "uar": 0.79},
        "other": {"model": "audio", "protocol": "random", "folds": 10, "average": 0.86, "uar": 0.85},
    }
    table = published.table(own).reset_index()
    assert table.protocol.ne("").all() and table.accuracy.fillna(table.uar).between(10, 100).all()
    mine, other = (table[table.who == f"here: {name}"].iloc[0] for name in own)
    assert mine.protocol == "speaker-independent" and mine.modality == "audio + video"
    assert (mine.accuracy, mine.uar) == (80, 79)
    assert other.protocol.startswith("random") and other.modality == "audio"
    thesis = table[table.who.str.startswith("thesis")]
    assert sorted(thesis.accuracy) == [76.52, 78.19, 91.25]


def test_protocols_are_never_mixed_and_the_best_comes_first():
    table = published.table().reset_index()
    assert table.protocol.ne(table.protocol.shift()).sum() == table.protocol.nunique()
    for _, group in table.groupby(["protocol", "modality"]):
        assert group.accuracy.fillna(group.uar).is_monotonic_decreasing


def test_the_papers_that_the_thesis_compares_with_are_there_with_metric_and_reference():
    table = published.table().reset_index()
    compared = table[table.who.str.contains("Ghaleb|Mustaqeem|Issa")]
    assert len(compared) == 3 and compared.reference.str.startswith("doi:").all()
    assert table[table.accuracy.isna()].uar.notna().all() and table.who.str.contains("logistic").sum() == 2
    assert not table.details.str.contains("one actor").any(), "leave-one-speaker-out is called that"
