"""Tunes that nobody vouches for: whatever the text, it is read or refused with a sentence, and nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps import tunes
from apps.texts import InputError
from seqkeras.media import abc
from tests.apps.stand_in import SYMBOLS
from tests.fuzz import sent


def answer(function, *arguments):
    """What a function gives, None where it says that the text is no tune, in one sentence."""
    try:
        return function(*arguments)
    except abc.ABCError as error:
        assert str(error).strip() and "\n" not in str(error)
        return None


@given(sent.tunes)
@sent.examples(150)
def test_a_text_is_a_tune_for_all_functions_or_for_none(text):
    normal = answer(abc.normalise, text)
    check = abc.check(text)
    parses = check.parses
    assert (normal is not None) <= parses  # a tune whose key changes has no normal form
    if not parses:
        assert check.problems
        for function in (abc.full, abc.notes, abc.piano_roll, abc.ends_on, abc.fits_key, abc.sheet, abc.midi):
            with pytest.raises(abc.ABCError):
                function(text)
    if normal is not None:
        assert abc.normalise(normal) == normal
        assert abc.notes(abc.full(normal)) == abc.notes(normal) == abc.notes(text)
        assert all(note.duration > 0 and note.start >= 0 for note in abc.notes(text, unfold=True))
        assert 0 <= abc.fits_key(text) <= 1 and 0 <= abc.ends_on(text) <= 7
        assert all(0 <= note["start"] < note["end"] for note in abc.piano_roll(text))


@given(sent.tunes, st.integers(-30, 30))
@sent.examples(60)
def test_a_transposed_tune_is_the_same_higher(text, semitones):
    moved = answer(abc.transpose, text, semitones)
    if moved is not None:
        assert [n.pitch + semitones for n in abc.notes(text)] == [n.pitch for n in abc.notes(moved)]
        assert [(n.start, n.duration) for n in abc.notes(text)] == [(n.start, n.duration) for n in abc.notes(moved)]


@given(sent.tunes, st.text(max_size=20))
@sent.examples(40)
def test_drawn_and_played_or_refused(text, title):
    drawn = answer(abc.sheet, text, 800, title)
    assert drawn is None or drawn.startswith("<svg") and 'class="note"' in drawn
    played = answer(abc.midi, text)
    assert played is None or played.startswith(b"MThd")


@given(sent.tunes.filter(lambda text: len(text) < 200))
@sent.examples(8)
def test_heard_or_refused(text):
    heard = answer(abc.sound, text, 8_000, 500)
    assert heard is None or heard.startswith(b"RIFF") and len(heard) > 44


@given(st.one_of(sent.raw_text, sent.tunes.map(str.encode)))
@sent.examples(60)
def test_files_of_tunes(data):
    try:
        text = tunes.read_file(data)
    except InputError:
        return
    found = tunes.split_tunes(text)
    assert found and all(isinstance(title, str) and len(title) <= 80 for title, _ in found)


@given(sent.tunes, st.sampled_from(["", "4", "16", "32"]))
@sent.examples(100)
def test_what_is_to_be_continued_is_a_prompt_or_refused(text, bars):
    try:
        request, remarks = tunes.own_request(SYMBOLS, text, bars)
    except InputError as error:
        assert str(error).strip()
    else:
        assert request.metre in tunes.choices(SYMBOLS, "M") and request.key in tunes.choices(SYMBOLS, "K")
        assert set(request.opening) <= set(SYMBOLS) and len(request.opening) <= tunes.MAX_OPENING
        assert all(remark.strip() for remark in remarks)
        request.prompt.encode()


@given(sent.text, st.sampled_from(["", "6/8"]), st.sampled_from(["", "Ador"]))
@sent.examples(60)
def test_an_opening_is_a_prompt_or_refused(text, metre, key):
    try:
        request, _ = tunes.new_request(SYMBOLS, metre, key, "", "16", text)
    except InputError as error:
        assert str(error).strip()
    else:
        assert set(request.opening) <= set(SYMBOLS)
