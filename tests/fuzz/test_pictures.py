"""Bytes that nobody vouches for: a picture fit for the model, or a refusal in a sentence."""

import io

from hypothesis import given
from PIL import Image

from apps import pictures
from apps.texts import InputError
from tests.fuzz import sent


@given(sent.pictures())
@sent.examples(150)
def test_bytes_are_a_picture_or_refused(data):
    try:
        picture = pictures.read(data)
    except InputError as error:
        assert str(error).strip() and "\n" not in str(error)
        return
    assert 1 <= min(picture.width, picture.height) and max(picture.width, picture.height) <= pictures.SIDE
    for jpeg in (picture.jpeg, picture.small):
        with Image.open(io.BytesIO(jpeg)) as image:
            image.load()
            assert image.format == "JPEG" and image.mode == "RGB"


@given(sent.text)
@sent.examples(60)
def test_a_files_name_becomes_a_line(name):
    tidied = pictures.tidy(name)
    assert len(tidied) <= 120 and tidied == " ".join(tidied.split()) and "/" not in tidied
