"""English to Spanish by the network of TensorFlow's tutorial "Neural machine translation with attention".

    python -m benchmarks.tutorial_translation --manual_dir DIR [--minutes M] [--write saved_models/translation/en-es]

It has the tutorial's sizes and keras.layers: 5,000 words a side, all in lower case and without accents; embeddings of
256; a bidirectional GRU of 256 whose directions are summed; a GRU of 256 that attends to it with one head, the residual
added and normalised; a plain Adam on batches of 64. It writes the likeliest word each time. Kinder than the tutorial,
its batches are of sentences of like lengths, or padding would take most of its time. It sees the very same split as the
shipped model for as many minutes of processor time, in which others that share the machine do not count and its own
held-out measurements do; of its weights every quarter of an epoch, those of the least held-out loss are measured on the
test split.

Its translations are words with spaces between them, so they are measured three times: as they are; repaired as far as a
rule can (marks joined to words, capitals at the start of sentences, ¡ before exclamations, no [UNK]); and in the
tutorial's own form, the references too, where accents and capitals count no more. The shipped model, if there, is
measured in that form as well.

Killed (Ctrl-C, SIGTERM) it measures the best so far. Harder kills leave that in the workdir: --minutes 0 measures it.
"""

import argparse
import collections
import json
import os
import re
import signal
import time
import unicodedata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from training import release
from training.translation import data, evaluation
from training.translation.__main__ import Config

SHIPPED = "saved_models/translation/en-es"
VOCABULARY, UNITS, BATCH_SIZE, LONGEST = 5000, 256, 64, 50
PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("", "[UNK]", "[START]", "[END]")
BEST, STATE = "best.weights.h5", "best.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manual_dir", help="folder with tatoeba/, as training.translation takes it")
    parser.add_argument("--data_dir", help="where TFDS keeps what it prepared; its own folder if none")
    parser.add_argument("--minutes", type=float, help=f"of processor time; by default as many as {SHIPPED} took")
    parser.add_argument("--workdir", default="runs/tutorial_translation", help="the best weights so far are there")
    parser.add_argument("--write", metavar="FOLDER", help=f"SavedModel whose metrics.json gets the figures: {SHIPPED}")
    arguments = parser.parse_args()
    shipped = Path(arguments.write or SHIPPED)
    if arguments.minutes is None:
        arguments.minutes = release.read_metrics(shipped).get("run", {}).get("minutes")
    if arguments.minutes is None:
        parser.error(f"there is no metrics.json in {shipped} that says how long to train; give --minutes")
    if arguments.write and not release.read_metrics(shipped):
        parser.error(f"there is no metrics.json in {shipped} to write to")
    workdir = Path(arguments.workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    if arguments.minutes == 0 and not (workdir / STATE).exists():
        parser.error(f"there are no weights in {workdir} to measure; give --minutes")

    keras.utils.set_random_seed(1)
    config = Config(pair="en-es", manual_dir=arguments.manual_dir, data_dir=arguments.data_dir)
    texts = {split: data.columns(data.load(config, split)) for split in ("train", "validation")}
    texts = {
        name: [[standard(text.decode()) for text in side.numpy()] for side in part] for name, part in texts.items()
    }
    words = [vocabulary(side) for side in texts["train"]]
    model = Tutorial(*map(len, words))
    model({"source": np.ones((1, 2), "int32"), "target": np.ones((1, 2), "int32")})
    print(f"{len(texts['train'][0]):,} pairs, {model.count_params():,} parameters", flush=True)
    if arguments.minutes > 0:
        rows = {
            name: [ids(side, known) for side, known in zip(part, words)]  #
            for name, part in texts.items()
        }
        train(model, rows, arguments.minutes, workdir)
    model.load_weights(workdir / BEST)
    state = json.loads((workdir / STATE).read_text(encoding="utf-8"))
    print(f"Best held-out loss {state['loss']:.4f} after {state['minutes']:.1f} minutes, {state['epochs']:.2f} epochs")

    pairs = list(data.load(config, "test").as_numpy_iterator())
    written = translate(model, [standard(example["source"].decode()) for example in pairs], words)
    figures = {
        "the TensorFlow tutorial's network, as it writes": measured(written, pairs),
        "the same, marks and capitals repaired": measured([repaired(text) for text in written], pairs),
    }
    in_its_form = {"the TensorFlow tutorial's network": measured(written, [in_standard_form(p) for p in pairs])}
    if (shipped / "saved_model.pb").exists():
        in_its_form["this model"] = measured_of_shipped(shipped, pairs)
    print(json.dumps({"figures": figures, "in the tutorial's form": in_its_form}, indent=2, ensure_ascii=False))
    for example, text in list(zip(pairs, written))[:5]:
        print(f"{example['source'].decode()}  ->  {text}  ->  {repaired(text)}")
    if arguments.write:
        metrics = release.read_metrics(shipped)
        metrics["baselines"] = metrics.get("baselines", {}) | figures
        metrics["baselines_in_tutorial_form"] = in_its_form
        metrics["tutorial_run"] = state
        release.write_metrics(shipped, metrics)
        print(f"Written to {shipped}/metrics.json; the card follows with the next --evaluate.")


# Text


def standard(text):
    """The tutorial's form: lower case, accents taken off, letters and . ? ! , ¿ alone, with spaces around these."""
    text = unicodedata.normalize("NFKD", text).lower()
    text = re.sub(r"[^ a-z.?!,¿]", "", text)
    return " ".join(re.sub(r"([.?!,¿])", r" \1 ", text).split())


def vocabulary(texts):
    """The most frequent words and their ids."""
    counts = collections.Counter(word for text in texts for word in text.split())
    most = sorted(counts, key=lambda word: (-counts[word], word))[: VOCABULARY - len(SPECIAL)]
    return {word: place for place, word in enumerate((*SPECIAL, *most))}


def ids(texts, known):
    return [np.array([START, *(known.get(word, UNKNOWN) for word in text.split()), END], np.int32) for text in texts]


def padded(rows):
    return keras.utils.pad_sequences(rows, padding="post", dtype="int32")


def repaired(text):
    """As a person would write the words, as far as a rule can."""
    sentences = []
    for sentence in re.findall(r"[^.?!]+[.?!]*|[.?!]+", text.replace("[UNK]", "")):
        sentence = re.sub(r" ([.?!,])", r"\1", re.sub(r"¿ ", "¿", " ".join(sentence.split())))
        sentence = "¡" * (sentence.endswith("!") and "¿" not in sentence) + sentence
        sentences.append(re.sub(r"[^\W\d_]", lambda letter: letter[0].upper(), sentence, count=1))
    return " ".join(sentence for sentence in sentences if sentence)


def in_standard_form(example):
    return {**example, "references": [standard(text.decode()).encode() for text in example["references"]]}


def measured(texts, pairs):
    return {metric: evaluation.score(metric, texts, pairs) for metric in ("bleu", "chrf")}


def measured_of_shipped(path, pairs):
    model = tf.saved_model.load(str(path))
    config = json.loads((path / release.CONFIG).read_text(encoding="utf-8"))
    penalty = release.read_metrics(path)["run"]["length_penalty"]
    texts = evaluation.translate(model.signatures["beam"], pairs, config["width"], penalty)
    return measured([standard(text) for text in texts], [in_standard_form(example) for example in pairs])


# The network


class Tutorial(keras.Model):
    """{"source": int32 (batch, source), "target": int32 (batch, target)} -> logits (batch, target, words)."""

    def __init__(self, source_words, target_words):
        super().__init__()
        self.source_embedding = keras.layers.Embedding(source_words, UNITS)
        self.reader = keras.layers.Bidirectional(keras.layers.GRU(UNITS, return_sequences=True), merge_mode="sum")
        self.target_embedding = keras.layers.Embedding(target_words, UNITS)
        self.writer = keras.layers.GRU(UNITS, return_sequences=True, return_state=True)
        self.attention = keras.layers.MultiHeadAttention(num_heads=1, key_dim=UNITS)
        self.normalisation = keras.layers.LayerNormalization()
        self.output_words = keras.layers.Dense(target_words)

    def call(self, inputs):
        memory, mask = self.read(inputs["source"])
        return self.write(inputs["target"], memory, mask)[0]

    def read(self, source):
        mask = source != PADDING
        return self.reader(self.source_embedding(source), mask=mask), mask

    def write(self, target, memory, mask, state=None):
        hidden, state = self.writer(self.target_embedding(target), initial_state=state)
        attended = self.attention(query=hidden, value=memory, attention_mask=mask[:, None, :])
        return self.output_words(self.normalisation(hidden + attended)), state


def loss_sums(model, source, target):
    """The loss of all words of a batch, in nats, and their number."""
    logits = model({"source": source, "target": target[:, :-1]})
    words = target[:, 1:]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
    there = tf.cast(words != PADDING, tf.float32)
    return tf.reduce_sum(losses * there), tf.reduce_sum(there)


# Training


def train(model, rows, minutes, workdir):
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    specs = [tf.TensorSpec((None, None), tf.int32)] * 2

    @tf.function(input_signature=specs)
    def step(source, target):
        with tf.GradientTape() as tape:
            total, number = loss_sums(model, source, target)
            loss = total / number
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    measure = tf.function(lambda source, target: loss_sums(model, source, target), input_signature=specs)

    def held_out():
        sums = np.zeros(2)
        order = np.argsort([len(row) for row in rows["validation"][0]])
        for first in range(0, len(order), BATCH_SIZE):
            sums += [float(x) for x in measure(*batch(rows["validation"], order[first : first + BATCH_SIZE]))]
        return sums[0] / sums[1]

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    pairs = len(rows["train"][0])
    steps = -(-pairs // BATCH_SIZE)
    best, done, began = float("inf"), 0, time.process_time()

    def gone():
        return (time.process_time() - began) / 60

    def report(losses):
        nonlocal best
        loss = held_out()
        better = loss < best
        if better:
            best = loss
            model.save_weights(workdir / f"new.{BEST}")
            os.replace(workdir / f"new.{BEST}", workdir / BEST)
            state = {"loss": loss, "minutes": gone(), "epochs": done / steps}
            (workdir / STATE).write_text(json.dumps(state) + "\n", encoding="utf-8")
        print(
            f"{gone():6.1f} min  epoch {done / steps:5.2f}  loss {np.mean(losses):.4f}  held out {loss:.4f}"
            + ("  (best so far)" if better else ""),
            flush=True,
        )

    losses = []
    try:
        while gone() < minutes:
            for places in epoch(rows["train"], np.random.default_rng(done)):
                losses.append(float(step(*batch(rows["train"], places))))
                done += 1
                if gone() >= minutes:
                    break
                if done % (steps // 4) == 0:
                    report(losses)
                    losses = []
        report(losses or [np.nan])
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
        if best == float("inf"):
            report(losses or [np.nan])


def epoch(sides, random):
    """The places of the pairs of each batch: of a hundred batches at a time, those of like lengths together."""
    order, pool = random.permutation(len(sides[0])), 100 * BATCH_SIZE
    batches = []
    for first in range(0, len(order), pool):
        places = sorted(order[first : first + pool], key=lambda place: max(len(side[place]) for side in sides))
        batches += [places[i : i + BATCH_SIZE] for i in range(0, len(places), BATCH_SIZE)]
    return [batches[place] for place in random.permutation(len(batches))]


def batch(sides, places):
    return [tf.constant(padded([side[place] for place in places])) for side in sides]


def translate(model, texts, words):
    """The likeliest word each time, up to 50: list of str in the tutorial's form."""
    names = list(words[1])
    read = tf.function(lambda source: model.read(source), input_signature=[tf.TensorSpec((None, None), tf.int32)])

    @tf.function(reduce_retracing=True)
    def step(word, state, memory, mask):
        logits, state = model.write(word[:, None], memory, mask, state)
        return tf.argmax(logits[:, 0], axis=1, output_type=tf.int32), state

    found = [None] * len(texts)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place].split()))
    for first in range(0, len(order), BATCH_SIZE):
        places = order[first : first + BATCH_SIZE]
        memory, mask = read(tf.constant(padded(ids([texts[place] for place in places], words[0]))))
        word, state = tf.fill([len(places)], START), tf.zeros([len(places), UNITS])
        written, ended = [], np.zeros(len(places), bool)
        while not ended.all() and len(written) < LONGEST:
            word, state = step(word, state, memory, mask)
            ended |= word.numpy() == END
            written.append(np.where(ended, PADDING, word.numpy()))
        for place, row in zip(places, np.stack(written, axis=1)):
            found[place] = " ".join(names[word] for word in row if word not in (PADDING, START))
    return found


if __name__ == "__main__":
    main()
