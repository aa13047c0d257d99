"""What the shipped model is worth: the tunes it writes, and held-out bits per character; and how it is written out."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqkeras import export
from seqkeras.media import abc
from seqkeras.text.symbols import END
from training import Stop, release
from training.music import data

TUNES = 200  # written at each temperature
TEMPERATURES = (0.8, 1.0)
ASKED_KEYS = ("Gmaj", "Dmaj", "Amaj", "Emin", "Ador", "Dmix", "Cmaj", "Fmaj", "Bmin", "Edor")
ASKED_METRES = ("4/4", "6/8", "2/4", "3/4", "9/8", "2/2")
COPIED = 48  # characters in a row of one training tune's body
IN_KEY = 0.9  # share of the time that a tune sounds within its scale
# What a model card says of the tunes it was trained on.
IRISH = "804 Irish dances (MIT licence, from the course 6.S191)"
NOTTINGHAM = "the Nottingham Music Database (GPL-3.0) as cleaned by its editors, without their chord symbols"
ABOUT = {
    "folk": f"two collections, {IRISH} and {NOTTINGHAM}",
    "irish": f"a collection of {IRISH}",
    "nottingham": NOTTINGHAM,
    "sample": "the project's own grammar; this model is an exercise",
    "folder": "somebody's own",
}


def evaluate(config, path, tunes):
    """The figures of the SavedModel in `path`, which are also written beside it with the card.

    Args:
        config: the Config of training.music.
        path: folder of the SavedModel.
        tunes: dict of the tunes in normal form of the splits "train", "validation", "test".

    Returns:
        Dict for metrics.json.
    """
    folder = Path(path)
    if not (folder / "saved_model.pb").exists():
        raise Stop(f"There is no SavedModel in {path}. Train one with {command(config)}.")
    model = tf.saved_model.load(str(folder))
    figures = {
        "bits_per_character": {
            split: round(bits_per_character(model, tunes[split]), 4) for split in ("validation", "test")
        },
        "written": {str(t): written_figures(model, t, tunes["train"]) for t in TEMPERATURES},
        "tunes": {split: len(found) for split, found in tunes.items()},
    }
    metrics = release.read_metrics(path) | figures | release.read_baselines(config.workdir)
    release.write_metrics(path, metrics)
    write_card(config, metrics, path)
    return metrics


def text_of(tune):
    """What bits per character are counted over: metre, key and body, as every model here is given them."""
    fields, body = data.parts(tune)
    return data.line("M", fields["M"]) + data.line("K", fields["K"]) + body


def bits_per_character(model, tunes, batch_size=32):
    """Bits the SavedModel needs for tunes, header and end included, per character of the tunes and one for the end.

    What it has no symbol for, or may not write there, costs as much as a draw among all symbols.
    """
    symbols = [s.decode() for s in model.signatures["symbols"]()["symbols"].numpy()]
    places = {symbol: place for place, symbol in enumerate(symbols) if place > END}
    start, step = model.signatures["start"], model.signatures["step"]
    blind = np.log(len(symbols))
    nats, characters = 0.0, 0
    tunes = sorted(tunes, key=len)
    for first in range(0, len(tunes), batch_size):
        rows = []
        for tune in tunes[first : first + batch_size]:
            fields, body = data.parts(tune)
            row = []
            for field in "MK":
                # A metre that it does not know has to be some other one for it, or it could not go on.
                known = [place for symbol, place in places.items() if symbol.startswith(f"{field}:")]
                row.append(places.get(data.line(field, fields[field]), -known[0]))
            row += [places.get(character, 0) for character in body]
            nats += blind * row.count(0)
            rows.append([place for place in row if place] + [END])
            characters += len(text_of(tune)) + 1
        length = max(map(len, rows))
        ids = np.array([row + [0] * (length - len(row)) for row in rows], np.int32)
        now = start(prompt=tf.fill([len(rows)], ""))
        for place in range(length):
            chosen = np.abs(ids[:, place])
            found = -tf.nn.log_softmax(now["logits"]).numpy()[np.arange(len(rows)), chosen]
            found = np.where((ids[:, place] < 0) | (found > 1e6), blind, found)
            nats += float(np.sum(found * (chosen > 0)))
            now = step(token=tf.constant(chosen), state=now["state"])
    return nats / np.log(2) / characters


def written_figures(model, temperature, training_tunes):
    """What becomes of tunes that are asked for by key and metre, shares in per cent."""
    random = np.random.default_rng(0)
    asked = [
        (ASKED_KEYS[random.integers(len(ASKED_KEYS))], ASKED_METRES[random.integers(len(ASKED_METRES))])
        for _ in range(TUNES)
    ]
    known = [s.decode() for s in model.signatures["symbols"]()["symbols"].numpy()]
    keys, metres = ([s[2:-1] for s in known if s.startswith(f"{field}:")] for field in "KM")
    # What it does not know it is not asked for.
    common = "4/4" if "4/4" in metres else metres[0]
    asked = [(k if k in keys else keys[i % len(keys)], m if m in metres else common) for i, (k, m) in enumerate(asked)]
    prompts = tf.constant([f"M:{m}\nK:{k}\n" for k, m in asked])
    music = model.signatures["serving_default"](
        prompt=prompts, length=tf.constant(2000), temperature=tf.constant(temperature), seed=tf.constant(1)
    )["music"].numpy()
    tunes = [text.decode() for text in music]
    corpus = "\0".join(data.parts(tune)[1] for tune in training_tunes)
    checks, in_key, as_asked, longest = [], [], [], []
    for (key, metre), tune in zip(asked, tunes):
        check = abc.check(tune)
        checks.append(check)
        in_key.append(abc.fits_key(tune) if check.parses else 0.0)
        as_asked.append(f"M:{metre}\n" in tune and f"K:{key}\n" in tune and check.parses and in_key[-1] >= IN_KEY)
        # The model has met each training tune in every key.
        keys = [abc.transpose(tune, shift) for shift in range(-5, 7)] if check.parses else []
        bodies = [body_of(tune), *(data.parts(key)[1] for key in keys)]
        longest.append(max(longest_copy(body, corpus) for body in bodies))

    def share(values):
        return round(100 * float(np.mean(values)), 1)

    return {
        "tunes": len(tunes),
        "parse_and_render": share([c.parses and c.renders for c in checks]),
        "every_bar_fills": share([c.bars_fill for c in checks]),
        "end": share([c.ends for c in checks]),
        "key_and_metre_as_asked": share(as_asked),
        "time_within_key": share(in_key),
        "copy_48_characters": share([n >= COPIED for n in longest]),
        "longest_copy": max(longest),
        "median_copy": float(np.median(longest)),
        "mean_bars": round(float(np.mean([len(c.bars) for c in checks])), 1),
    }


def body_of(tune):
    """The body of a complete ABC file: what stands behind K:."""
    return tune.partition("\nK:")[2].partition("\n")[2]


def longest_copy(body, corpus):
    """The length of the longest piece of `body` that stands in `corpus`, by a window that grows."""
    longest, start = 0, 0
    while start + longest < len(body):
        if body[start : start + longest + 1] in corpus:
            longest += 1
        else:
            start += 1
    return longest


def save(model, config, rows, workdir, path):
    """Writes the SavedModel with its configuration and the course of its training."""
    size = sum(model.sizes) + 1
    prompt = tf.TensorSpec((None,), tf.string, name="prompt")
    scalars = [
        tf.TensorSpec((), d, name=n) for n, d in (("length", "int32"), ("temperature", "float32"), ("seed", "int32"))
    ]
    step = [tf.TensorSpec((None,), tf.int32, name="token"), tf.TensorSpec((None, size), tf.float32, name="state")]
    export.save(
        path,
        {
            "serving_default": (model.write, [prompt, *scalars]),
            "start": (model.start, [prompt]),
            "step": (model.next, step),
            "symbols": (model.vocabulary, []),
        },
        model=model,
    )
    run = {
        "minutes": round(sum(row["seconds"] for row in rows) / 60, 1),
        "epochs": len(rows),
        "best_epoch": min(rows, key=lambda row: row["val_nats"])["epoch"],
        "parameters": int(model.model.count_params()),
        "machine": release.machine(),
    }
    release.write_metrics(path, {"run": run})
    release.write_run(config, workdir, path)


def command(config):
    """The command that trains such a model."""
    return "python -m training.music" + (" --dataset folder --folder FOLDER" if config.dataset == "folder" else "")


def write_card(config, metrics, path):
    """Fills card.md in and writes it as model_card.md."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    written = [
        f"| {t} | {w['parse_and_render']:.1f} | {w['every_bar_fills']:.1f} | {w['end']:.1f} | "
        f"{w['key_and_metre_as_asked']:.1f} | {w['copy_48_characters']:.1f} | {w['longest_copy']} |\n"
        for t, w in metrics["written"].items()
    ]
    bits = metrics["bits_per_character"]
    rows = [f"| this model | {bits['validation']:.3f} | {bits['test']:.3f} |\n"]
    rows += [
        f"| {name} | {values['validation']:.3f} | {values['test']:.3f} |\n"
        for name, values in metrics.get("baselines", {}).items()
    ]
    values = dataclasses.asdict(config) | metrics["run"] | metrics["tunes"]
    own = config.dataset == "folder"
    dances = "short dance tunes of two or three parts in the keys of fiddle and flute"
    values |= {
        "kind": "tunes" if own else "folk tunes",
        "trained_on": ABOUT[config.dataset],
        "command": command(config),
        "cell": config.cell.upper(),
        "tunes_written": TUNES,
        "written": "".join(written),
        "bits": "".join(rows),
        "others": "\n`python -m benchmarks.music` trains the others.\n" if len(rows) > 1 else "",
        "knows": "tunes like these" if own else dances,
    }
    (Path(path) / "model_card.md").write_text(template.format(**values), encoding="utf-8")
