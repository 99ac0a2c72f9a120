import numpy as np
import pandas as pd
import pytest

from helpers.beyond import action_units
from helpers.features.feature_set import FeatureSet

TABLE = pd.DataFrame({"clip_id": ["03-01-03-01-01-01-02", "03-01-04-01-01-01-02"]})
ROWS = "AU01_r;AU12_r;speech;name\n0.1;2.0;1;01-01-04-01-01-01-02\n0.3;4.0;1;01-01-03-01-01-01-02\n"


def test_a_recording_finds_the_action_units_of_its_take_whatever_the_order_and_the_modality(tmp_path):
    (tmp_path / "au.csv").write_text(ROWS)
    assert np.array_equal(action_units.read(tmp_path / "au.csv", TABLE), [[0.3, 4.0], [0.1, 2.0]])


def test_commas_folders_and_endings_are_taken_too(tmp_path):
    text = ROWS.replace(";", ",").replace(",01-01-0", ",faces/01-01-0").replace("-02\n", "-02.csv\n")
    (tmp_path / "au.csv").write_text(text)
    assert np.array_equal(action_units.read(tmp_path / "au.csv", TABLE), [[0.3, 4.0], [0.1, 2.0]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;b\n1;2\n", "has the columns a, b; needed are name and AU"),
        (ROWS.replace("01-01-03", "01-01-05"), "no row for 1 of 2 clips, such as 03-01-03-01-01-01-02"),
        (ROWS.replace("4.0", "much"), "AU12_r of 03-01-03-01-01-01-02 is no number"),
        (ROWS.replace("4.0", ""), "AU12_r of 03-01-03-01-01-01-02 is no number"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, words):
    (tmp_path / "au.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        action_units.read(tmp_path / "au.csv", TABLE)


def test_clips_that_cannot_be_told_apart_by_their_names_are_refused(tmp_path):
    (tmp_path / "au.csv").write_text(ROWS)
    with pytest.raises(ValueError, match="more than one clip is the take '001' by its name"):
        action_units.read(tmp_path / "au.csv", pd.DataFrame({"clip_id": ["anna-001", "ben-001"]}))


def test_action_units_become_a_video_of_one_step():
    features = FeatureSet(
        clip_id=np.array(["a", "b"]),
        label=np.array([0, 1]),
        actor=np.array([1, 2]),
        classes=("calm", "happy"),
        audio=np.zeros((2, 3, 13), "float32"),
        audio_length=np.array([3, 2], "int32"),
        preprocessing={"audio": {"n_mfcc": 13}, "video": {"fps": 7.5}, "vgg16": "random"},
    )
    joint = action_units.as_video(features, np.arange(8.0).reshape(2, 4))
    assert joint.video.shape == (2, 1, 4) and joint.video_length.tolist() == [1, 1] and joint.video[1, 0, 0] == 4
    assert joint.preprocessing == {"audio": {"n_mfcc": 13}} and joint.streams == ("video", "audio")
