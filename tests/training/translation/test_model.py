import numpy as np
import pytest
import tensorflow as tf

from seqkeras.text.subwords import UNKNOWN
from training.translation.model import LONG, MOST_CHARACTERS, MOST_WORDS, TOGETHER, WIDTHS, Translator

SENTENCES = ["Where is the cat?", "Marie sees a dog.", "I am not free.", "We would like two apples, please!"]
TEXTS = ["Where is the cat? I am not free.", "", "Marie sees a dog.\n\n12:30 h\nI am here. Are you?", "12.", "Key"]


@pytest.fixture(scope="module")
def model(saved):
    return tf.saved_model.load(str(saved))


@pytest.fixture(scope="module")
def say(echo):
    """A function that translates texts with a model that writes what it reads."""
    return as_function(echo.translate)


@pytest.fixture
def sentences(echo, monkeypatch):
    """A function from a text to the sentences that it is translated in."""
    search, read = echo.search, []

    def listen(sentences, *arguments):
        read.extend(sentence.decode() for sentence in sentences.numpy())
        return search(sentences, *arguments)

    def translate(text):
        read.clear()
        echo.translate(tf.constant([text]))
        return list(read)

    monkeypatch.setattr(echo, "search", listen)
    return translate


@pytest.fixture
def looking_at(echo):
    """A function that makes `say`'s model look at one place all the time."""
    yield echo.model.look_at.assign
    echo.model.look_at.assign(-1)


def as_function(translate):
    translate = tf.function(translate, input_signature=[tf.TensorSpec((None,), tf.string)])
    return lambda *texts: [text.decode() for text in translate(tf.constant(texts, tf.string))["translation"].numpy()]


def translations(model, texts):
    return model.signatures["serving_default"](text=tf.constant(texts, tf.string))["translation"].numpy().tolist()


def beams(model, texts, width, length_penalty=0.6):
    return model.signatures["beam"](
        text=tf.constant(texts, tf.string),
        width=tf.constant(width),
        length_penalty=tf.constant(length_penalty, tf.float32),
    )


# What stands in a text stays there


@pytest.mark.parametrize(
    "text",
    [
        "Where is the cat?",
        "Where is the cat? Marie sees a dog.",
        "Where is the cat?  Marie sees a dog.\tI am free.",
        "  Where is the cat?\t",
        "\n\n  Where is the cat?\n\n\n\tMarie sees a dog.  \n",
        "Where is the cat?\r\n\r\nMarie sees a dog.\r\n",
        "Where is the cat?\rMarie sees a dog.",
        "The cat\nThe dog\nThe key",
        "1. The cat\n2. The dog\n\n---\n\n* The key",
        'Marie says: "The cat is sick." We are sad… Are we?! Yes.',
        "Mr. Paul is sick. It's Anna's key.",
        "\u3000The cat.\u2028The dog.\u00a0\n\u00a0\vThe key.\u2003",
    ],
)
def test_all_between_sentences_stays(say, text):
    assert say(text) == [text]


@pytest.mark.parametrize("text", ["", " ", "\n", "12:30", "...", " \t\n ", "12:30\n— 5 € !?\r\n", "🙂 🙂", "。！？"])
def test_texts_without_letters_stay_as_they_are(say, text):
    assert say(text, "Key.", text) == [text, "Key.", text]


def test_no_texts_no_translations(say, model):
    assert say() == []
    none = tf.zeros((0,), tf.string)
    assert translations(model, none) == []
    assert beams(model, none, 4)["translations"].shape == (0, 4)
    assert model.signatures["attend"](text=none)["attention"].shape == (0, 0, 0)
    assert model.signatures["known"](text=none)["known"].shape == (0,)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The cat. The dog! The key?", ["The cat.", "The dog!", "The key?"]),
        ("Mr. Paul is here. Mrs. Anna is not.", ["Mr. Paul is here.", "Mrs. Anna is not."]),
        ("I see J. S. Bach. Dr. Anna too.", ["I see J. S. Bach.", "Dr. Anna too."]),
        ('"It is here." "Where?" (Yes.) No.', ['"It is here."', '"Where?"', "(Yes.)", "No."]),
        ("A line\nand another one.\n12\n", ["A line", "and another one."]),
        ("It costs 3.50 at www.shop.com today.", ["It costs 3.50 at www.shop.com today."]),
        ("It is... late.", ["It is...", "late."]),
    ],
)
def test_sentences_end_where_they_end(sentences, text, expected):
    assert sentences(text) == expected


def test_more_sentences_than_are_translated_together(say):
    texts = [SENTENCES[number % 4] for number in range(TOGETHER + 6)]
    assert say(*texts) == texts
    assert say(" ".join(texts)) == [" ".join(texts)]


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", "\f", "\u00a0", "\u2028"])
def test_endless_text_is_read_in_parts(sentences, say, space):
    text = space.join(["the", "cat"] * 200)
    assert max(len(sentence.split()) for sentence in sentences(text)) <= MOST_WORDS
    assert say(text)[0].lower().split() == text.split()


def test_ten_thousand_words(say):
    text = " ".join(["Where is the cat?", "The dog is", "behind the house."] * 1000)
    assert len(text.split()) == 10_000
    assert say(text) == [text]
    text = " ".join(["the"] * 10_000)
    assert say(text)[0].lower() == text


def test_endless_words(sentences, say):
    for word in ("a" * 5000, "é" * 5000, "ab1-" * 1250):
        assert say(word)[0].lower() == word
        assert max(map(len, sentences(word))) <= MOST_CHARACTERS
    assert say("汉" * 5000) == ["汉" * 5000]


def test_many_endless_words(sentences, say):
    text = " ".join(["a" * 150] * 60)
    assert max(map(len, sentences(text))) <= LONG + MOST_CHARACTERS
    assert say(text)[0].lower() == text


def test_bytes_that_are_no_text(model, say):
    for text in (b"\xff\xfeThe cat.\x00", b"\x00", b"\xff", b"The \x00cat\xed\xa0\x80. \xc3"):
        for written in say(text) + [text.decode() for text in translations(model, [text])]:
            assert isinstance(written, str)
    assert say(b"\xff The cat. ", b"The \x00cat.\x00") == ["\ufffd The cat. ", "The cat.\x00"]


# Words that the training texts lack


def test_unknown_words_are_copied(say):
    for text in ("Marie sees 漢字.", "Ж is here.", "Marie sees a dog 🙂 and 漢字 🙂."):
        assert say(text) == [text]


def test_what_is_copied_is_the_word_looked_at_most(say, subwords, looking_at):
    pieces = subwords[0].segment(tf.constant(["Marie sees 漢字 here."]))
    assert (pieces.ids.flat_values.numpy() == UNKNOWN).sum() == 1
    looking_at(pieces.word_index.to_list()[0].index(1))
    assert say("Marie sees 漢字 here.") == ["Marie sees sees here."]


def test_the_end_of_a_sentence_is_never_copied(say, looking_at):
    # It is one piece, and behind it stands the end.
    looking_at(1)
    assert say("漢字") == ["漢字"]


@pytest.mark.parametrize("attention", ["bahdanau", None])
def test_unknown_is_never_written_out(tiny, subwords, attention):
    network = tiny(attention=attention)
    bias = np.zeros(len(subwords[0]))
    bias[[0, 1, UNKNOWN]] = 1e4, 1e4, 1e3
    network.output_bias.assign(bias)
    translator = Translator(network, subwords, width=2, length_penalty=0.0)
    assert translator.attends == (attention is not None)
    written = as_function(translator.translate)("Marie sees a dog.")[0]
    assert "<" not in written and written
    if attention:  # it would write unknown words alone, and each is one of the source's
        assert set(written.lower().replace(".", " ").split()) <= {"marie", "sees", "a", "dog"}


# Beams


def test_saved_model_gives_the_same(model, translator):
    text = tf.constant(TEXTS)
    assert translations(model, TEXTS) == as_bytes(translator.translate(text)["translation"])
    ours = translator.beam(text, tf.constant(4), tf.constant(1.0))
    theirs = beams(model, TEXTS, 4, 1.0)
    assert as_bytes(ours["translations"]) == as_bytes(theirs["translations"])
    np.testing.assert_allclose(ours["scores"], theirs["scores"], rtol=1e-4)


def as_bytes(strings):
    return strings.numpy().tolist()


def test_a_text_is_its_sentences(model):
    alone = [text.decode() for text in translations(model, SENTENCES)]
    assert len(set(alone)) == len(alone)
    together = translations(model, [" ".join(SENTENCES), "\n\n".join(SENTENCES), SENTENCES[2]])
    assert [text.decode() for text in together] == [" ".join(alone), "\n\n".join(alone), alone[2]]


def test_scores_are_the_sums_over_sentences(model):
    alone = beams(model, SENTENCES, 3)["scores"].numpy()
    together = beams(model, [" ".join(SENTENCES), "12"], 3)["scores"].numpy()
    np.testing.assert_allclose(together, [alone.sum(axis=0), [0, 0, 0]], rtol=1e-4)


def test_plain_translation_is_the_first_beam(model, translator):
    found = beams(model, TEXTS, translator.width, translator.length_penalty)
    assert as_bytes(found["translations"][:, 0]) == translations(model, TEXTS)


@pytest.mark.parametrize("width", [1, 2, 7])
def test_beams_are_as_many_as_asked_the_best_first(model, width):
    found = beams(model, SENTENCES, width)
    assert found["translations"].shape == found["scores"].shape == (len(SENTENCES), width)
    assert (np.diff(found["scores"]) <= 0).all() and (found["scores"].numpy() < 0).all()
    for texts in as_bytes(found["translations"]):
        assert len(set(texts)) > width // 2  # two of them may be the same text in other pieces


def test_wider_search_finds_nothing_worse(model):
    scores = [beams(model, SENTENCES, width, 0.0)["scores"].numpy()[:, 0].sum() for width in (1, 40)]
    assert scores[0] <= scores[1] + 1e-4


@pytest.mark.parametrize("width, expected", [(0, 1), (-3, 1), (1000, WIDTHS[1]), (2**31 - 1, WIDTHS[1])])
def test_width_is_kept_within_its_range(model, width, expected):
    assert beams(model, ["Key."], width)["translations"].shape == (1, expected)


@pytest.mark.parametrize(
    "penalty, same", [(float("nan"), 0.6), (-3.0, 0.0), (1000.0, 3.0), (float("inf"), 3.0), (-float("inf"), 0.0)]
)
def test_length_penalty_is_kept_within_its_range(model, penalty, same):
    odd, plain = beams(model, SENTENCES[:2], 3, penalty), beams(model, SENTENCES[:2], 3, same)
    assert as_bytes(odd["translations"]) == as_bytes(plain["translations"])
    np.testing.assert_array_equal(odd["scores"], plain["scores"])


# Attention


def test_attention_is_that_of_each_sentence_alone(model):
    attend = model.signatures["attend"]
    texts = [" ".join(SENTENCES[:3]), "", "12", SENTENCES[3], f"12.\n{SENTENCES[0]}\n\n"]
    found = {name: value.numpy() for name, value in attend(text=tf.constant(texts)).items()}
    assert found["translation"].tolist() == translations(model, texts)
    assert found["attention"].shape == (len(texts), found["target"].shape[1], found["source"].shape[1])
    for row, alone in ((0, SENTENCES[:3]), (1, []), (2, []), (3, SENTENCES[3:]), (4, SENTENCES[:1])):
        expected = np.zeros(found["attention"].shape[1:])
        words = {"target": [], "source": []}
        for sentence in alone:
            # Beside the longest one: an untrained model writes as long as it may, twice as long as the longest source.
            one = attend(text=tf.constant([sentence, SENTENCES[3]]))
            new = {name: [word for word in one[name][0].numpy().tolist() if word] for name in words}
            t, s, t_size, s_size = (len(part[name]) for part in (words, new) for name in ("target", "source"))
            expected[t : t + t_size, s : s + s_size] = one["attention"][0, :t_size, :s_size]
            words = {name: words[name] + new[name] for name in words}
        np.testing.assert_allclose(found["attention"][row], expected, atol=1e-5)
        for name, expected in words.items():
            there = found[name][row].tolist()
            assert there == expected + [b""] * (len(there) - len(expected))


def test_attention_is_a_share_of_each_word(model):
    found = model.signatures["attend"](text=tf.constant(SENTENCES))
    sums = found["attention"].numpy().sum(axis=2)
    there = found["target"].numpy() != b""
    assert (sums <= 1 + 1e-5).all() and (sums[there] > 0).all() and (sums[~there] == 0).all()


def test_words_are_those_of_text_and_translation(model):
    found = {n: v.numpy() for n, v in model.signatures["attend"](text=tf.constant(SENTENCES)).items()}
    for row, sentence in enumerate(SENTENCES):
        for words, text in ((found["source"], sentence), (found["target"], found["translation"][row].decode())):
            joined = b"".join(words[row]).decode()
            assert joined.lower() == "".join(text.split()).lower()


def test_attention_of_a_model_that_looks_where_it_writes(echo, subwords, looking_at):
    found = echo.attend(tf.constant(["Marie sees two umbrellas.", "Key."]))
    np.testing.assert_allclose(found["attention"][0], np.eye(found["source"].shape[1]), atol=1e-6)
    assert found["source"][0].numpy().tolist() == [b"Marie", b"sees", b"two", b"umbrellas", b"."]
    # The end of the sentence is no word.
    looking_at(int(subwords[0].segment(tf.constant(["Key."])).ids.row_lengths()[0]))
    away = echo.attend(tf.constant(["Key."]))
    assert not away["attention"].numpy().any() and away["target"][0].numpy().tolist() == [b"key", b"."]


# How much of a text is known


def known(model, *texts):
    return model.signatures["known"](text=tf.constant(texts))["known"].numpy()


def test_known_words(model, pairs):
    english, french = (side[:200].numpy().tolist() for side in pairs)
    # A word that only ever begins sentences does not count.
    assert known(model, *english).mean() > 0.9
    np.testing.assert_array_equal(known(model, "The cat", "THE CAT", "the cat"), 1)
    assert known(model, *french).mean() < 0.3
    assert known(model, "Minden ember szabadon születik.", "Con mèo ở đâu vậy", "漢字").max() == 0
    assert (known(model, "", " ", "12:30!", "🙂") == 1).all()
    np.testing.assert_allclose(known(model, "the cat xyzzy", "the the\nxyzzy, plugh."), [2 / 3, 1 / 2])
