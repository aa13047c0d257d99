"""From one dataclass of configuration to a command line, and to the config.json that a run's directory keeps.

Example:

    @dataclasses.dataclass(frozen=True)
    class Config:
        units: int = option(128, "twice as many gained 0.1 % and took three times as long", at_least=1)
        pooling: str = option("max", "finds the telling phrase anywhere", choices=("max", "mean", "attention"))
        manual_dir: str | None = option(None, "where your own copies of the data sets are", may_change=True)

    config = parse(Config, description=__doc__)
"""

import argparse
import dataclasses
import difflib
import json
import math
import types
import typing

REQUIRED = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}


def option(default, reason, *, choices=None, at_least=None, may_change=False):
    """A dataclass field that is also a command-line option.

    Args:
        default: The value without the option. A tuple is given on the command line as values joined by commas.
        reason: Why this default; `--help` prints it.
        choices: The only values allowed.
        at_least: The smallest number allowed.
        may_change: Whether a run that already has finished epochs may be resumed with another value, because the
            epochs already done would have been the same: a path, a number of epochs, a patience.
    """
    metadata = {"reason": reason, "choices": choices, "at_least": at_least, "may_change": may_change}
    return dataclasses.field(default=default, metadata=metadata)


def parse(config_class, arguments=None, *, description=None):
    """Reads a `config_class` from the command line.

    Every field is an option: `--learning_rate 0.001`, `--reverse true` or just `--reverse`, `--bucket_boundaries
    100,200,400`; a field that may be None takes `none`. Unknown options and values that do not fit end the program with
    one sentence and exit status 2.

    Args:
        config_class: A dataclass whose fields are made by `option`, of type int, float, str, bool, a tuple of one of
            these (`tuple[int, ...]`), or any of these `| None`.
        arguments: The words of the command line; those of this process by default.
        description: Printed above the options by `--help`; usually the `__doc__` of the training script.

    Returns:
        An instance of `config_class`.
    """
    parser = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        about = dict(field.metadata)
        default = "none" if field.default is None else _text(field.default)
        lead = f"one of {', '.join(map(str, about['choices']))}; " if about.get("choices") else ""
        parser.add_argument(
            f"--{field.name}",
            type=_reader(hints[field.name], about),
            default=field.default,
            metavar=_metavar(hints[field.name]),
            # argparse formats help with %, so a reason like "3 % better" has to be escaped.
            help=f"{lead}{default} by default: {about.get('reason', '')}".replace("%", "%%"),
            **({"nargs": "?", "const": True} if hints[field.name] is bool else {}),
        )
    values, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown(unknown[0], [f"--{field.name}" for field in dataclasses.fields(config_class)]))
    return config_class(**vars(values))


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Ends with the sentence alone; argparse would print a page of all options before it."""
        self.exit(2, message.removeprefix("argument ") + "\n")


def write(config, path):
    """Writes the resolved values of `config` to the JSON file `path`."""
    path.write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n", encoding="utf-8")


def changes(config, path):
    """What differs between `config` and the one in the JSON file `path`.

    Returns:
        Two lists of sentences like "units from 64 to 128": the changes that would spoil a resumed run, and the harmless
        ones. A field that the file does not know yet counts as having had its default there.
    """
    before = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(dataclasses.asdict(config)))
    spoiling, harmless = [], []
    for field in dataclasses.fields(config):
        old = before.get(field.name, json.loads(json.dumps(field.default)))
        if old != now[field.name]:
            sentence = f"{field.name} from {_text(old)} to {_text(now[field.name])}"
            (harmless if field.metadata.get("may_change") else spoiling).append(sentence)
    return spoiling, harmless


def _text(value):
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _unknown(word, options):
    name = word.split("=")[0]
    # Options are compared without case, dashes and underscores, for --batchSize and --batch-size are near --batch_size.
    plain = {option.replace("_", "").strip("-"): option for option in options}
    near = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), plain, n=1, cutoff=0.5)
    if not name.startswith("-"):
        return f"{word!r} belongs to no option; write options as --name value (--help lists them)"
    return f"no option {name}" + (f"; did you mean {plain[near[0]]}?" if near else "") + " (--help lists them all)"


def _parts(hint):
    """Splits a type into (type of one value, whether it is a tuple of them, whether None is allowed)."""
    optional = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    if optional:
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    several = typing.get_origin(hint) is tuple
    if several:
        hint = typing.get_args(hint)[0]
    if hint not in REQUIRED:
        raise TypeError(f"An option holds int, float, str, bool, a tuple of them, or None. Received: {hint}")
    return hint, several, optional


def _metavar(hint):
    kind, several, _ = _parts(hint)
    name = {int: "NUMBER", float: "NUMBER", str: "TEXT", bool: "true|false"}[kind]
    return f"{name},..." if several else name


def _reader(hint, about):
    """A function from the word on the command line to the value, for argparse."""
    kind, several, optional = _parts(hint)

    def one(word):
        try:
            value = {"true": True, "false": False}[word.lower()] if kind is bool else kind(word)
            if kind is float and not math.isfinite(value):
                raise ValueError
        except (KeyError, ValueError):
            raise argparse.ArgumentTypeError(f"wanted {REQUIRED[kind]}, received {word!r}") from None
        if about.get("choices") and value not in about["choices"]:
            raise argparse.ArgumentTypeError(
                f"wanted one of {', '.join(map(str, about['choices']))}, received {word!r}"
            )
        if about.get("at_least") is not None and value < about["at_least"]:
            raise argparse.ArgumentTypeError(f"wanted at least {about['at_least']}, received {word!r}")
        return value

    def read(word):
        if optional and word.lower() == "none":
            return None
        return tuple(one(part.strip()) for part in word.split(",")) if several else one(word)

    return read
