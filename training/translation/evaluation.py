"""What a shipped translator is worth, by sacrebleu; and how it is written out."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import sacrebleu
import sacremoses
import tensorflow as tf

from seqkeras import export
from training import Stop, release
from training.datasets import multi30k
from training.datasets.pairs import normal_form
from training.translation import data
from training.translation.model import MOST_WORDS, TOGETHER

PENALTIES = (0.0, 0.6, 1.0, 1.5)  # for length, of which the best on held-out sentences is shipped
METRICS = {
    "bleu": sacrebleu.BLEU(),
    "chrf": sacrebleu.CHRF(),
    # Tokens as they are: sacrebleu would put them together again, and warns.
    "bleu_lc_norm_tok": sacrebleu.BLEU(tokenize="none", force=True),
}
# What BLEU counts, by sacrebleu's name, in languages that write no spaces between words.
TOKENS = {"zh": "zh"} | dict.fromkeys(("ja", "th", "lo", "km", "my", "bo"), "char")
LENGTHS = (5, 10, 15, 20, 25)  # words of a source sentence, the borders of the classes


def choose_penalty(translator, pairs, width, language=None):
    """The length penalty of the best BLEU on held-out sentences, and the BLEU of each: float, dict."""
    beam = tf.function(translator.beam, input_signature=_specs("text", "width", "length_penalty"))
    bleu = {}
    for penalty in PENALTIES:
        hypotheses = translate(beam, pairs, width, penalty)
        bleu[penalty] = score("bleu", hypotheses, pairs, language)
    return max(bleu, key=bleu.get), bleu


def save(translator, config, run, workdir, path):
    """Writes the SavedModel with its configuration and the course of its training.

    Args:
        translator: training.translation.model.Translator.
        config: its Config, settled.
        run: dict of figures of the training.
        workdir: where the run is.
        path: folder of the SavedModel.
    """
    signatures = {
        "serving_default": (translator.translate, _specs("text")),
        "beam": (translator.beam, _specs("text", "width", "length_penalty")),
    }
    if translator.attends:
        signatures["attend"] = (translator.attend, _specs("text"))
    signatures["known"] = (translator.known, _specs("text"))
    export.save(path, signatures, model=translator.model)
    release.write_metrics(path, {"run": run})
    release.write_run(config, workdir, path)


def evaluate(config, path):
    """The figures on the test split of the SavedModel in `path`, which are also written beside it with the card.

    Args:
        config: the Config of training.translation, settled.
        path: folder of the SavedModel.

    Returns:
        Dict for metrics.json.
    """
    if not (Path(path) / "saved_model.pb").exists():
        raise Stop(f"There is no SavedModel in {path}. Train one with {command(config)}.")
    metrics = release.read_metrics(path)
    model = tf.saved_model.load(str(path))
    pairs = list(data.load(config, "test").as_numpy_iterator())
    tests, language = {}, config.pair.split("-")[1]
    for name, width, penalty in (("greedy", 1, 0.0), ("beam", config.width, metrics["run"]["length_penalty"])):
        hypotheses = translate(model.signatures["beam"], pairs, width, penalty)
        tests[name] = figures_of(hypotheses, pairs, config)
    metrics["test"] = {
        "sentences": len(pairs),
        **tests,
        "signatures": {name: str(metric(name, language).get_signature()) for name in tests["beam"]},
        "bleu_by_length": by_length(hypotheses, pairs, language),
    }
    if config.parent and config.dataset == "own" and Path(config.parent).name in data.SETS:
        metrics["test"]["met_by_parent"] = met_by_parent(config, pairs)
    release.write_metrics(path, metrics)
    write_card(config, metrics, path)
    return metrics


def write_baseline(translator, config, run):
    """Measures a variant on the test split and writes its figures beside the SavedModel in `config.export`.

    Args:
        translator, config, run: as of `save`.
    """
    beam = tf.function(translator.beam, input_signature=_specs("text", "width", "length_penalty"))
    pairs = list(data.load(config, "test").as_numpy_iterator())
    hypotheses = translate(beam, pairs, config.width, translator.length_penalty)
    figures = figures_of(hypotheses, pairs, config)
    lengths = by_length(hypotheses, pairs, config.pair.split("-")[1])
    release.write_variant(config, figures, run | {"bleu_by_length": lengths})


def figures_of(hypotheses, pairs, config):
    """The metrics of translations, dict; on Multi30k with BLEU in its own form."""
    language = config.pair.split("-")[1]
    figures = {name: score(name, hypotheses, pairs, language) for name in ("bleu", "chrf")}
    if data.set_of(config) is multi30k:
        figures["bleu_lc_norm_tok"] = tokenised_bleu(hypotheses, config)
    return figures


def translate(beam, pairs, width, penalty):
    """The best translations of the sources of `pairs`, list of str.

    Args:
        beam: the signature "beam".
        pairs: examples of `training.datasets.pairs`, as NumPy.
    """
    sources = [pair["source"] for pair in pairs]
    # Sentences of one length together: none waits for a longer one.
    order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
    found = [None] * len(sources)
    for first in range(0, len(order), TOGETHER):
        places = order[first : first + TOGETHER]
        best = beam(
            text=tf.constant([sources[place] for place in places]),
            width=tf.constant(width),
            length_penalty=tf.constant(penalty, tf.float32),
        )["translations"][:, 0].numpy()
        for place, text in zip(places, best):
            found[place] = text.decode()
    return found


def references(pairs):
    """All translations of each pair as sacrebleu takes them: lists of the first ones, the second ones, and so on."""
    found = [[text.decode() for text in pair["references"]] for pair in pairs]
    return [[texts[i] if i < len(texts) else None for texts in found] for i in range(max(map(len, found)))]


@functools.cache
def metric(name, language=None):
    """One of METRICS, for translations into a language."""
    return sacrebleu.BLEU(tokenize=TOKENS[language]) if name == "bleu" and language in TOKENS else METRICS[name]


def score(name, hypotheses, pairs, language=None):
    """What `metric` says of translations as they stand, from 0 to 100."""
    return round(metric(name, language).corpus_score(hypotheses, references(pairs)).score, 2)


def tokenised_bleu(hypotheses, config):
    """BLEU on Multi30k's lc.norm.tok form, as published figures are: Moses's normalisation and tokens, lower case.

    On the 1,000 test references the same steps give Multi30k's own files in all lines but one of the French.
    """
    source, language = config.pair.split("-")
    normaliser, tokeniser = sacremoses.MosesPunctNormalizer(lang=language), sacremoses.MosesTokenizer(lang=language)
    hypotheses = [tokeniser.tokenize(normaliser.normalize(text).lower(), return_str=True) for text in hypotheses]
    pairs = multi30k.load("test", source, language, config.manual_dir, config.data_dir, tokenised=True)
    return score("bleu_lc_norm_tok", hypotheses, list(pairs.as_numpy_iterator()))


def by_length(hypotheses, pairs, language=None):
    """BLEU by the number of words in the source: list of dicts with from, to (None: no end), sentences, bleu."""
    lengths = np.array([len(pair["source"].split()) for pair in pairs])
    rows = []
    for low, high in zip((0, *LENGTHS), (*LENGTHS, None)):
        places = np.flatnonzero((lengths > low) & (lengths <= (high or lengths.max())))
        if len(places) >= 20:
            some = [pairs[place] for place in places]
            bleu = score("bleu", [hypotheses[place] for place in places], some, language)
            rows.append({"from": low + 1, "to": high, "sentences": len(places), "bleu": bleu})
    return rows


def _specs(*names):
    specs = {
        "text": tf.TensorSpec((None,), tf.string, name="text"),
        "width": tf.TensorSpec((), tf.int32, name="width"),
        "length_penalty": tf.TensorSpec((), tf.float32, name="length_penalty"),
    }
    return [specs[name] for name in names]


def met_by_parent(config, pairs):
    """How many of the sources its parent was trained on, with translations into another language."""
    parent = dataclasses.replace(config, pair=Path(config.parent).name)
    met = {normal_form(source.decode()) for source in data.columns(data.load(parent, "train"))[0].numpy()}
    return sum(normal_form(pair["source"].decode()) in met for pair in pairs)


def command(config):
    """The command that trains such a model."""
    files = "--dataset files --source_file SOURCE --target_file TARGET " if config.dataset == "files" else ""
    return f"python -m training.translation {files}--pair {config.pair}"


def write_card(config, metrics, path):
    """Fills card.md in and writes it as model_card.md."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    source, target = config.pair.split("-")
    test, run = metrics["test"], metrics["run"]
    tokenised = "bleu_lc_norm_tok" in test["greedy"]
    head = ["", "BLEU", "chrF", *(["BLEU on lc.norm.tok"] if tokenised else [])]
    rows = [head]
    for name in ("greedy", "beam"):
        label = f"{config.width} beams, length penalty {run['length_penalty']}" if name == "beam" else name
        rows.append([label, *(f"{test[name][key]:.2f}" for key in METRICS if key in test[name])])
    for name, figures in metrics.get("baselines", {}).items():
        columns = list(METRICS)[: len(head) - 1]
        rows.append([name, *(f"{figures[key]:.2f}" if key in figures else "-" for key in columns)])
    variants = {name: run["bleu_by_length"] for name, run in metrics.get("variants", {}).items()}
    lengths = [["words of the source", "sentences", "BLEU", *variants]]
    for place, row in enumerate(test["bleu_by_length"]):
        span = f"{row['from']} to {row['to']}" if row["to"] else f"{row['from']} and more"
        others = [f"{rows[place]['bleu']:.1f}" for rows in variants.values()]
        lengths.append([span, f"{row['sentences']:,}", f"{row['bleu']:.1f}", *others])
    began = f" It began with the weights of {Path(config.parent).name}" if config.parent else ""
    if "met_by_parent" in test:
        began += f", which had met {test['met_by_parent']:,} of the test's sentences, with other translations"
    values = dataclasses.asdict(config) | run
    values |= {
        "source": data.language(source),
        "target": data.language(target),
        "command": command(config),
        "trained_on": data.ABOUT[data.set_of(config).__name__.rpartition(".")[2]],
        "cell": config.cell.upper(),
        "sentences": test["sentences"],
        "together": TOGETHER,
        "most_words": MOST_WORDS,
        "figures": release.table(rows),
        "by_length": release.table(lengths) if test["bleu_by_length"] else "No length has twenty sentences.",
        "beyond": "else" if config.dataset == "files" else "of news, names or numbers",
        "signatures": "\n".join(f"- {name}: `{signature}`" for name, signature in test["signatures"].items()),
        "validation": ", ".join(f"{penalty}: {bleu}" for penalty, bleu in run["validation_bleu"].items()),
        "began": f"{began}." if began else "",
    }
    (Path(path) / "model_card.md").write_text(template.format(**values), encoding="utf-8")
