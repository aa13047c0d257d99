import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.models import LanguageModel
from seqkeras.text.symbols import END
from training.music import data
from training.music.model import LONGEST, Music

TUNES = [
    "M:4/4\nK:Gmaj\nR:reel\n|:G2BG DGBG|c2ec BGAF|G2BG DGBd|cAFA G4:|\n",
    "M:6/8\nK:Dmix\nd|AFD DFA|=c3 cBA|AFD DFA|GEC D2:|\n",
    "M:2/2\nK:Amin\n(3ABc d2 ^G2 A2|e4 z4|]\n",
] * 5


@pytest.fixture(scope="module")
def music():
    tunes = [data.Tune(tune, range(-5, 7)) for tune in TUNES]
    symbols = data.vocabulary(tunes)
    keras.utils.set_random_seed(1)
    model = LanguageModel(len(symbols), 6, 8, 2)
    model.build((None, None))
    # As sure of itself as a trained one, or no symbol would be the likeliest by much.
    model.head.kernel.assign(model.head.kernel * 100)
    return Music(model, symbols, 0.95)


def read(music, prompt):
    titles, ids = music.read(tf.constant([prompt]))
    return titles.numpy()[0].decode(), "".join(music.symbols.symbols[i - 3] for i in ids.numpy()[0] if i > END)


@pytest.fixture(scope="module")
def compiled(music):
    """What a SavedModel runs."""
    number = tf.TensorSpec((), tf.int32)
    return tf.function(
        music.write, input_signature=[tf.TensorSpec((None,), tf.string), number, tf.TensorSpec(()), number]
    )


def write(compiled, prompts, length=60, temperature=1.0, seed=1):
    arguments = tf.constant(length), tf.constant(temperature, tf.float32), tf.constant(seed)
    return [text.decode() for text in compiled(tf.constant(prompts), *arguments)["music"].numpy()]


@pytest.mark.parametrize(
    "prompt, expected",
    [
        ("", ""),
        ("M:6/8\nK:Dmix\n", "M:6/8\nK:Dmix\n"),
        ("K: d mixolydian\r\nM: 6/8 \r\n", "M:6/8\nK:Dmix\n"),
        ("M:C|\nK:Am\n", "M:2/2\nK:Amin\n"),
        ("M:C\nK:G Major clef=treble\n", "M:4/4\nK:Gmaj\n"),
        ("K:Cmaj\n", "K:Cmaj\n"),
        ("K:C\n", "K:Cmaj\n"),
        ("K:A#m", "K:Bbmin\n"),
        ("N:9", "N:8\n"),
        ("N: 3000", "N:8\n"),
        ("N:many\nR:Reel\n", "R:reel\n"),
        ("M:17/4\nK:nonsense\nR:tango", ""),
        ("M:4/4\nK:G\n|:G2BG", "M:4/4\nK:Gmaj\n|:G2BG"),
        ("X:3\nT:Mine\nL:1/8\nM:4/4\nK:G\n% mine\nG2BG|\\\nABcd|\n", "M:4/4\nK:Gmaj\nG2BG|\nABcd|"),
        ('M:4/4\nK:G\n"Am"G2{a}BG !trill!(AB)|', "M:4/4\nK:Gmaj\nG2BG AB|"),
        ("M:2/2\nK:Am\n(3ABc d2", "M:2/2\nK:Amin\n(3ABc d2"),
        ("G2BG", "M:4/4\nK:Cmaj\nG2BG"),
        ("M:4/4\nK:G\nA:|\nB", "M:4/4\nK:Gmaj\nA:|\nB"),
        ("M:4/4\nK:G\nG2\nw:la la\nB2", "M:4/4\nK:Gmaj\nG2\nB2"),
        ("\x00\x07M:6/8\t\n\xa0漢字", "M:6/8\n"),
    ],
)
def test_a_prompt_is_read_as_a_musician_writes_it(music, prompt, expected):
    assert read(music, prompt)[1] == expected


def test_titles_are_passed_on(music, compiled):
    assert read(music, "X:1\nT: Héllo, <b>\nK:C")[0] == "Héllo, <b>"
    assert write(compiled, ["T:A tune\nM:6/8\nK:C\n"], length=5)[0].startswith("X:1\nT:A tune\nM:6/8\nL:1/8\nK:Cmaj\n")


def test_bytes_that_are_no_text_are_left_out(compiled):
    write(compiled, [b"\xff\xfe\x00", b"M:6/8\n\xffK:C\n"], length=3)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_written_is_one_header_and_a_body(compiled, seed):
    """An untrained model writes nonsense, but never another header."""
    prompts = ["", "K:Dmix\n", "M:6/8\n", "R:reel\nN:8", "|:G"]
    for text in write(compiled, prompts, length=300, temperature=3.0, seed=seed):
        header, _, body = text.partition("\nK:")
        assert header.startswith("X:1") and header.count("\nM:") == 1 and header.endswith("\nL:1/8")
        key, _, body = body.partition("\n")
        assert key[:1] in "ABCDEFG"
        lines = body.split("\n")
        assert all(lines[:-1]) and not any(line[1:2] == ":" and line[:1].isalpha() for line in lines)


def test_what_was_given_stays(compiled):
    text = write(compiled, ["M:6/8\nK:Dmix\nd|AFD D"], length=30)[0]
    assert text.startswith("X:1\nM:6/8\nL:1/8\nK:Dmix\nd|AFD D")


def test_length_is_the_most_that_is_written(compiled):
    prompts = ["M:6/8\nK:Dmix\nd|AFD DFA|AFD DFA|", "M:6/8\nK:Dmix\nd"]
    for length in (0, 1, 7, -1, -(2**31)):
        for prompt, text in zip(prompts, write(compiled, prompts, length=length, temperature=5.0)):
            assert len(text) - len("X:1\nL:1/8\n" + prompt) <= max(length, 0)


def test_a_million_is_cut_to_the_longest(compiled):
    assert len(write(compiled, [""], length=1_000_000, temperature=1.0)[0]) < LONGEST + 100


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf"), 1e30])
def test_odd_temperatures_are_clipped(compiled, temperature):
    assert write(compiled, [""], temperature=temperature)[0].startswith("X:1")


def test_cold_is_greedy(compiled):
    cold = [write(compiled, ["M:4/4\nK:C\n|:GC"], temperature=0.0, seed=seed) for seed in (1, 2)]
    assert cold[0] == cold[1]


def test_a_seed_gives_the_same_tune_again(compiled):
    assert write(compiled, [""] * 3, seed=5) == write(compiled, [""] * 3, seed=5) != write(compiled, [""] * 3, seed=6)


def test_no_prompts_no_tunes(compiled):
    prompts = tf.zeros((0,), tf.string)
    assert compiled(prompts, tf.constant(5), tf.constant(1.0), tf.constant(1))["music"].shape == (0,)


def test_start_and_step_are_the_models_own_steps(music):
    prompt = tf.constant(["M:6/8\nK:Dmix\nd|A", "", "K:C"])
    now = music.start(prompt)
    _, ids = music.read(prompt)
    for row in range(3):
        logits = music.model(ids[row][None])[0, -1]
        allowed = now["logits"][row] > -1e8
        np.testing.assert_allclose(now["logits"][row][allowed], logits[allowed], atol=1e-3)
    assert now["music"].numpy()[0] == b"X:1\nM:6/8\nL:1/8\nK:Dmix\nd|A"
    token = tf.constant([5, 3, 3])
    after = music.next(token, now["state"])
    longer = music.model(tf.concat([ids[0], [5]], 0)[None])[0, -1]
    allowed = after["logits"][0] > -1e8
    np.testing.assert_allclose(after["logits"][0][allowed], longer[allowed], atol=1e-3)


def test_a_token_out_of_range_breaks_nothing(music):
    now = music.start(tf.constant([""]))
    for token in (-5, 10_000):
        assert np.isfinite(music.next(tf.constant([token]), now["state"])["logits"]).all()


def test_a_body_never_begins_before_metre_and_key(music):
    names = ["", "", "", *music.symbols.symbols]
    logits = music.start(tf.constant(["M:6/8\n"]))["logits"][0].numpy()
    allowed = {name for name, value in zip(names, logits) if value > -1e8}
    assert allowed and all(len(name) > 1 and name[0] in "KRN" for name in allowed)
    logits = music.start(tf.constant(["M:6/8\nK:C\nG"]))["logits"][0].numpy()
    allowed = {name for name, value in zip(names, logits) if value > -1e8}
    assert all(len(name) <= 1 for name in allowed) and "" in allowed  # the end may come
    # A letter at the start of a line and a colon would make another line of the header.
    assert ":" not in allowed
