import gzip
import shutil

import pytest

from helpers.data import datasets, own_clips, ravdess
from helpers.features import building


@pytest.fixture
def mine(clips, tmp_path):
    """Clips of two emotions and two speakers under names of one's own, and a csv of them."""
    lines = ["path,emotion,speaker"]
    for actor, name in ((1, "zoe"), (2, "adam")):
        for path in sorted((clips / f"Actor_{actor:02}").glob("*.mp4"))[:4]:
            target = tmp_path / name / f"{path.stem[-14:]}.mp4"
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
            lines.append(f"{name}/{target.name},{'tired' if len(lines) % 2 else 'awake'},{name}")
    (tmp_path / "mine.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "mine.csv"


def test_a_csv_becomes_the_same_table_as_ravdess(mine, table):
    mine_table = datasets.load(str(mine))
    assert set(table.columns) <= set(mine_table.columns) and len(mine_table) == 8
    assert mine_table.emotion.cat.categories.tolist() == ["tired", "awake"], "in the order the csv has them"
    assert mine_table.groupby("speaker").actor.unique().str[0].to_dict() == {"adam": 1, "zoe": 2}
    assert mine_table.clip_id[0].startswith("adam/") and mine_table.video_path.equals(mine_table.audio_path)


def test_its_features_have_its_classes_and_its_folds_keep_speakers_apart(mine, cache):
    built = building.build(datasets.load(str(mine)), cache, progress=False)
    assert built.classes == ("tired", "awake") and sorted(set(built.label)) == [0, 1] and len(built) == 8
    for train, test in ravdess.folds(built, "actor", 2):
        assert not set(built.actor[train]) & set(built.actor[test])


def test_names_of_ravdess_do_not_bring_its_eight_classes(mine):
    mine.write_text(mine.read_text().replace("tired", "neutral").replace("awake", "calm"))
    assert building._classes(own_clips.index(mine)) == ("neutral", "calm")


def test_a_folder_a_class_is_a_data_set_too(mine):
    found = own_clips.index(mine.parent)
    assert found.attrs["data"] == "synthetic", "as its files say"
    assert found.emotion.cat.categories.tolist() == ["adam", "zoe"] and len(found) == 8 and set(found.actor) == {1}
    assert not found.attrs["excluded"]


def test_what_is_no_usable_clip_is_left_out_by_name(mine):
    (mine.parent / "zoe" / "notes.txt").write_text("hello")
    shutil.copy(next((mine.parent / "zoe").glob("*.mp4")), mine.parent / "again.mp4")
    with open(mine, "a") as file:
        file.write("zoe/notes.txt,tired,zoe\nzoe/gone.mp4,tired,zoe\nagain.mp4,tired,zoe\n")
    found = own_clips.index(mine)
    reasons = dict(found.attrs["excluded"])
    assert len(found) == 8 and reasons["zoe/notes.txt"] == "neither picture nor sound (.txt)"
    assert reasons["zoe/gone.mp4"] == "no such file" and reasons["again.mp4"].startswith("same content as zoe/")


def test_sound_may_lie_in_a_file_of_its_own_and_may_be_all_there_is(mine, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", [0.1, -0.1] * 24_000, 48_000)
    soundfile.write(tmp_path / "b.wav", [0.2, -0.1] * 24_000, 48_000)
    clip = next((tmp_path / "zoe").glob("*.mp4")).relative_to(tmp_path)
    mine.write_text("Path,Emotion\nb.wav,calm\n")
    assert own_clips.index(mine).video_path.tolist() == [""]
    assert own_clips.index(mine).attrs["data"] == "own clips (mine.csv)"
    mine.write_text(f"path,emotion,audio\n{clip},calm,a.wav\n")
    assert own_clips.index(mine).audio_path.tolist() == [str(tmp_path / "a.wav")]


def test_a_video_and_its_sound_in_a_file_beside_it_are_one_take(mine):
    import soundfile

    clip = next((mine.parent / "zoe").glob("*.mp4")).relative_to(mine.parent)
    for loud, name in enumerate((clip.with_suffix(".wav").as_posix(), "zoe/other.wav", "zoe/alone.wav"), start=1):
        soundfile.write(mine.parent / name, [loud / 10, -0.1] * 24_000, 48_000)
    found = own_clips.index(mine.parent)
    assert len(found) == 10 and dict(found.attrs["excluded"]) == {
        clip.with_suffix(".wav").as_posix(): f"the sound of {clip}, which is a clip already"
    }
    mine.write_text(f"path,emotion,audio\n{clip},calm,zoe/other.wav\nzoe/other.wav,calm,\nzoe/alone.wav,calm,\n")
    found = own_clips.index(mine)
    assert sorted(found.clip_id) == sorted([clip.with_suffix("").as_posix(), "zoe/alone"])


def test_a_csv_as_excel_writes_it_is_read(mine):
    expected = own_clips.index(mine)
    text = mine.read_text().replace(",", ";")
    mine.write_bytes(b"\xef\xbb\xbf" + (text + ";;\n;;\n").replace("\n", "\r\n").encode())
    assert own_clips.index(mine).equals(expected)
    mine.write_bytes((text + "Zoë;happy;Zoë\n").encode("cp1252"))
    with pytest.raises(ValueError, match=r"mine\.csv is no csv .* in UTF-8 \(Excel's CSV UTF-8\)"):
        own_clips.index(mine)


def test_an_emotion_without_a_usable_clip_is_no_class(mine):
    (mine.parent / ".git").mkdir()
    (mine.parent / ".git" / "config").write_text("x")
    assert own_clips.index(mine.parent).emotion.cat.categories.tolist() == ["adam", "zoe"]
    mine.write_text(mine.read_text() + "zoe/gone.mp4,bored,zoe\n")
    found = own_clips.index(mine)
    assert found.emotion.cat.categories.tolist() == ["tired", "awake"] and sorted(set(found.label)) == [0, 1]


@pytest.mark.parametrize(
    "text, words",
    [
        ("file,emotion\na.mp4,sad\n", "no column path; found: file, emotion"),
        ("path,emotion\na.mp4,\n", "row 1: emotion is empty"),
        ("path,emotion\n,\na.mp4,\n", "row 2: emotion is empty"),
        ("path,emotion\na.mp4,sad\na.mp4,sad\n", "row 2: its path stands in an earlier row already"),
        ("", "is no csv of path,emotion,speaker"),
        ("path,Path,emotion\na.mp4,a.mp4,sad\n", r"mine\.csv: more than one column path \(in any case\)"),
        ("path,emotion, Emotion \na.mp4,happy,sad\n", r"mine\.csv: more than one column emotion"),
        (
            "path,emotion,speaker,SPEAKER,path\na.mp4,sad,a,b,b.mp4\n",
            r"mine\.csv: more than one column path and speaker",
        ),
        ("path,emotion\nno.mp4,sad\n", r"(?s)no usable clip in .*no such file: no.mp4"),
    ],
)
def test_a_csv_that_cannot_be_used_says_where(text, words, tmp_path):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        own_clips.index(tmp_path / "mine.csv")


def test_no_such_csv_and_a_folder_without_classes_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="give a csv of path, emotion, speaker"):
        own_clips.index(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="one subfolder a class is needed"):
        own_clips.index(tmp_path)


def test_a_quote_that_joins_rows_is_named(mine):
    lines = mine.read_text().splitlines()
    lines[2], lines[4] = '"' + lines[2], lines[4] + '"'
    mine.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"mine\.csv, row 2: a quote that opens there is not closed in its row"):
        own_clips.index(mine)


def test_a_packed_or_huge_csv_is_refused_before_it_is_read(mine, monkeypatch):
    packed = mine.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(mine.read_bytes()))
    with pytest.raises(ValueError, match=r"mine\.csv\.gz is no csv"):
        own_clips.index(packed)
    monkeypatch.setattr(own_clips, "LARGEST", 10)
    with pytest.raises(ValueError, match=r"mine\.csv has \d+ bytes, and no list of clips has over 10"):
        own_clips.index(mine)
