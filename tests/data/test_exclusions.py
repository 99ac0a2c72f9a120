from helpers.data.exclusions import Exclusions


def test_the_report_counts_and_names():
    excluded = Exclusions()
    assert str(excluded) == "nothing left out"
    for number in range(5):
        excluded.add(f"clip{number}", "digital silence")
    excluded.add("clip9", "song, not speech")
    assert excluded.counts() == {"digital silence": 5, "song, not speech": 1}
    assert str(excluded).splitlines() == [
        "left out: 6",
        "  5 × digital silence: clip0, clip1, clip2 and 2 more",
        "  1 × song, not speech: clip9",
    ]
