import gzip
import random
import subprocess
import sys
import time
import traceback
import types
import warnings
import zipfile

import cv2
import numpy as np
import PIL.Image
import pytest

from helpers.data import images, ravdess, synthetic_face
from helpers.video import faces

COMPETITION = "challenges-in-representation-learning-facial-expression-recognition-challenge"
FER_EMOTIONS = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")  # by code


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


def folder(root, *names):
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), pictures(1, seed)[0])
    return root


def packed(root, to):
    """A folder's files as a zip."""
    with zipfile.ZipFile(to, "w") as archive:
        for path in root.rglob("*.*"):
            archive.write(path, path.relative_to(root).as_posix())
    return to


def drawn(actor=3, expression="smiling"):
    """A drawn woman's or man's gray face, uint8 (256, 256)."""
    (frame,) = synthetic_face.frames((256, 256), 30, [0.0], expression, actor, np.random.default_rng(0))
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def tiff(folder, name, picture):
    """Writes a picture as TIFF under any name."""
    folder.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(picture).save(folder / name, "TIFF")


def test_the_official_csv_gives_three_equal_channels_labels_and_splits_in_its_order(seven):
    path, gray = seven
    got = images.fer2013(path)
    assert got.images.shape == (7, 48, 48, 3) and got.images.dtype == np.uint8
    assert all(np.array_equal(got.images[..., channel], gray) for channel in range(3))
    assert got.label.dtype == np.int64 and got.classes == ravdess.EMOTIONS and emotions(got) == list(FER_EMOTIONS)
    assert got.split.tolist() == ["train"] * 4 + ["public"] * 2 + ["private"]
    assert got.name[0] == "fer2013.csv row 1" and len(got) == 7 and got.excluded == []


def test_the_csv_may_be_gzipped_zipped_or_the_only_one_in_a_folder(seven, tmp_path):
    path, gray = seven
    (tmp_path / "gz").mkdir()
    (tmp_path / "gz" / "fer2013.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(path, "fer2013/fer2013.csv")
    for where in (tmp_path / "gz" / "fer2013.csv.gz", tmp_path / "gz", tmp_path / "archive.zip", tmp_path):
        assert np.array_equal(images.fer2013(where).images[..., 0], gray)


def test_the_csv_with_the_labels_is_read_where_others_lie_beside_it(tmp_path):
    gray = pictures(1)
    (tmp_path / "train.csv").write_text(f'emotion,pixels\n3,"{numbers(gray[0])}"\n')
    (tmp_path / "example_submission.csv").write_text("emotion\n0\n")
    (tmp_path / "test.csv").write_text(f'pixels\n"{numbers(gray[0])}"\n')
    zipped = tmp_path / "zipped" / "fer.zip"
    zipped.parent.mkdir()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("test.csv", "example_submission.csv", "train.csv"):
            archive.write(tmp_path / name, f"fer/{name}")
    for where in (tmp_path, zipped):
        assert images.fer2013(where).images.shape == (1, 48, 48, 3)


def test_kaggles_train_csv_is_all_train(tmp_path):
    gray = pictures(2)
    text = f'emotion,pixels\n3,"{numbers(gray[0])}"\n0,{numbers(gray[1])}\n'
    (tmp_path / "train.csv").write_text(text)
    got = images.fer2013(tmp_path / "train.csv")
    assert np.array_equal(got.images[..., 0], gray) and emotions(got) == ["happy", "angry"]
    assert set(got.split.tolist()) == {"train"}


@pytest.mark.parametrize("start, end", [("", "\n"), ("\ufeff", "\r\n")])
def test_icml_face_data_is_read_with_its_blanks_and_its_order_of_columns(tmp_path, start, end):
    gray = pictures(2)
    rows = ["emotion, Usage, pixels", f"6,Training,{numbers(gray[0])}", f"2, PrivateTest, {numbers(gray[1])}", ""]
    (tmp_path / "icml_face_data.csv").write_bytes((start + end.join(rows)).encode())
    got = images.fer2013(tmp_path / "icml_face_data.csv")
    assert np.array_equal(got.images[..., 1], gray) and emotions(got) == ["neutral", "fearful"]
    assert got.split.tolist() == ["train", "private"]


def test_pictures_of_splits_and_emotions_are_read_by_split_then_by_path_from_a_folder_and_a_zip(tmp_path):
    names = ["test/sad/a.png", "validation/surprise/b.PNG", "train/fear/d.png", "train/angry/e.png", "train/fear/c.png"]
    root = folder(tmp_path / "images", *names)
    for where in (root, packed(root, tmp_path / "images.zip")):
        got = images.fer2013(where)
        assert got.name.tolist() == [*sorted(names[2:]), names[1], names[0]]
        assert emotions(got) == ["angry", "fearful", "fearful", "surprised", "sad"]
        assert got.split.tolist() == ["train", "train", "train", "public", "private"]
        assert np.array_equal(got.images[0, ..., 2], pictures(1, 3)[0]), "png keeps every value"


def test_a_picture_that_names_its_official_split_is_of_that_split(tmp_path):
    splits = {"train/sad/Training_1.jpg": "train", "test/sad/PublicTest_2.jpg": "public"}
    splits |= {"test/sad/PrivateTest_3.jpg": "private", "validation/sad/test_5.jpg": "public"}
    got = images.fer2013(folder(tmp_path, *splits))
    assert dict(zip(got.name.tolist(), got.split.tolist())) == splits


def test_rows_that_cannot_be_used_are_left_out_by_their_number(tmp_path):
    good = numbers(pictures(1)[0])
    rows = [
        (f"3,{good},Training", None),
        (f"3,{good} 7,Training", "2305 pixels instead of 2304"),
        ("3,,Training", "not whole numbers 0 to 255"),
        ("3," + "256 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        ("3," + "-1 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        ("3," + "1.5 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        ("3," + "99999999999999999999 " * 2304 + ",Training", "not whole numbers 0 to 255"),
        (f"7,{good},Training", "unknown emotion code '7'"),
        (f"happy,{good},Training", "unknown emotion code 'happy'"),
        (f"3,{good},Other", "unknown Usage 'Other'"),
        (f"3,{good}", "unknown Usage"),
        (f"0,{good},PublicTest", None),
    ]
    (tmp_path / "f.csv").write_text("emotion,pixels,Usage\n" + "\n".join(row for row, _ in rows) + "\n\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = images.fer2013(tmp_path / "f.csv")
    assert got.name.tolist() == ["f.csv row 1", "f.csv row 12"]
    expected = {f"f.csv row {number}": words for number, (_, words) in enumerate(rows, start=1) if words}
    assert [name for name, _ in got.excluded] == list(expected)
    for name, reason in got.excluded:
        assert expected[name] in reason


def test_pictures_that_cannot_be_used_are_left_out_by_their_path(tmp_path):
    strange = ("train/contempt/1.jpg", "train/2.jpg", "more/sad/3.jpg", "4.jpg", "train/sad/x/5.jpg")
    root = folder(tmp_path, "train/sad/good.jpg", *strange)
    whole = (root / "train/sad/good.jpg").read_bytes()
    (root / "train/sad/cut.jpg").write_bytes(whole[: len(whole) // 2])
    png = cv2.imencode(".png", pictures(1)[0])[1].tobytes()
    (root / "train/sad/cut.png").write_bytes(png[: len(png) // 2])
    (root / "train/sad/empty.jpg").touch()
    (root / "train/sad/text.jpg").write_text("no picture")
    (root / "train/sad/._good.jpg").write_text("hidden")
    (root / "readme.txt").write_text("no image")
    got = images.fer2013(root)
    assert got.name.tolist() == ["train/sad/good.jpg"]
    unread = [f"train/sad/{name}" for name in ("cut.jpg", "cut.png", "empty.jpg", "text.jpg")]
    reasons = dict.fromkeys(strange, "not in a folder such as train/angry, validation/fear, test/sad")
    assert dict(got.excluded) == reasons | dict.fromkeys(unread, "not readable as an image")


def test_a_picture_that_unpacks_to_gigabytes_is_left_out_before_it_is_decoded(tmp_path):
    for side in (5000, 30_000):
        root = folder(tmp_path / str(side), "train/sad/good.png")
        PIL.Image.new("1", (side, side)).save(root / "train/sad/bomb.png")
        got = images.fer2013(root)
        assert got.excluded == [("train/sad/bomb.png", "not readable as an image")] and len(got) == 1


def test_what_unpacks_to_more_than_the_set_can_have_is_refused(seven, tmp_path, monkeypatch):
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(seven[0].read_bytes()))
    root = folder(tmp_path / "p", "train/sad/1.png", "train/sad/2.png")
    (root / "train/sad/2.png").write_bytes((root / "train/sad/2.png").read_bytes() + bytes(20_000))
    monkeypatch.setattr(images, "MOST_BYTES", {"image": 10_000, "csv": 10_000})
    with pytest.raises(ValueError, match="more than 0 MB unpacked"):
        images.fer2013(tmp_path / "f.csv.gz")
    got = images.fer2013(packed(root, tmp_path / "p.zip"))
    assert got.excluded == [("train/sad/2.png", "not readable as an image")]


def test_larger_pictures_are_scaled_by_their_middle_square(tmp_path):
    (tmp_path / "train" / "sad").mkdir(parents=True)
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = np.arange(100, 200, dtype=np.uint8)[:, None, None]
    cv2.imwrite(str(tmp_path / "train" / "sad" / "a.png"), wide)
    got = images.fer2013(tmp_path)
    assert got.images.shape == (1, 48, 48, 3) and got.images.min() >= 99


def test_where_nothing_is_the_error_says_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no FER2013 at {tmp_path}/away.*Kaggle sign-in.*{COMPETITION}"):
        images.fer2013(tmp_path / "away")
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(FileNotFoundError, match=r"no FER2013 in .*found notes.txt.*Kaggle sign-in"):
        images.fer2013(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"below {tmp_path}/away.*request.*zenodo.org/records/3451524"):
        images.jaffe(tmp_path / "away")


STAND_IN = """
import types
class UnauthenticatedError(Exception): pass
class KaggleApiHTTPError(Exception): response = types.SimpleNamespace(status_code=403)
def competition_download(handle, path):
    asked.append((handle, path, *pair))
    if not pair and "KAGGLE_API_TOKEN" not in os.environ: raise UnauthenticatedError("User is not authenticated")
    if os.environ.get("KAGGLE_API_TOKEN") == "refused": raise KaggleApiHTTPError("403 https://x/?Signature=secret")
    return os.path.join(os.path.dirname(__file__), path)
import os
asked, pair = [], []
config = types.SimpleNamespace(set_kaggle_credentials=lambda *given: pair.extend(given))
"""


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A stand-in for kagglehub that has one image, and no token: a function that imports it."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("kagglehub", "google.colab"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "kagglehub.py").write_text(STAND_IN)
    (tmp_path / "icml_face_data.csv").write_text(f"emotion, Usage, pixels\n6, PublicTest, {numbers(pictures(1))}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda: __import__("kagglehub")
    sys.modules.pop("kagglehub", None)


def test_with_a_token_fer2013_comes_from_its_competition_with_all_splits(kaggle, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "given")
    got = images.fer2013()
    assert np.array_equal(got.images[..., 0], pictures(1)) and got.split.tolist() == ["public"]
    assert kaggle().asked == [(COMPETITION, "icml_face_data.csv")]


def test_a_user_and_key_among_colabs_secrets_are_a_token_too(kaggle, monkeypatch):
    userdata = types.SimpleNamespace(get={"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": "given"}.__getitem__)
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(userdata=userdata))
    assert len(images.fer2013()) == 1
    assert kaggle().asked == [(COMPETITION, "icml_face_data.csv", "ada", "given")]


def test_without_the_package_or_a_token_the_error_names_the_page(kaggle, tmp_path, monkeypatch):
    page = f"^FER2013 needs a Kaggle sign-in: .*{COMPETITION}"
    with pytest.raises(FileNotFoundError, match=page):
        images.fer2013()
    assert kaggle().asked, "the package is there, and has no token"
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(FileNotFoundError, match=page):
        images.fer2013()


def test_what_kaggle_refuses_is_said_with_the_rules_to_accept_and_without_signed_addresses(kaggle, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "refused")
    with pytest.raises(
        FileNotFoundError, match=rf"\(KaggleApiHTTPError 403\).*rules at .*{COMPETITION}/rules\."
    ) as caught:
        images.fer2013()
    assert "secret" not in "".join(traceback.format_exception(caught.value)), "nor in the traceback"


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is not FER2013"),
        (b"id,prediction\n1,2\n", "emotion and pixels are needed.*its columns are id, prediction"),
        (f"pixels\n{numbers(pictures(1))}\n".encode(), "its columns are pixels"),
        (bytes(range(256)), "is not FER2013"),
        (b"emotion,pixels,Usage\n", "no usable image"),
        (b"emotion,pixels\n3,1 2 3\n", r"no usable image.*3 pixels instead of 2304: f.csv row 1"),
        (b"emotion,pixels\n3,1,2,3\n4,1,2,3,4,5\n", "is not FER2013.*line 2 has 4 values for 2 columns"),
        (b"emotion,pixels,Emotion\n3,1,4\n", "is not FER2013.*its columns are emotion, pixels, emotion"),
        (b"emotion,pixels\n3,1\n\xff,1\n", "is not FER2013.*can't decode byte"),
        (b"emotion,pixels\n" + b"3,\n" * 100_000, r"f\.csv is not FER2013.*more than 537 MB unpacked or 100,000 lines"),
        (b"emotion,pixels" + b",a" * 50_000 + b"\n", r"f\.csv is not FER2013.*line 1 has more than 100,000 char"),
        (b"emotion,pixels\n3," + b"1 " * 50_000 + b"\n", r"f\.csv is not FER2013.*line 2 has more than 100,000 char"),
        (b'emotion,pixels\n3,"' + b"1 1\n" * 50_000, r"f\.csv is not FER2013.*field larger than field limit"),
    ],
    ids=["empty", "other columns", "no labels", "bytes", "header alone", "small", "more values than columns"]
    + ["a column twice", "no UTF-8", "rows", "columns", "a long line", "a long field"],
)
def test_a_file_that_is_not_fer2013_says_what_it_is(tmp_path, content, words):
    (tmp_path / "f.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        images.fer2013(tmp_path / "f.csv")


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"emotion,pixels\n" + random.Random(0).randbytes(9000).hex().encode())[:5000],
        b"\x1f\x8bno gzip at all",
    ],
    ids=["half a gzip", "no gzip"],
)
def test_a_damaged_archive_is_to_be_got_again(tmp_path, content):
    (tmp_path / "f.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match="cut short or damaged"):
        images.fer2013(tmp_path / "f.csv.gz")


def test_jaffes_names_are_person_emotion_and_take(tmp_path):
    codes = dict(zip(("AN", "DI", "FE", "HA", "SA", "SU", "NE"), FER_EMOTIONS))
    names = {f"{person}.{code}1.{n}.tiff": code for n, (person, code) in enumerate(zip(["KA", "MK"] * 4, codes))}
    for seed, name in enumerate(names):
        tiff(tmp_path, name, pictures(1, seed, 256)[0])
    got = images.jaffe(tmp_path)
    assert got.name.tolist() == sorted(names) and got.images.shape == (7, 48, 48, 3)
    assert emotions(got) == [codes[names[name]] for name in sorted(names)]
    assert set(got.split.tolist()) == {"train"} and np.array_equal(got.images[..., 0], got.images[..., 2])


def test_a_jaffe_face_is_cut_out_by_the_function_given_and_where_there_is_none_the_middle_is_taken(tmp_path):
    bare = pictures(1, side=256)[0]
    tiff(tmp_path, "KA.HA1.29.tiff", drawn())
    tiff(tmp_path, "KA.SA1.33.tiff", bare)
    got = images.jaffe(tmp_path, cut=faces.largest_face)
    assert np.array_equal(got.images[1, ..., 0], cv2.resize(bare, (48, 48), interpolation=cv2.INTER_AREA))
    rgb = np.repeat(drawn()[..., None], 3, axis=2)
    (box,) = faces.detect(rgb, 320 / 256)
    assert np.array_equal(got.images[0], faces.crop(rgb, box))
    middles = images.jaffe(tmp_path).images[..., 0]
    assert np.array_equal(middles[0], cv2.resize(drawn(), (48, 48), interpolation=cv2.INTER_AREA))
    assert np.array_equal(middles[1], got.images[1, ..., 0])


def test_a_palette_picture_shows_its_colours_and_not_their_numbers(tmp_path):
    """23 of JAFFE's 213 are such."""
    turned = PIL.Image.fromarray(255 - drawn())  # the numbers are the negative of what the palette makes of them
    turned.putpalette([255 - grey for grey in range(256) for _ in range(3)])
    turned.save(tmp_path / "KA.HA1.29.tiff")
    tiff(tmp_path, "KA.HA2.30.tiff", drawn())
    first, second = images.jaffe(tmp_path).images
    assert np.array_equal(first, second)


def test_the_largest_of_two_faces_is_the_one_cut_out(tmp_path, monkeypatch):
    boxes = np.array([[10, 60, 60, 10], [100, 200, 200, 100], [20, 80, 80, 20]], dtype=np.float32)
    monkeypatch.setattr(faces, "detect", lambda frame, long_side: boxes)
    (gray,) = pictures(1, side=256)
    tiff(tmp_path, "KA.HA1.1.tiff", gray)
    cut_out = images.jaffe(tmp_path, cut=faces.largest_face).images
    assert np.array_equal(cut_out[0, ..., 0], faces.crop(gray, boxes[1]))


def test_jaffe_files_in_subfolders_and_in_any_case_are_found_once(tmp_path):
    tiff(tmp_path / "jaffe", "ka.an1.39.TIF", pictures(1, side=256)[0])
    tiff(tmp_path / "jaffe copy", "KA.AN1.39.tiff", pictures(1, side=256)[0])
    got = images.jaffe(tmp_path)
    assert emotions(got) == ["angry"]
    assert got.excluded == [("jaffe/ka.an1.39.TIF", "same image as jaffe copy/KA.AN1.39.tiff")]


def test_jaffe_files_that_cannot_be_used_are_left_out_by_name(tmp_path):
    tiff(tmp_path, "KA.AN1.39.tiff", pictures(1, side=256)[0])
    tiff(tmp_path, "KA.XX1.40.tiff", pictures(1, side=256)[0])
    tiff(tmp_path, "woman.tiff", pictures(1, side=256)[0])
    (tmp_path / "KA.SA1.33.tiff").write_text("no picture")
    whole = (tmp_path / "KA.AN1.39.tiff").read_bytes()
    (tmp_path / "KA.SA2.34.tiff").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "README").write_text("no image")
    got = images.jaffe(tmp_path)
    assert got.name.tolist() == ["KA.AN1.39.tiff"]
    assert dict(got.excluded) == {
        "KA.XX1.40.tiff": "not a JAFFE name such as KA.AN1.39.tiff",
        "woman.tiff": "not a JAFFE name such as KA.AN1.39.tiff",
        "KA.SA1.33.tiff": "not readable as an image",
        "KA.SA2.34.tiff": "not readable as an image",
    }
    for name in ("KA.AN1.39.tiff", "KA.SA2.34.tiff"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=r"(?s)no usable image.*not a JAFFE name"):
        images.jaffe(tmp_path)


def test_the_mapping_shows_both_sets_and_that_neither_has_calm():
    table = images.mapping().set_index("emotion")
    assert tuple(table.index) == ravdess.EMOTIONS
    assert table.loc["fearful"].tolist() == [2, "fear", "FE"]
    assert table.loc["surprised"].tolist() == [5, "surprise", "SU"]
    assert table["fer2013 code"].isna().tolist() == [emotion == "calm" for emotion in ravdess.EMOTIONS]
    assert table.loc["calm", "fer2013 name"] == table.loc["calm", "jaffe code"] == ""


def test_counts_are_emotion_by_split(seven):
    table = images.fer2013(seven[0]).counts()
    assert tuple(table.index) == ravdess.EMOTIONS and list(table.columns) == ["train", "public", "private"]
    assert table.sum().tolist() == [4, 2, 1] and table.loc["calm"].sum() == 0 and table.loc["happy", "train"] == 1


def test_a_subset_keeps_rows_together_and_what_was_left_out(seven):
    path, gray = seven
    with path.open("a") as file:
        file.write("9,1 2,Training\n")
    got = images.fer2013(path)
    for rows in ([5, 0], slice(2, 4), got.split == "train"):
        part = got.subset(rows)
        assert np.array_equal(part.images[..., 0], gray[rows]) and np.array_equal(part.label, got.label[rows])
        assert part.name.tolist() == got.name[rows].tolist() and part.excluded == got.excluded


def test_the_module_imports_nothing_heavy():
    heavy = {"keras", "cv2", "pandas", "sklearn", "matplotlib", "face_recognition"}
    code = f"import sys, helpers.data.images; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


@pytest.mark.real
def test_the_real_images_load_in_seconds_from_pictures_and_from_the_csv_alike(shared, tmp_path):
    start = time.perf_counter()
    got = images.fer2013(shared / "fer2013" / "fer2013.zip")
    print(f"pictures: {time.perf_counter() - start:.1f} s")
    assert len(got) == 11_589 and got.excluded == []
    assert (got.split == "train").sum() == 8_000 and (got.split == "public").sum() == 3_589
    got = got.subset(slice(None, None, 4))  # the csv says the same of a quarter
    codes = {emotion: code for code, emotion in enumerate(FER_EMOTIONS)}
    usages = [{"train": "Training", "public": "PublicTest"}[split] for split in got.split]
    path = official(tmp_path / "fer2013.csv", got.images[..., 0], [codes[e] for e in emotions(got)], usages)
    start = time.perf_counter()
    again = images.fer2013(path)
    seconds = time.perf_counter() - start
    print(f"csv: {seconds:.1f} s")
    assert seconds < 8
    assert np.array_equal(again.images, got.images) and np.array_equal(again.label, got.label)
    assert np.array_equal(again.split, got.split) and again.excluded == []


@pytest.mark.parametrize("way", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_an_archive_is_named_however_it_is_packed(way, seven, tmp_path):
    with zipfile.ZipFile(tmp_path / "fer2013.zip", "w", way) as archive:
        archive.write(seven[0], "fer2013.csv")
    data = bytearray((tmp_path / "fer2013.zip").read_bytes())
    data[100:2000] = bytes(1900)
    (tmp_path / "fer2013.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"fer2013\.zip is cut short or damaged \(.*get it again"):
        images.fer2013(tmp_path / "fer2013.zip")


def test_an_encrypted_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "fer2013.zip", "w") as archive:
        archive.writestr("fer2013.csv", "emotion,pixels,Usage\n")
    data = bytearray((tmp_path / "fer2013.zip").read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + place] |= 1
    (tmp_path / "fer2013.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"fer2013\.zip is cut short or damaged \(.*encrypted"):
        images.fer2013(tmp_path / "fer2013.zip")
