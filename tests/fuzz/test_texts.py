"""Texts that nobody vouches for, on their way to a model: cleaned, divided, found again, shown."""

from hypothesis import given
from hypothesis import strategies as st

from apps import texts, translations
from apps.texts import InputError
from tests.fuzz import sent

# What comes by an address or from a browser may hold halves of surrogate pairs.
any_text = st.one_of(sent.text, st.text(st.characters(codec=None), max_size=30))


@given(any_text)
@sent.examples(150)
def test_what_is_cleaned_can_be_sent_to_a_model(text):
    cleaned, removed = texts.clean(text)
    cleaned.encode()
    assert removed >= 0 and "\r" not in cleaned and "\x00" not in cleaned
    assert texts.clean(cleaned) == (cleaned, 0)
    texts.has_words(text), texts.is_mostly_latin(text), texts.has_more_words(text, 3)
    assert not texts.spreadsheet_cell(text).lstrip().startswith(("=", "+", "-", "@"))


@given(any_text, st.lists(any_text.map(lambda text: text[:10]), max_size=10), st.lists(st.integers(0, 60), max_size=20))
@sent.examples(100)
def test_tokens_are_found_in_order(text, others, places):
    tokens = [text[place : place + 3].lower() for place in sorted(places)] + others
    spans = texts.align(text, tokens)
    assert len(spans) == len(tokens)
    end = 0
    for span in filter(None, spans):
        assert end <= span[0] < span[1] <= len(text)
        end = span[1]


@given(any_text)
@sent.examples(100)
def test_sentences_joined_are_the_text_again(text):
    try:
        prepared, remarks = translations.prepare(text)
    except InputError as error:
        assert str(error).strip()
        return
    sentences = translations.split(prepared)
    assert "".join(sentence.before + sentence.text for sentence in sentences) == prepared
    prepared.encode()


@given(sent.raw_text)
@sent.examples(60)
def test_files_of_text(data):
    try:
        translations.read_file(data).encode()
    except InputError as error:
        assert str(error).strip()
