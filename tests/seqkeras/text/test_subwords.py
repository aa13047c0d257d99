import random
import subprocess
import sys
import textwrap
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from seqkeras.text import Subwords, without_joiners
from seqkeras.text.subwords import END, JOINER, PAD, START, UNKNOWN

ENGLISH = [
    "The cat isn't here, Tom.",
    "Tom says: the cat is here. I think so.",
    "It's 2:30 p.m. on a Monday.",
    "Where is the cat? Is it there?",
    'He said, "I know." She knows Tom, too.',
    "We (all of us) drink tea at Tom's.",
    "A man in the USA drives to the sea. He likes the USA.",
    "In the street the children play ball. Then they go home.",
]
FRENCH = [
    "L'eau d'été n'est pas froide.",
    "Où est l'église ? Elle est là-bas.",
    "Paul dit : « Il y a un chat. »",
    "Qu'est-ce que c'est que l'eau ?",
]
SPANISH = ["¿Dónde está Tom? ¡No lo sé!", "Tom, ¿dónde estás?"]
GERMAN = ["Der Mann sagt: „Das Haus ist groß.“ Ein Haus!", "Die Männer sehen das Haus; es ist groß."]
VIETNAMESE = ["Tôi không biết, còn bạn?", "Tất cả mọi người đều biết."]
EVERYTHING = ENGLISH + FRENCH + SPANISH + GERMAN + VIETNAMESE


def dataset(texts, times=30):
    return tf.data.Dataset.from_tensor_slices(texts).repeat(times).batch(16)


@pytest.fixture(scope="module")
def subwords():
    return Subwords.learn(dataset(EVERYTHING), size=300)


def words(subwords, text, **arguments):
    return [word.decode() for word in subwords.segment(tf.constant([text]), **arguments).words.numpy()[0]]


def back(subwords, text, **arguments):
    return subwords.text(subwords.ids(tf.constant([text]), **arguments)).numpy()[0].decode()


@pytest.mark.parametrize("text", EVERYTHING)
def test_what_was_learnt_comes_back_as_it_was(subwords, text):
    assert back(subwords, text) == text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Isn't it, Tom?", "is ￭n't it ￭, Tom ￭?"),
        ("L'eau d'été", "l'￭ eau d'￭ été"),
        ("¿Dónde?", "¿￭ dónde ￭?"),
        ("(12 cats)", "( ￭1 ￭2 cats ￭)"),
        ("Tom's là-bas", "Tom ￭'s là ￭-￭ bas"),
        ("Is it « oui » ?", "is it « oui » ?"),
    ],
)
def test_splits_words_punctuation_and_digits(subwords, text, expected):
    assert " ".join(words(subwords, text)) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The cat. The cat", ["the", "cat", "￭.", "the", "cat"]),  # each sentence has a beginning
        ("Tom is here", ["Tom", "is", "here"]),  # a name stays a name at the beginning
        ("is tom here", ["is", "Tom", "here"]),  # and is known without its capital
        ("the usa", ["the", "USA"]),
        ("THE CAT IN THE USA", ["the", "cat", "in", "the", "USA"]),
        ("Unseen words stay", ["Unseen", "words", "stay"]),
    ],
)
def test_true_case(subwords, text, expected):
    assert words(subwords, text) == expected


def test_sentences_begin_with_capitals_on_the_way_out(subwords):
    assert back(subwords, "the cat is here. the man is there? ¿dónde está?") == (
        "The cat is here. The man is there? ¿Dónde está?"
    )
    assert back(subwords, "It's 2:30 p.m. on a Monday") == "It's 2:30 p.m. on a Monday"


def test_lower_keep_and_split_at_spaces():
    text = "It &apos;s TOM , too ."
    lower = Subwords.learn(dataset([text]), size=100, casing="lower", split="spaces")
    assert words(lower, text) == ["it", "&apos;s", "tom", ",", "too", "."]
    assert back(lower, text) == text.lower()
    assert back(Subwords.learn(dataset([text]), size=100, casing="keep", split="spaces"), text) == text


def pieces_by_hand(subwords, word):
    """The textbook's loop: of all pairs in the word, merge the first of the one learnt earliest."""
    known = {piece: i for i, piece in enumerate(subwords.pieces)}
    ids = [known[c + (JOINER if i < len(word) - 1 else "")] for i, c in enumerate(word)]
    ranks = {tuple(pair): rank for rank, pair in enumerate(subwords.merges.tolist())}
    while pairs := [(ranks[pair], i) for i, pair in enumerate(zip(ids, ids[1:])) if pair in ranks]:
        _, i = min(pairs)
        ids[i : i + 2] = [known[subwords.pieces[ids[i]].removesuffix(JOINER) + subwords.pieces[ids[i + 1]]]]
    return ids


def test_merges_are_those_of_byte_pair_encoding(subwords):
    generator = random.Random(0)
    made = ["".join(generator.choices("aehinorst", k=generator.randint(1, 12))) for _ in range(300)]
    ids = subwords.segment(tf.constant([" ".join(made)])).ids.numpy()[0].tolist()
    assert ids == [i for word in made for i in pieces_by_hand(subwords, word)]


def test_the_library_that_learnt_the_merges_applies_them_alike():
    """Its own encoder, trained on the same words, against ours."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    text = "aaa aaab abab abcab bcabc cabab aab abba baab " * 5
    library = Tokenizer(models.BPE(end_of_word_suffix="."))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    library.train_from_iterator([text], trainers.BpeTrainer(vocab_size=20, end_of_word_suffix=".", show_progress=False))
    ours = Subwords.learn(dataset([text], 1), size=24, casing="keep", split="spaces")
    generator = random.Random(0)
    for _ in range(50):
        word = "".join(generator.choices("abc", k=generator.randint(1, 9)))
        expected = library.encode(word).tokens
        got = [ours.pieces[i] for i in ours.segment(tf.constant([word])).ids.numpy()[0]]
        assert [p if p.endswith(JOINER) else p + "." for p in got] == [
            p if p.endswith(".") else p + JOINER for p in expected
        ]


def test_dropout_changes_the_pieces_and_not_the_text(subwords):
    texts = tf.constant(EVERYTHING)
    plain = subwords.ids(texts)
    dropped = [subwords.ids(texts, dropout=0.3, seed=seed) for seed in ([1, 2], [1, 2], [3, 4])]
    assert dropped[0].to_list() == dropped[1].to_list() != dropped[2].to_list()
    assert len(dropped[0].flat_values) > len(plain.flat_values)
    assert subwords.text(dropped[0]).numpy().tolist() == [text.encode() for text in EVERYTHING]
    characters = len(subwords.characters) + 4
    assert tf.reduce_max(subwords.ids(texts, dropout=1.0, seed=[1, 2]).flat_values) < characters
    with pytest.raises(ValueError, match="seed"):
        subwords.ids(texts, dropout=0.1)


def test_dropout_of_a_word_does_not_hang_on_its_neighbours(subwords):
    words = tf.constant(["the"] * 400)
    assert subwords.ids(words[:1], end=False).row_lengths().numpy() == [1]
    pieces = subwords.ids(words, end=False, dropout=0.5, seed=[1, 2]).row_lengths().numpy()
    # By the paper a word is done when all merges it could have are left out: with one or two of them, in 1/2 or 1/4.
    assert 0.2 < (pieces == 3).mean() < 0.55 and (pieces == 1).mean() < 0.5


def test_pieces_know_their_word(subwords):
    texts = tf.constant(["The children think so.", "", "Isn't l'eau 😀 froide?"])
    ids, found, index = subwords.segment(texts)
    assert ids.row_lengths().numpy().tolist() == index.row_lengths().numpy().tolist()
    for row, its_words, its_index in zip(ids.to_list(), found.to_list(), index.to_list()):
        joined = [""] * len(its_words)
        for i, place in zip(row, its_index):
            joined[place] += its_words[place].decode() if i == UNKNOWN else subwords.pieces[i]
        shown = without_joiners(tf.constant(its_words, tf.string)).numpy().tolist()
        assert [word.replace(JOINER, "") for word in joined] == [word.decode() for word in shown]


def test_words_of_a_translation(subwords):
    ids = subwords.ids(tf.constant(["The children drink.", "¿Dónde está Tom?"]))
    found, index = subwords.words(ids)
    assert found.to_list() == [
        [b"the", b"children", b"drink", b"."],
        ["¿".encode(), "dónde".encode(), "está".encode(), b"Tom", b"?"],
    ]
    assert index.row_lengths().numpy().tolist() == (ids.row_lengths() - 1).numpy().tolist()  # less the end
    assert index.to_list()[0][0] == 0 and index.to_list()[0][-1] == 3
    assert all(0 <= b - a <= 1 for row in index.to_list() for a, b in zip(row, row[1:]))


def test_unknown_words_are_copied(subwords):
    text = tf.constant(["Tom (日本) is here 😀."])
    ids, found, index = subwords.segment(text)
    assert tf.reduce_sum(tf.cast(ids == UNKNOWN, tf.int32)).numpy() == 2
    copied = tf.gather(found, index, batch_dims=1)
    assert subwords.text(ids, copied).numpy() == text.numpy()
    assert subwords.text(ids.to_tensor(), copied.to_tensor()).numpy() == text.numpy()
    assert subwords.text(ids).numpy()[0].decode() == "Tom (<unk>) is here <unk>."


def test_start_end_and_padding(subwords):
    ids = subwords.ids(tf.constant(["Tom", "The cat is here."]), start=True)
    assert ids.dtype == tf.int32
    dense = ids.to_tensor()
    assert dense[:, 0].numpy().tolist() == [START, START]
    assert [row[-1] for row in ids.to_list()] == [END, END]
    more = tf.concat([dense, tf.fill([2, 3], 7)], axis=1)  # what a decoder says after the end does not count
    assert subwords.text(more).numpy().tolist() == [b"Tom", b"The cat is here."]
    assert subwords.text(tf.fill([2, 3], PAD)).numpy().tolist() == [b"", b""]
    assert subwords.text(tf.zeros([0, 5], tf.int32)).shape == (0,)


def test_any_ids_give_a_string(subwords):
    ids = np.random.default_rng(0).integers(0, len(subwords), (50, 20))
    for text in subwords.text(ids).numpy():
        assert JOINER not in text.decode()
    subwords.words(ids)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \n\t ",
        b"\xff\xfe good",
        b"a\x00b",
        b"\x07\x1b[0m",
        JOINER.encode(),
        "\ue000".encode(),
        "\U0001f468\u200d\U0001f469\u200d\U0001f467".encode(),
        b"x" * 10_000,
        b"7" * 10_000,
        "e\u0301".encode() * 5_000,
        "\u0301".encode() * 1_000,
        b"' '' n't 's l' d'l'eau'",
        "\u200b".encode(),
        "¿¡«».,?!…".encode(),
        b"-" * 3_000,
    ],
)
def test_bad_input_is_no_error(subwords, text):
    ids, found, index = subwords.segment(tf.constant([text, b"Tom"]))
    assert ids.nrows() == found.nrows() == index.nrows() == 2
    assert subwords.text(ids, tf.gather(found, index, batch_dims=1)).numpy()[1] == b"Tom"


def test_an_endless_word_loses_nothing(subwords):
    assert back(subwords, "tea" * 3_000) == "Tea" + "tea" * 2_999
    ids, found, index = subwords.segment(tf.constant(["12" * 3_000]))
    assert subwords.text(ids, tf.gather(found, index, batch_dims=1)).numpy()[0].decode() == "12" * 3_000


def test_letters_with_separate_accents(subwords):
    for text in FRENCH + SPANISH + VIETNAMESE:
        apart = unicodedata.normalize("NFD", text)
        assert apart != text or text.isascii() or "«" in text
        assert subwords.ids(tf.constant([apart])).to_list() == subwords.ids(tf.constant([text])).to_list()


def test_no_text_at_all(subwords):
    assert subwords.ids(tf.constant([], tf.string)).nrows() == 0
    assert subwords.text(subwords.ids(tf.constant([], tf.string))).shape == (0,)


def test_two_sides_share_ids_and_not_their_case():
    english = ["the hand is here", "a hand, the hand"]
    german = ["die Hand ist hier", "eine Hand, die Hand"]
    one, two = Subwords.learn_joint([dataset(english), dataset(german)], size=100)
    assert one.pieces == two.pieces
    assert words(one, "Hand") == ["hand"] and words(two, "Hand") == ["Hand"] and words(two, "hand") == ["Hand"]


def test_learning_again_gives_the_same(subwords, tmp_path):
    assert Subwords.learn(dataset(EVERYTHING), size=300).get_config() == subwords.get_config()
    assert len(subwords) == 300 == len(subwords.pieces) == len(set(subwords.pieces))
    subwords.save(tmp_path / "subwords.npz")
    loaded = Subwords.load(tmp_path / "subwords.npz")
    assert loaded.get_config() == subwords.get_config() and loaded.pieces == subwords.pieces
    assert Subwords(**subwords.get_config()).pieces == subwords.pieces


def test_wrong_arguments_are_named(subwords):
    with pytest.raises(ValueError, match="casing='upper'"):
        Subwords([], [], casing="upper")
    with pytest.raises(ValueError, match="split='letters'"):
        Subwords([], [], split="letters")
    with pytest.raises(ValueError, match="size=20"):
        Subwords.learn(dataset(EVERYTHING), size=20)


def test_a_saved_model_needs_tensorflow_alone(subwords, tmp_path):
    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, text):
            ids, found, index = subwords.segment(text)
            shown, _ = subwords.words(ids)
            return {
                "ids": ids.to_tensor(),
                "text": subwords.text(ids, tf.gather(found, index, batch_dims=1)),
                "words": shown.to_tensor(),
            }

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "model"), signatures=model.__call__)
    program = """
        import sys
        import tensorflow as tf
        model = tf.saved_model.load(sys.argv[1])
        for text in (["Isn't it l'eau, Tom?", "¿Dónde está 日本?"], [""], ["cafe\\u0301 " * 1000]):
            got = model.signatures["serving_default"](text=tf.constant(text))
        got = model.signatures["serving_default"](text=tf.constant(["Isn't it l'eau, Tom?", "¿Dónde está 日本?"]))
        assert [t.decode() for t in got["text"].numpy()] == ["Isn't it l'eau, Tom?", "¿Dónde está 日本?"], got
        assert not [name for name in sys.modules if name.startswith(("seqkeras", "tensorflow_text", "tokenizers"))]
        print(got["ids"].numpy().tolist())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "model")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = subwords.segment(tf.constant(["Isn't it l'eau, Tom?", "¿Dónde está 日本?"])).ids.to_tensor()
    assert done.stdout.strip().splitlines()[-1] == str(expected.numpy().tolist())


def test_the_same_in_tf_data(subwords):
    ids = dataset(EVERYTHING, 1).map(subwords.ids, num_parallel_calls=2).unbatch().as_numpy_iterator()
    assert [row.tolist() for row in ids] == subwords.ids(tf.constant(EVERYTHING)).to_list()
