import gzip
import random
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile

import cv2
import numpy as np
import pytest

from helpers import faces, ravdess, stills, synthetic_face

FER_EMOTIONS = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")  # by code
FER_FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def pictures(n, seed=0, side=48):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


def numbers(picture):
    return " ".join(map(str, np.ravel(picture)))


def official(path, gray, codes, usages):
    """Writes fer2013.csv as published."""
    rows = [f"{code},{numbers(picture)},{usage}\n" for code, picture, usage in zip(codes, gray, usages)]
    path.write_text("emotion,pixels,Usage\n" + "".join(rows))
    return path


def emotions(got):
    return [got.classes[label] for label in got.label]


@pytest.fixture
def seven(tmp_path):
    """(path, gray): fer2013.csv with a row each of the seven emotions."""
    gray = pictures(7)
    usages = ["Training"] * 4 + ["PublicTest"] * 2 + ["PrivateTest"]
    return official(tmp_path / "fer2013.csv", gray, range(7), usages), gray


def jpg_folder(root, *names):
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), pictures(1, seed)[0])
    return root


def drawn(actor=3, look="smiling"):
    """A drawn woman's or man's gray face, uint8 (256, 256)."""
    (frame,) = synthetic_face.frames((256, 256), 30, [0.0], look, actor, np.random.default_rng(0))
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def tiff(folder, name, picture):
    """Writes a picture as TIFF under any name."""
    folder.mkdir(parents=True, exist_ok=True)
    fine, data = cv2.imencode(".tiff", picture)
    assert fine
    (folder / name).write_bytes(data.tobytes())


def test_the_official_csv_gives_three_equal_channels_labels_and_splits_in_its_order(seven):
    path, gray = seven
    got = stills.fer2013(path)
    assert got.images.shape == (7, 48, 48, 3) and got.images.dtype == np.uint8
    assert all(np.array_equal(got.images[..., channel], gray) for channel in range(3))
    assert got.label.dtype == np.int64 and got.classes == ravdess.EMOTIONS and emotions(got) == list(FER_EMOTIONS)
    assert got.split.tolist() == ["train"] * 4 + ["public"] * 2 + ["private"]
    assert got.person.tolist() == [""] * 7 and got.name[0] == "fer2013.csv line 2"
    assert len(got) == 7 and got.excluded == [] and got.uncropped == ()


def test_a_gzipped_csv_is_known_by_its_content_whatever_its_name(seven, tmp_path):
    path, gray = seven
    for name in ("fer2013.csv.gz", "download"):
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
        assert np.array_equal(stills.fer2013(tmp_path / name).images[..., 0], gray)


def test_kaggles_train_csv_is_all_train(tmp_path):
    gray = pictures(2)
    text = f'emotion,pixels\n3,"{numbers(gray[0])}"\n0,{numbers(gray[1])}\n'
    (tmp_path / "train.csv").write_text(text)
    got = stills.fer2013(tmp_path / "train.csv")
    assert np.array_equal(got.images[..., 0], gray) and emotions(got) == ["happy", "angry"]
    assert set(got.split.tolist()) == {"train"}


@pytest.mark.parametrize("start, end", [("", "\n"), ("\ufeff", "\r\n")])
def test_icml_face_data_is_read_with_its_blanks_and_its_order_of_columns(tmp_path, start, end):
    gray = pictures(2)
    rows = ["emotion, Usage, pixels", f"6,Training,{numbers(gray[0])}", f"2, PrivateTest, {numbers(gray[1])}", ""]
    (tmp_path / "icml_face_data.csv").write_bytes((start + end.join(rows)).encode())
    got = stills.fer2013(tmp_path / "icml_face_data.csv")
    assert np.array_equal(got.images[..., 1], gray) and emotions(got) == ["neutral", "fearful"]
    assert got.split.tolist() == ["train", "private"]


def test_a_folder_of_splits_and_emotions_is_read_by_split_then_by_path(tmp_path):
    root = jpg_folder(
        tmp_path,
        "test/sad/a.png",
        "validation/surprise/b.PNG",
        "train/fear/d.png",
        "train/angry/e.png",
        "train/fear/c.png",
    )
    got = stills.fer2013(root)
    paths = ["train/angry/e.png", "train/fear/c.png", "train/fear/d.png", "validation/surprise/b.PNG", "test/sad/a.png"]
    assert got.name.tolist() == paths
    assert emotions(got) == ["angry", "fearful", "fearful", "surprised", "sad"]
    assert got.split.tolist() == ["train", "train", "train", "public", "private"]
    assert np.array_equal(got.images[0, ..., 2], pictures(1, 3)[0]), "png keeps every value"


def test_a_held_out_picture_that_names_its_official_split_is_of_that_split(tmp_path):
    root = jpg_folder(
        tmp_path,
        "train/sad/Training_1.jpg",
        "test/sad/PublicTest_2.jpg",
        "test/sad/PrivateTest_3.jpg",
        "validation/sad/Training_4.jpg",
        "validation/sad/test_5.jpg",
    )
    got = stills.fer2013(root)
    assert dict(zip(got.name.tolist(), got.split.tolist())) == {
        "train/sad/Training_1.jpg": "train",
        "test/sad/PublicTest_2.jpg": "public",
        "test/sad/PrivateTest_3.jpg": "private",
        "validation/sad/Training_4.jpg": "public",
        "validation/sad/test_5.jpg": "public",
    }


def test_a_folder_of_emotions_alone_is_all_train(tmp_path):
    got = stills.fer2013(jpg_folder(tmp_path, *(f"{folder.title()}/1.jpg" for folder in FER_FOLDERS)))
    assert sorted(emotions(got)) == sorted(FER_EMOTIONS) and set(got.split.tolist()) == {"train"}


def test_a_folder_that_holds_the_csv_is_read_from_it_and_usage_comes_first(seven, tmp_path):
    path, gray = seven
    (tmp_path / "a_train.csv").write_text(f"emotion,pixels\n0,{numbers(gray[0])}\n")
    (tmp_path / "a_test.csv").write_text(f"pixels\n{numbers(gray[0])}\n")
    (tmp_path / "example.csv").write_text("id,prediction\n")
    assert len(stills.fer2013(tmp_path)) == 7
    path.unlink()
    assert stills.fer2013(tmp_path).name.tolist() == ["a_train.csv line 2"]


def test_rows_that_cannot_be_used_are_left_out_by_the_line_an_editor_shows(tmp_path):
    good = numbers(pictures(1)[0])
    rows = {
        2: (f"3,{good},Training", None),
        3: (f"3,{good} 7,Training", "2305 pixels instead of 2304"),
        4: ("", None),
        5: ("3,,Training", "0 pixels instead of 2304"),
        6: ("3," + "256 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        7: ("3," + "-1 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        8: ("3," + "1.5 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        9: ("3," + "99999999999999999999 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        10: (f"7,{good},Training", "unknown emotion code '7'"),
        11: (f"happy,{good},Training", "unknown emotion code 'happy'"),
        12: (f"3,{good},Other", "unknown Usage 'Other'"),
        13: (f"3,{good}", "2 values in the row; the header has 3"),
        14: (f"0,{good},PublicTest", None),
    }
    (tmp_path / "f.csv").write_text("emotion,pixels,Usage\n" + "\n".join(row for row, _ in rows.values()) + "\n\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = stills.fer2013(tmp_path / "f.csv")
    assert got.name.tolist() == ["f.csv line 2", "f.csv line 14"]
    expected = {f"f.csv line {line}": words for line, (_, words) in rows.items() if words}
    assert [name for name, _ in got.excluded] == list(expected)
    for name, reason in got.excluded:
        assert expected[name] in reason


def test_pictures_that_cannot_be_used_are_left_out_by_their_path(tmp_path):
    root = jpg_folder(
        tmp_path,
        "train/sad/good.jpg",
        "train/contempt/1.jpg",
        "train/2.jpg",
        "more/sad/3.jpg",
        "4.jpg",
        "train/sad/x/5.jpg",
    )
    whole = (root / "train/sad/good.jpg").read_bytes()
    (root / "train/sad/cut.jpg").write_bytes(whole[: len(whole) // 2])
    png = cv2.imencode(".png", pictures(1)[0])[1].tobytes()
    (root / "train/sad/cut.png").write_bytes(png[: len(png) // 2])
    (root / "train/sad/empty.jpg").touch()
    (root / "train/sad/text.jpg").write_text("no picture")
    (root / "train/sad/._good.jpg").write_text("hidden")
    (root / "readme.txt").write_text("no still")
    got = stills.fer2013(root)
    assert got.name.tolist() == ["train/sad/good.jpg"]
    assert dict(got.excluded) == {
        "train/contempt/1.jpg": "unknown emotion folder 'contempt'",
        "train/2.jpg": "not directly in an emotion's folder",
        "train/sad/x/5.jpg": "not directly in an emotion's folder",
        "more/sad/3.jpg": "in no folder train, validation or test",
        "4.jpg": "in no folder train, validation or test",
        "train/sad/cut.jpg": "not readable as a picture",
        "train/sad/cut.png": "not readable as a picture",
        "train/sad/empty.jpg": "not readable as a picture",
        "train/sad/text.jpg": "not readable as a picture",
    }


def test_other_sizes_can_be_asked_for_and_larger_pictures_are_scaled(seven, tmp_path):
    assert stills.fer2013(seven[0], size=64).images.shape == (7, 64, 64, 3)
    (tmp_path / "p" / "sad").mkdir(parents=True)
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = np.arange(100, 200, dtype=np.uint8)[:, None, None]
    cv2.imwrite(str(tmp_path / "p" / "sad" / "a.png"), wide)
    got = stills.fer2013(tmp_path / "p")
    assert got.images.shape == (1, 48, 48, 3) and got.images.min() >= 100, "the middle square of a wide picture"
    with pytest.raises(ValueError, match="size is 16"):
        stills.fer2013(seven[0], size=16)


def test_where_nothing_is_the_error_says_where_to_get_it(tmp_path):
    competition = "challenges-in-representation-learning-facial-expression-recognition-challenge"
    with pytest.raises(FileNotFoundError, match=f"no FER2013 at {tmp_path}/away.*Kaggle sign-in.*{competition}"):
        stills.fer2013(tmp_path / "away")
    with pytest.raises(FileNotFoundError, match=f"no JAFFE at {tmp_path}/away.*request.*Zenodo record 3451524"):
        stills.jaffe(tmp_path / "away")


def test_a_csv_without_labels_is_refused_also_in_a_folder(tmp_path):
    (tmp_path / "test.csv").write_text(f"pixels\n{numbers(pictures(1))}\n")
    for path in (tmp_path, tmp_path / "test.csv"):
        with pytest.raises(ValueError, match=r"test.csv has no labels.*use train.csv or icml_face_data.csv"):
            stills.fer2013(path)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"id,prediction\n1,2\n", "emotion and pixels are needed; found: id, prediction"),
        (bytes(range(256)), "found: nothing readable"),
        (b"emotion,pixels,Usage\n", "no usable still.*its header and no row"),
        (b"emotion,pixels\n3,1 2 3\n", "no usable still.*3 pixels instead of 2304: f line 2"),
        (b"PK\x03\x04...", "is a zip archive: unpack it"),
        (gzip.compress(b"emotion,pixels\n" + random.Random(0).randbytes(9000))[:5000], "cut short or damaged"),
        (b"\x1f\x8bno gzip at all", "cut short or damaged"),
    ],
    ids=["empty", "no labels", "bytes", "header alone", "small", "zip", "half a gzip", "no gzip"],
)
def test_a_file_that_is_not_fer2013_says_what_it_is(tmp_path, content, words):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        stills.fer2013(tmp_path / "f")


def test_kaggles_tar_archive_is_to_be_unpacked(seven, tmp_path):
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(seven[0], "fer2013/fer2013.csv")
    with pytest.raises(ValueError, match="is a tar archive: unpack it"):
        stills.fer2013(tmp_path / "fer2013.tar.gz")


def test_a_folder_that_is_not_fer2013_says_what_is_in_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="found nothing: it is empty"):
        stills.fer2013(tmp_path)
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(FileNotFoundError, match=r"found subfolders images; files notes.txt\. Give a csv"):
        stills.fer2013(tmp_path)
    with pytest.raises(ValueError, match=r"no usable still in .*found subfolders train"):
        stills.fer2013(tmp_path / "images")
    jpg_folder(tmp_path / "images", "train/contempt/1.jpg")
    with pytest.raises(ValueError, match=r"(?s)no usable still in .*unknown emotion folder 'contempt'"):
        stills.fer2013(tmp_path / "images")


def test_jaffes_names_are_person_emotion_and_take(tmp_path):
    codes = {"AN": "angry", "DI": "disgust", "FE": "fearful", "HA": "happy", "SA": "sad", "SU": "surprised"}
    codes["NE"] = "neutral"
    names = {f"{person}.{code}1.{n}.tiff": code for n, (person, code) in enumerate(zip(["KA", "MK"] * 4, codes))}
    for seed, name in enumerate(names):
        tiff(tmp_path, name, pictures(1, seed, 256)[0])
    got = stills.jaffe(tmp_path, crop=False)
    assert got.name.tolist() == sorted(names) and got.images.shape == (7, 48, 48, 3)
    assert emotions(got) == [codes[names[name]] for name in sorted(names)]
    assert got.person.tolist() == [name[:2] for name in sorted(names)]
    assert set(got.split.tolist()) == {"train"} and got.uncropped == ()
    assert np.array_equal(got.images[..., 0], got.images[..., 2])


def test_a_jaffe_face_is_cut_out_and_where_there_is_none_the_middle_is_taken_and_named(tmp_path):
    bare = pictures(1, side=256)[0]
    tiff(tmp_path, "KA.HA1.29.tiff", drawn())
    tiff(tmp_path, "KA.SA1.33.tiff", bare)
    got, whole = stills.jaffe(tmp_path), stills.jaffe(tmp_path, crop=False)
    assert got.uncropped == ("KA.SA1.33.tiff",) and got.excluded == []
    middle = cv2.resize(bare, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.array_equal(got.images[1, ..., 0], middle) and np.array_equal(whole.images[1], got.images[1])
    rgb = np.repeat(drawn()[..., None], 3, axis=2)
    (box,) = faces.detect(rgb, 320 / 256)
    assert np.array_equal(got.images[0], faces.crop(rgb, box)) and not np.array_equal(whole.images[0], got.images[0])
    assert stills.jaffe(tmp_path, size=96).images.shape == (2, 96, 96, 3)
    assert got.subset([0]).uncropped == () and got.subset([1]).uncropped == got.uncropped


def test_the_largest_of_two_faces_is_the_one_cut_out(tmp_path, monkeypatch):
    boxes = np.array([[10, 60, 60, 10], [100, 200, 200, 100], [20, 80, 80, 20]], dtype=np.float32)
    monkeypatch.setattr(faces, "detect", lambda frame, long_side: boxes)
    (gray,) = pictures(1, side=256)
    tiff(tmp_path, "KA.HA1.1.tiff", gray)
    assert np.array_equal(stills.jaffe(tmp_path).images[0, ..., 0], faces.crop(gray, boxes[1]))


def test_jaffe_files_in_subfolders_and_in_any_case_are_found_once(tmp_path):
    tiff(tmp_path / "jaffe", "ka.an1.39.TIF", pictures(1, side=256)[0])
    tiff(tmp_path / "jaffe copy", "KA.AN1.39.tiff", pictures(1, side=256)[0])
    got = stills.jaffe(tmp_path, crop=False)
    assert got.person.tolist() == ["KA"] and emotions(got) == ["angry"]
    assert got.excluded == [("jaffe/ka.an1.39.TIF", "same picture as jaffe copy/KA.AN1.39.tiff")]


def test_jaffe_files_that_cannot_be_used_are_left_out_by_name(tmp_path):
    tiff(tmp_path, "KA.AN1.39.tiff", pictures(1, side=256)[0])
    tiff(tmp_path, "KA.XX1.40.tiff", pictures(1, side=256)[0])
    tiff(tmp_path, "woman.tiff", pictures(1, side=256)[0])
    (tmp_path / "KA.SA1.33.tiff").write_text("no picture")
    whole = (tmp_path / "KA.AN1.39.tiff").read_bytes()
    (tmp_path / "KA.SA2.34.tiff").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "README").write_text("no still")
    got = stills.jaffe(tmp_path, crop=False)
    assert got.name.tolist() == ["KA.AN1.39.tiff"]
    assert dict(got.excluded) == {
        "KA.XX1.40.tiff": "unknown emotion code 'XX'",
        "woman.tiff": "not a JAFFE name such as KA.AN1.39.tiff",
        "KA.SA1.33.tiff": "not readable as a picture",
        "KA.SA2.34.tiff": "not readable as a picture",
    }


def test_a_folder_that_is_not_jaffe_says_what_is_in_it(tmp_path):
    (tmp_path / "KA.AN1.39.jpg").touch()
    with pytest.raises(FileNotFoundError, match=r"no JAFFE picture .*found files KA.AN1.39.jpg"):
        stills.jaffe(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        stills.jaffe(tmp_path / "KA.AN1.39.jpg")
    (tmp_path / "woman.tiff").touch()
    with pytest.raises(ValueError, match=r"(?s)no usable still.*not a JAFFE name"):
        stills.jaffe(tmp_path)


def test_the_mapping_shows_both_sets_and_that_neither_has_calm():
    table = stills.mapping().set_index("emotion")
    assert tuple(table.index) == ravdess.EMOTIONS
    assert table.loc["fearful"].tolist() == [2, "fear", "FE"] and table.loc["surprised"].tolist() == [
        5,
        "surprise",
        "SU",
    ]
    assert table["fer2013 code"].isna().tolist() == [emotion == "calm" for emotion in ravdess.EMOTIONS]
    assert table.loc["calm", "fer2013 name"] == table.loc["calm", "jaffe code"] == ""
    for code, (folder, emotion) in enumerate(zip(FER_FOLDERS, FER_EMOTIONS)):
        assert stills.FER_NAMES[code] == stills.FER_NAMES[folder] == emotion
    assert set(stills.JAFFE_NAMES.values()) == set(FER_EMOTIONS) == set(ravdess.EMOTIONS) - {"calm"}


def test_counts_are_emotion_by_split(seven):
    table = stills.fer2013(seven[0]).counts()
    assert tuple(table.index) == ravdess.EMOTIONS and list(table.columns) == ["train", "public", "private"]
    assert table.sum().tolist() == [4, 2, 1] and table.loc["calm"].sum() == 0 and table.loc["happy", "train"] == 1


def test_a_subset_keeps_rows_together_and_what_was_left_out(seven):
    got = stills.fer2013(seven[0])
    got.excluded.add("one", "why")
    for rows in ([5, 1], np.isin(np.arange(7), [1, 5]), slice(1, 6, 4)):
        part = got.subset(rows)
        assert len(part) == 2 and sorted(emotions(part)) == ["disgust", "surprised"] and part.excluded == got.excluded
        assert sorted(zip(part.name, part.split)) == [("fer2013.csv line 3", "train"), ("fer2013.csv line 7", "public")]
    assert np.array_equal(got.subset([5, 1]).images[0], got.images[5])


def test_importing_the_module_imports_nothing_heavy():
    heavy = {"keras", "cv2", "pandas", "sklearn", "matplotlib", "face_recognition"}
    code = f"import sys, helpers.stills; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.real
def test_the_real_stills_load_in_seconds_from_pictures_and_from_the_csv_alike(shared, tmp_path):
    zipfile.ZipFile(shared / "fer2013" / "fer2013.zip").extractall(tmp_path / "stills")
    start = time.perf_counter()
    got = stills.fer2013(tmp_path / "stills")
    seconds = time.perf_counter() - start
    print(f"pictures: {seconds:.1f} s")
    assert seconds < 15
    assert len(got) == 11_589 and got.excluded == []
    assert (got.split == "train").sum() == 8_000 and (got.split == "public").sum() == 3_589
    codes = {emotion: code for code, emotion in enumerate(FER_EMOTIONS)}
    usages = [{"train": "Training", "public": "PublicTest"}[split] for split in got.split]
    path = official(tmp_path / "fer2013.csv", got.images[..., 0], [codes[e] for e in emotions(got)], usages)
    start = time.perf_counter()
    again = stills.fer2013(path)
    seconds = time.perf_counter() - start
    print(f"csv: {seconds:.1f} s")
    assert seconds < 15
    assert np.array_equal(again.images, got.images) and np.array_equal(again.label, got.label)
    assert np.array_equal(again.split, got.split) and again.excluded == []
