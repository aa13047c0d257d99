import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from training import Stop
from training.datasets import captions, picture_folder

SPLITS = captions.SPLITS


def draw(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6, 3), shade, np.uint8)).save(path)
    return path


def write(path, *lines, encoding="utf-8"):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 60 pictures in all the forms, some in a folder inside, one of them without a caption."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(60):
        draw(folder / name_of(number), number)
    draw(folder / "without.png")
    return folder


def name_of(number):
    return ("dogs/{}.jpg", "{}.png", "größe {}.gif", "{}.bmp")[number % 4].format(number)


def read(folder, file):
    return {split: list(picture_folder.load(split, folder, file).as_numpy_iterator()) for split in SPLITS}


def all_of(splits):
    return {row["id"].decode(): [t.decode() for t in row["captions"]] for rows in splits.values() for row in rows}


def test_each_picture_is_in_one_split_with_its_bytes_and_captions(tmp_path, pictures):
    lines = [f'{name_of(i)},"A dog, number {i}."' for i in range(60)]
    file = write(
        tmp_path / "a.csv", "image,caption", *lines, *(f"{name_of(i)},Wieder {i}: süß." for i in range(0, 60, 3))
    )
    splits = read(pictures, file)
    assert sum(map(len, splits.values())) == 60
    assert 36 <= len(splits["train"]) <= 58 and splits["validation"] and splits["test"]
    found = all_of(splits)
    for i in range(60):
        assert found[name_of(i)] == [f"A dog, number {i}."] + ([] if i % 3 else [f"Wieder {i}: süß."])
    for rows in splits.values():
        for row in rows:
            assert row["image"] == (pictures / row["id"].decode()).read_bytes()
            assert tf.io.decode_image(row["image"], channels=3, expand_animations=False).shape == (4, 6, 3)
    assert (
        picture_folder.load("train", pictures, file).element_spec
        == captions.dataset(["a"], ["b"], [["c"]]).element_spec
    )


def test_the_split_depends_on_the_name_alone(tmp_path, pictures):
    lines = [f"{name_of(i)},A dog." for i in range(60)]
    once = read(pictures, write(tmp_path / "a.csv", "image,caption", *lines))
    turned = read(pictures, write(tmp_path / "b.csv", "image,caption", *lines[:50][::-1]))
    for split in SPLITS:
        names = [row["id"].decode() for row in once[split]]
        assert [row["id"].decode() for row in turned[split]] == [n for n in names[::-1] if n in map(name_of, range(50))]
    places = [picture_folder._place(f"{i}.jpg") for i in range(10_000)]
    assert all(sum(place in share for place in places) / 100 == pytest.approx(len(share), abs=1)
               for share in picture_folder.SHARES.values())  # fmt: skip


def test_all_forms_of_the_file_say_the_same(tmp_path, pictures):
    rows = [(name_of(i), f"A dog, number {i}.") for i in range(60)]
    csv = write(tmp_path / "a.csv", "image,caption", *(f'{name},"{text}"' for name, text in rows))
    expected = all_of(read(pictures, csv))
    others = {
        "tsv": ["image\tcaption", *(f"{name}\t{text}" for name, text in rows)],
        "flickr": [f"{name}#0\t{text}" for name, text in rows],
        "more columns": ["Split, Caption ,IMAGE", *(f'x,"{text}",{name}' for name, text in rows)],
        "lines": ["image,caption\r", *(f'{name},"{text}"\r' for name, text in rows), "\r", ",\r"],
        "paths": ["image,caption", *(f'./{name}," {text} "' for name, text in rows), f"{rows[0][0]},"],
    }
    for name, lines in others.items():
        assert all_of(read(pictures, write(tmp_path / f"{name}.txt", *lines))) == expected, name
    byte_order_mark = write(tmp_path / "excel.csv", *csv.read_text().splitlines(), encoding="utf-8-sig")
    assert all_of(read(pictures, byte_order_mark)) == expected


@pytest.mark.parametrize(
    "lines, said",
    [
        (["picture,caption", "0.jpg,A dog."], "image and caption among them.* 'picture,caption'"),
        (["1.png,A dog."], "the first line is '1.png,A dog.'"),
        (["image,caption,caption", "1.png,A,B"], "image and caption among them"),
        (["image,caption", "1.png,A dog, wet."], "line 2 has 3 fields instead of 2; .*comma wants quotation marks"),
        (["image\tcaption", "1.png\tA dog.", "1.png"], "line 3 has 1 fields instead of 2"),
        (["image,caption", '1.png,"A dog.'], "line 2: unexpected end of data; quotation marks"),
        (["image,caption", '1.png,"A" dog.'], "line 2: .*; quotation marks"),
        (["image,caption", ",A dog."], "line 2 names no picture"),
        (["1.png#0\tA dog.", "3.bmp\tA cat."], "line 2 is not NAME#0<TAB>caption"),
        (["image,caption"], "has no caption"),
        (["image,caption", "1.png,", "3.bmp, "], "has no caption"),
        ([], "the first line is ''"),
        (["image,caption", "1.png,A dog."], "captions of 1 pictures, too few for a validation split"),
        (["image,caption", "1.png,A.", "no.png,B.", "no.jpg,C."], "not in .*: no.png and 1 more. Add them"),
        (["image,caption", "no.png,A.", "no.png,B."], "not in .*: no.png. Add them"),
    ],
)
def test_says_what_is_wrong_with_the_file(tmp_path, pictures, lines, said):
    file = write(tmp_path / "captions.txt", *lines)
    with pytest.raises(Stop, match=f"captions.txt.*{said}"):
        # Whatever the split, so that it is said before a training and not after it.
        picture_folder.load("train", pictures, file)


def test_no_folder_no_file_no_text(tmp_path, pictures):
    file = write(tmp_path / "a.csv", "image,caption", "1.png,A dog.")
    for missing in ((None, file), (pictures, None)):
        with pytest.raises(Stop, match="--folder pictures --captions_file captions.csv"):
            picture_folder.load("train", *missing)
    for folder in (tmp_path / "none", file):
        with pytest.raises(Stop, match=f"There is no folder {folder}.*--folder"):
            picture_folder.load("train", folder, file)
    with pytest.raises(Stop, match=r"Cannot read .*none.csv \(No such file.*--captions_file"):
        picture_folder.load("train", pictures, tmp_path / "none.csv")
    with pytest.raises(Stop, match=r"Cannot read .*\(Is a directory"):
        picture_folder.load("train", pictures, tmp_path)
    (tmp_path / "b.csv").write_bytes("image,caption\n1.png,Größe\n".encode("latin-1"))
    with pytest.raises(Stop, match="b.csv is not text in UTF-8"):
        picture_folder.load("train", pictures, tmp_path / "b.csv")
    with pytest.raises(ValueError, match="Received: 'dev'"):
        picture_folder.load("dev", pictures, file)


@pytest.mark.parametrize(
    "content", [b"", b"A letter, not a picture.", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"]
)
def test_what_is_no_picture_is_named_whatever_the_split(tmp_path, content):
    names = [draw(tmp_path / f"{i}.png").name for i in range(60)]
    (tmp_path / "59.png").write_bytes(content)
    file = write(tmp_path / "a.csv", "image,caption", *(f"{name},A dog." for name in names))
    for split in SPLITS:
        with pytest.raises(Stop, match="59.png is no picture. Replace it"):
            picture_folder.load(split, tmp_path, file)


def test_a_picture_too_large_to_open_is_named(tmp_path):
    draw(tmp_path / "a.bmp")
    content = bytearray((tmp_path / "a.bmp").read_bytes())
    content[18:26] = (60_000).to_bytes(4, "little") * 2  # width and height in the header
    (tmp_path / "a.bmp").write_bytes(content)
    file = write(tmp_path / "a.csv", "image,caption", "a.bmp,A dog.")
    with pytest.raises(Stop, match="Cannot read .*a.bmp .*size.*Replace it"):
        picture_folder.load("train", tmp_path, file)


def test_pictures_of_other_forms_are_named(tmp_path):
    draw(tmp_path / "a.tiff")
    file = write(tmp_path / "a.csv", "image,caption", "a.tiff,A dog.")
    with pytest.raises(Stop, match="a.tiff is a picture in the form TIFF. Save it as JPEG, PNG"):
        picture_folder.load("train", tmp_path, file)


def test_pictures_are_read_when_their_turn_comes(tmp_path):
    names = [draw(tmp_path / f"{i}.png").name for i in range(60)]
    file = write(tmp_path / "a.csv", "image,caption", *(f"{name},A dog." for name in names))
    dataset = picture_folder.load("train", tmp_path, file)
    first = next(iter(dataset.as_numpy_iterator()))["id"].decode()
    draw(tmp_path / first, 255)
    assert next(iter(dataset.as_numpy_iterator()))["image"] == (tmp_path / first).read_bytes()
    for name in names:
        os.remove(tmp_path / name)
    with pytest.raises(tf.errors.NotFoundError):
        next(iter(dataset))
