import random

import pytest

from apps import texts
from apps.texts import InputError


def found(text, tokens):
    return [None if span is None else text[span[0] : span[1]] for span in texts.align(text, tokens)]


@pytest.mark.parametrize(
    "text, tokens, parts",
    [
        ("Good, GOOD!", ["good", ",", "good", "!"], ["Good", ",", "GOOD", "!"]),
        ("Don't stop", ["don't", "stop"], ["Don't", "stop"]),
        ("Don't stop", ["don", "'", "t", "stop"], ["Don", "'", "t", "stop"]),
        ("a  b\n\nc", ["a", "b", "c"], ["a", "b", "c"]),
        ("I was sad", ["i", "as", "sad"], ["I", None, "sad"]),
        ("one zzz two", ["one", "[UNK]", "two"], ["one", None, "two"]),
        ("one two", ["one", "", "two"], ["one", None, "two"]),
        ("İstanbul IST", ["istanbul", "ist"], [None, "IST"]),
        ("İYI gün", ["i̇yi", "gün"], ["İYI", "gün"]),
        ("ΣΑΣ", ["σασ"], ["ΣΑΣ"]),
        ("", ["a"], [None]),
        ("a", [], []),
    ],
)
def test_align_finds_tokens_in_the_text(text, tokens, parts):
    assert found(text, tokens) == parts


def test_align_reaches_over_a_long_part_without_tokens():
    text = "start " + "<br /> " * 200 + "good bad fine end"
    tokens = ["start", *["[UNK]"] * 6, "good", "bad", "fine", "end"]
    assert found(text, tokens)[-4:] == ["good", "bad", "fine", "end"]


def test_a_token_that_is_not_there_disturbs_no_other():
    text = " ".join(f"word{index}" for index in range(300))
    tokens = text.split()
    tokens.insert(100, "missing")
    assert [span for index, span in enumerate(texts.align(text, tokens)) if index != 100] == texts.align(
        text, text.split()
    )


@pytest.mark.parametrize("seed", range(200))
def test_align_gives_ascending_spans_that_equal_their_tokens(seed):
    generator = random.Random(seed)
    alphabet = "aAbBéÉßİſσΣς .,!'\n\t<>&\"漢🙂\u0301"
    text = "".join(generator.choices(alphabet, k=generator.randrange(120)))
    tokens = [token for token in text.lower().split() if generator.random() < 0.8]
    tokens += ["".join(generator.choices(alphabet, k=3)) for _ in range(3)]
    generator.shuffle(tokens)
    end = 0
    for token, span in zip(tokens, texts.align(text, tokens), strict=True):
        if span is None:
            continue
        assert end <= span[0] < span[1] <= len(text)
        part = "".join(character.lower() for character in text[span[0] : span[1]])
        assert "".join(character.lower() for character in token) in part
        end = span[1]


@pytest.mark.parametrize("seed", range(50))
def test_align_finds_every_word_of_a_text_it_was_split_from(seed):
    generator = random.Random(seed)
    words = ["".join(generator.choices("abcXYZ", k=generator.randrange(1, 6))) for _ in range(generator.randrange(80))]
    text = "".join(word + generator.choice([" ", "\n", "   "]) for word in words)
    assert found(text, [word.lower() for word in words]) == words


def test_clean_keeps_what_can_be_seen():
    assert texts.clean("a\r\nb\rc\td") == ("a\nb\nc\td", 0)
    assert texts.clean("a\x00b\x1b[0m\x7f") == ("a b [0m ", 3)
    assert texts.clean("\ud800x")[0].encode("utf-8") == b" x"


@pytest.mark.parametrize("text, expected", [("🙂🙂", False), ("!?…", False), ("_", False), ("5/5", True), ("好", True)])
def test_has_words(text, expected):
    assert texts.has_words(text) is expected


@pytest.mark.parametrize(
    "text, expected", [("Très bon café", True), ("очень хорошо", False), ("好吃", False), ("", True)]
)
def test_is_mostly_latin(text, expected):
    assert texts.is_mostly_latin(text) is expected


def test_has_more_words_counts_punctuation_too():
    assert [texts.has_more_words("Good, not bad.", number) for number in (4, 5)] == [True, False]


def test_read_lines_passes_over_empty_ones():
    assert texts.read_lines(" one \r\n\n two\x00") == ["one", "two"]


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_read_lines_wants_a_text(text):
    with pytest.raises(InputError, match="no text yet"):
        texts.read_lines(text)


def test_read_lines_states_its_limit():
    with pytest.raises(InputError, match="10,001 lines; at most 10,000"):
        texts.read_lines("a\n" * 10_001)


def test_read_csv_takes_quotes_line_breaks_marks_and_other_delimiters():
    table = texts.read_csv('\ufeffid,text\r\n1,"a, ""b""\nc"\r\n\r\n2,d\r\n'.encode())
    assert table == texts.Table(["id", "text"], [["1", 'a, "b"\nc'], ["2", "d"]])
    assert texts.read_csv(b"id;text\n1;a, b\n").rows == [["1", "a, b"]]
    assert texts.read_csv(b"id\ttext\n1\ta\n").columns == ["id", "text"]


def test_read_csv_without_a_header_loses_no_row():
    assert texts.read_csv(b"good\nbad\n", header=False) == texts.Table(["column 1"], [["good"], ["bad"]])


def test_read_csv_takes_a_long_cell():
    assert len(texts.read_csv(b"text\n" + b"a" * 200_000).rows[0][0]) == 200_000


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b'""\n', "empty"),
        (b",,\n", "empty"),
        ("text\ncafé".encode("latin-1"), "not in UTF-8 .*byte 9"),
        ("text\ngood".encode("utf-16"), "not in UTF-8"),
        (b"text\ngo\x00od", "zero bytes"),
        (b"a,b\n1,2\n3\n", "Line 3 has 1 cell where the first row has 2"),
        (b"a,b\n1,2,3\n", "Line 2 has 3 cells where the first row has 2"),
        (b'text\n"never closed\n', "not valid CSV"),
        (b'text\n"a"b\n', "not valid CSV"),
        (b"only a header\n", "one row only"),
        (b"text\n" + b"a\n" * 10_001, "10,001 rows; at most 10,000"),
        (b"a" * (25 * 2**20 + 1), "larger than 25 MB"),
    ],
)
def test_read_csv_says_what_is_wrong(data, sentence):
    with pytest.raises(InputError, match=sentence):
        texts.read_csv(data)


@pytest.mark.parametrize("seed", range(100))
def test_read_csv_answers_any_bytes_with_a_table_or_a_sentence(seed):
    generator = random.Random(seed)
    data = bytes(generator.choices(b'ab,;\t"\n\r\x00\xc3\xa9\xff ', k=generator.randrange(60)))
    try:
        table = texts.read_csv(data)
    except InputError as error:
        assert str(error).endswith(".")
    else:
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize(
    "columns, rows, expected",
    [
        (["id", "Review "], [["1", "x"]], 1),
        (["date", "remark"], [["2020-01-01 10:00:00", "a fine long remark about it"]], 1),
        (["n", "m"], [["1", "2"]], 0),
    ],
)
def test_likely_text_column(columns, rows, expected):
    assert texts.Table(columns, rows).likely_text_column() == expected


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a)", " =1+1", "\t=1+1", "＝1+1"])
def test_no_cell_is_a_formula(text):
    assert texts.spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "A dog.", "'=1"])
def test_other_cells_stay_as_they_are(text):
    assert texts.spreadsheet_cell(text) == text


def test_numbers_are_kept_within_bounds_and_nonsense_is_passed_over():
    assert texts.number("3.5", 1, 0, 10) == 3.5 and texts.number(7, 1, 0, 5) == 5 and texts.number("-2", 1, 0, 5) == 0
    assert {texts.number(said, 1, 0, 5) for said in (None, "", "many", "nan", "inf", "-inf", "1,5")} == {1}
