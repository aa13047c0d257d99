"""Tables that nobody vouches for: the upload of many reviews, and the files that training reads."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps import texts
from apps.texts import InputError
from tests.fuzz import sent
from training import Stop
from training.datasets import captions, csv_reviews, picture_folder


@given(sent.csv_files(), st.booleans())
@sent.examples(150)
def test_an_upload_is_a_table_or_refused(data, header):
    try:
        table = texts.read_csv(data, header=header)
    except InputError as error:
        assert str(error).strip()
        return
    assert table.rows and all(len(row) == len(table.columns) for row in table.rows)
    assert all(name.strip() for name in table.columns)
    assert 0 <= table.likely_text_column() < len(table.columns)
    # As the page makes of it, and as it is downloaded again.
    frame = pd.DataFrame(table.rows, columns=table.columns)
    assert frame.shape == (len(table.rows), len(table.columns))
    frame.to_csv(index=False).encode()


@given(sent.text)
@sent.examples(100)
def test_lines_are_texts_or_refused(text):
    try:
        lines = texts.read_lines(text)
    except InputError:
        assert not text.split() or not texts.clean(text)[0].split()
    else:
        assert lines == [line for line in lines if line.strip()] and "\n" not in "".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (4, 4)).save(folder / name)
    return folder


@given(
    sent.csv_files(("text", "label"), label=st.sampled_from(list(csv_reviews.LABELS))),
    st.sampled_from(list(csv_reviews.SHARES)),
)
@sent.examples(60)
def test_reviews_to_learn_from_are_read_or_refused(folder, data, split):
    (folder / "reviews.csv").write_bytes(data)
    try:
        found = list(csv_reviews.load(split, folder / "reviews.csv").as_numpy_iterator())
    except Stop as stop:
        assert str(stop).strip()
    else:
        assert found and all(row["label"] in (0, 1) and row["text"].decode().strip() for row in found)


@given(
    st.one_of(
        sent.csv_files(("image", "caption", "more"), image=st.sampled_from(["a.png", "./b.jpg", "../a.png", "c"])),
        sent.text.map(str.encode),
    )
)
@sent.examples(80)
def test_captions_to_learn_from_are_read_or_refused(folder, data):
    (folder / "captions.csv").write_bytes(data)
    with pytest.raises(Stop, match=r"."):  # two pictures are too few, whatever else is right
        picture_folder.load("train", folder, folder / "captions.csv")


@given(
    st.lists(st.sampled_from(["a.jpg#0\tA dog.", "#", "\t", "\n", "b#1\t", "x#y#2\tA \u2028cat."]), max_size=8).map(
        "\n".join
    )
)
@sent.examples(30)
def test_flickrs_captions_are_read_or_refused(text):
    try:
        found = captions.read_tokens(text)
    except ValueError as error:
        assert "is not NAME#0<TAB>caption" in str(error)
    else:
        assert all(name and lines for name, lines in found.items())
