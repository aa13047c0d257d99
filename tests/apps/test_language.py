import math
import random

import pytest

from apps import language, models
from apps.language import CHARACTERS, WORDS, Settings, Word, Writing
from apps.models import ModelError
from apps.texts import InputError


@pytest.fixture
def characters(saved_models):
    return models.load("language/shakespeare")


@pytest.fixture
def words(saved_models):
    return models.load("language/penn_treebank")


def written(model, prompt="", length=40, **settings):
    writing = Writing(model, prompt, length, Settings(**settings))
    while not writing.ended:
        writing.step()
    return writing


# The models


def test_the_models_there_are_come_in_order_with_what_they_read(saved_models, characters, words):
    assert language.available() == ["shakespeare", "penn_treebank"]
    assert (language.level(characters), language.level(words)) == (CHARACTERS, WORDS)
    assert "2.50 bits" in language.measured(characters) and "perplexity 2.5" in language.measured(words)


def test_without_a_model_both_commands_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="--corpus shakespeare.*--corpus penn_treebank"):
        language.available()


def test_a_model_of_ones_own_has_its_files_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    for name in ("my_letters", "penn_treebank"):
        (tmp_path / "language" / name).mkdir(parents=True)
        (tmp_path / "language" / name / "saved_model.pb").touch()
    (tmp_path / "language" / "unfinished").mkdir()
    assert language.available() == ["penn_treebank", "my_letters"]
    assert language.corpus("my_letters").title == "my letters"


# What a visitor gives


def prepared(text, level=CHARACTERS, symbols="abc' -\n", **options):
    return language.prepare(text, list(symbols), level, **options)


def test_what_is_known_stays_as_it_is():
    assert prepared("a b\r\nc'") == ("a b\nc'", [])
    assert prepared("") == ("", [])


@pytest.mark.parametrize(
    "text, read, sentence",
    [
        ("a🙂b", "ab", "Left out, because the model has no sign for them: 🙂."),
        ("a\x00b", "a b", "Control characters, which cannot be seen, were read as spaces: 1."),
        ("a’b—c", "a'b--c", "Read in their plain form: ’ and —."),
        ("a\u200bb", "ab", "U+200B"),
        ("日本", "", "nothing of your text"),
        ("a" * 5_000 + "b", "a" * 3_999 + "b", "only its last 4,000 characters are read"),
    ],
)
def test_what_a_character_model_cannot_read_is_said(text, read, sentence):
    found, remarks = prepared(text)
    assert found == read and sentence in " ".join(remarks)


def test_of_a_long_text_the_last_words_are_kept_or_the_first():
    text = " ".join(map(str, range(5_000)))
    last, remarks = prepared(text, WORDS)
    assert last.split() == [str(number) for number in range(1_000, 5_000)] and "last 4,000 words" in remarks[0]
    first, remarks = prepared(text, WORDS, end=False)
    assert first.split() == [str(number) for number in range(4_000)] and "first 4,000 words" in remarks[0]


@pytest.mark.parametrize(
    "text, read, sentences",
    [
        ("The king.", "the king\n", []),
        ("The zebra, the king", "the <unk> the king", ["not learned were read as <unk>: zebra."]),
        ("Zebra said the O'Neill 12 times", "<unk> said the <unk> N <unk>", ["Zebra, O'Neill and times"]),
        ("The king’s zebra, it's “fell” `", "the king's <unk>, it's fell", ["<unk>: zebra."]),
        ("the king 🙂 said", "the king said", ["no sign for them: 🙂."]),
        ("<b>zebra</b>", "<unk> <unk> <unk>", ["b and zebra."]),
        ("Ζέβρα 日本", "<unk> <unk>", ["Ζέβρα and 日本"]),
    ],
)
def test_words_that_are_not_known_are_named(text, read, sentences):
    remarks = language.unknown_words(text, read)
    assert len(remarks) == len(sentences)
    for remark, sentence in zip(remarks, sentences):
        assert sentence in remark


def test_words_taken_apart_are_not_those_replaced():
    tokens = ["the", "<unk>", "do", "n't", "<unk>", "N", "\n", "<unk>"]
    originals, left_out = language._originals("The zebra, don’t pay 500. Okapi", tokens)
    assert [originals[place] for place in (0, 1, 4, 5, 6, 7)] == ["The", "zebra", "pay", "500", "\n", "Okapi"]
    assert not left_out.strip(" ,.’")


def test_no_text_is_too_strange(characters, words):
    generator = random.Random(0)
    pieces = [*"ab ,.'<>&*_`\n\t\x00🙂é日\u200b\ud800", "the", "zebra", "<unk>", "12", "don't", "\u0301", "N"]
    for _ in range(60):
        text = "".join(generator.choices(pieces, k=generator.randrange(30)))
        for model in (characters, words):
            level = language.level(model)
            read, remarks = language.prepare(text, language.vocabulary(model), level)
            if level == WORDS:
                given = Writing(model, read, 1).given
                remarks += language.unknown_words(read, given)
            assert all(remark.endswith(".") for remark in remarks)
            language.suggest(model, text, 3)
            try:
                scored = language.score(model, [text, "the king"])
            except InputError:
                continue
            assert all(value <= 0 for one in scored for value in one.log_probabilities)


# Writing


def test_a_text_goes_on_from_the_prompt_to_its_length(characters):
    writing = written(characters, "the ap", 30)
    assert writing.given == "the ap" and len(writing.written) == 30
    assert writing.text == "the ap" + "".join(symbol.text for symbol in writing.written)
    writing.step()
    assert len(writing.written) == 30


def test_probabilities_are_those_of_the_model_before_any_choice(characters):
    writing = written(characters, "", 1, top_k=1, temperature=0.1)
    symbol = writing.written[0]
    found = language.suggest(characters, "", 3).likeliest
    assert (symbol.text, symbol.probability) == (found[0][0], pytest.approx(found[0][1], rel=1e-4))
    assert [text for text, _ in symbol.others] == [text for text, _ in found[1:]]


def test_the_same_seed_gives_the_same_text_and_another_another(characters):
    assert written(characters, seed=3).text == written(characters, seed=3).text
    assert written(characters, seed=3).text != written(characters, seed=4).text


def test_going_on_gives_what_would_have_come_at_once(characters):
    writing = written(characters, length=15, seed=5)
    writing.length = 40
    while not writing.ended:
        writing.step()
    assert writing.text == written(characters, length=40, seed=5).text


def test_a_failing_step_leaves_the_text_and_chance_as_they_were(characters, monkeypatch):
    writing = written(characters, length=10, seed=6)
    writing.length = 30
    call = models.Model.call

    def failing(self, signature, **inputs):
        raise ModelError("The model could not answer.")

    monkeypatch.setattr(models.Model, "call", failing)
    with pytest.raises(ModelError):
        writing.step()
    assert len(writing.written) == 10
    monkeypatch.setattr(models.Model, "call", call)
    while not writing.ended:
        writing.step()
    assert writing.text == written(characters, length=30, seed=6).text


def test_unknown_is_written_only_where_it_is_allowed(words):
    hot = {"temperature": 2.0, "top_p": 1.0}
    for seed in range(3):
        assert "<unk>" not in written(words, "zebra", 100, seed=seed, **hot).text.removeprefix("<unk>")
    assert any("<unk>" in written(words, "the", 100, seed=seed, unknown=True, **hot).text for seed in range(3))


def test_a_word_model_writes_spaces_where_people_do(words):
    writing = written(words, "The King said", 60)
    assert writing.given == "the king said" and writing.text.startswith("the king said ")
    assert "  " not in writing.text and " \n" not in writing.text and "\n " not in writing.text
    assert writing.text.split() == ("the king said " + " ".join(symbol.text for symbol in writing.written)).split()


@pytest.mark.parametrize(
    "before, word, between",
    [
        ("", "the", ""), ("the", "king", " "), ("the", "\n", ""), ("fell\n", "the", ""), ("do", "n't", ""),
        ("king", "'s", ""), ("king", "'scuse", " "), ("king", ",", ""), ("(", "see", ""), ("5", "%", ""),
        ("the ", "king", ""),
    ],
)  # fmt: skip
def test_space_between_words(before, word, between):
    assert language.space(before, word) == between


def test_the_home_page_shows_the_beginning_of_the_linked_text(saved_models, characters):
    text = language.beginning("My lord, the king")
    prompt, _ = language.prepare("My lord, the king", language.vocabulary(characters), CHARACTERS)
    assert text and written(characters, prompt, 60).text.endswith(text)


# Weighing


def test_the_words_of_a_sentence_add_up_to_its_log_probability(characters, words):
    for model in (characters, words):
        for one in language.score(model, ["The apple and pear salad, was good!", "the\nking  "]):
            assert math.fsum(word.log_probability for word in one.words) == pytest.approx(one.log_probability)
            assert one.log_probability < 0 and len(one.pieces) == len(one.log_probabilities)


def test_the_pear_salad_is_likelier_than_the_pair_salad(characters, words):
    for model in (characters, words):
        pear, pair = language.score(model, language.PAIRS["Pear or pair"])
        assert pear.log_probability > pair.log_probability
        differing = [
            (one.text, other.text)
            for one, other in language.side_by_side(pear.words, pair.words)
            if one.text != other.text
        ]
        assert differing == [("pear", "pair" if model is characters else "pair*")]


def test_a_log_probability_is_the_sum_of_those_of_each_step(characters):
    one, _ = language.score(characters, ["the", "x"])
    total, text = 0.0, ""
    for character in "the":
        total += math.log(dict(language.suggest(characters, text, 60).likeliest)[character])
        text += character
    assert one.log_probability == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("pair, sentence", [(("", "a"), "Write a sentence into each"), (("a", "日本🙂"), "the second")])
def test_a_sentence_that_cannot_be_read_is_explained(characters, pair, sentence):
    with pytest.raises(InputError, match=sentence):
        language.score(characters, pair)


def test_the_same_words_stand_beside_each_other():
    def sentence(text):
        return [Word(word, -1.0) for word in text.split()]

    rows = language.side_by_side(sentence("The pear is ripe"), sentence("the pair is very ripe now"))
    texts = [tuple(word.text if word else None for word in row) for row in rows]
    assert texts == [("The", "the"), ("pear", "pair"), ("is", "is"), (None, "very"), ("ripe", "ripe"), (None, "now")]


@pytest.mark.parametrize(
    "nats, words",
    [(0.0, "1.0"), (1.0, "2.7"), (5.0, "148"), (10.0, "22,026"), (math.log(1e12), "10¹²"), (2_000.0, "10⁸⁶⁹")],
)
def test_how_many_times_likelier(nats, words):
    assert language.times(nats) == words


# What may come next


def test_suggestions_come_likeliest_first_with_their_probabilities(words):
    found = language.suggest(words, "The ", 4)
    shares = [probability for _, probability in found.likeliest]
    assert found.likeliest[0][0] == "king" and shares == sorted(shares, reverse=True) and len(shares) == 4
    assert 0 < found.unknown < 0.1 and "<unk>" not in dict(language.suggest(words, "the ", 24).likeliest)


def test_a_word_begun_is_completed(words):
    found = language.suggest(words, "The stock ma", 4)
    assert (found.before, found.completing) == ("The stock ", "ma")
    assert [word for word, _ in found.likeliest] == ["market"]
    assert dict(language.suggest(words, "The stock ", 4).likeliest)["market"] == pytest.approx(found.likeliest[0][1])
    assert language.appended(found.before, "market", WORDS) == "The stock market"


def test_a_word_that_nothing_completes_is_named(words):
    assert "<unk>: zebra" in language.suggest(words, "the zebra", 4).remarks[0]
    assert not language.suggest(words, "the king", 4).remarks


@pytest.mark.parametrize(
    "text, symbol, level, whole",
    [
        ("the", "king", WORDS, "the king"),
        ("the ", "king", WORDS, "the king"),
        ("", "king", WORDS, "king"),
        ("fell", "\n", WORDS, "fell⏎"),
        ("fell⏎", "the", WORDS, "fell⏎the"),
        ("th", "e", CHARACTERS, "the"),
        ("the", "\n", CHARACTERS, "the⏎"),
    ],
)
def test_a_suggestion_is_appended(text, symbol, level, whole):
    assert language.appended(text, symbol, level) == whole


def test_the_end_of_a_line_is_read_as_one(words):
    assert language.suggest(words, "fell⏎", 3).likeliest == language.suggest(words, "", 3).likeliest
