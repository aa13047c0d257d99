"""The derivation quotes the code: each quoted line must still stand, in its order, in the function named above it."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "backpropagation_through_time.md"
QUOTE = re.compile(r"\[`([\w/.]+)`\]\(\.\./\1\), `([\w.]+)`:\n\n```python\n(.*?)```", re.DOTALL)
QUOTES = QUOTE.findall(PAGE.read_text(encoding="utf-8"))


def source(path, name):
    """The lines of a function, method (`Class.method`) or value at the top of a file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    body, found = ast.parse(text).body, None
    for part in name.split("."):
        names = {getattr(node, "name", None) or ast.unparse(getattr(node, "targets", [node])[0]): node for node in body}
        assert part in names, f"{path} has no {name} any more, which {PAGE.name} quotes"
        found = names[part]
        body = getattr(found, "body", [])
    return [line.strip() for line in ast.get_source_segment(text, found).splitlines()]


@pytest.mark.parametrize("path, name, quoted", QUOTES, ids=[f"{name}-{i}" for i, (_, name, _) in enumerate(QUOTES)])
def test_quoted_lines_still_stand(path, name, quoted):
    lines = iter(source(path, name))
    for line in quoted.splitlines():
        assert line.strip() in lines, (
            f"{PAGE.name} quotes {line.strip()!r}, which {name} in {path} does not have (there)"
        )


def test_every_block_of_code_is_a_quote():
    assert len(QUOTES) == PAGE.read_text(encoding="utf-8").count("```python") > 15


def test_equations_are_numbered_and_links_lead_somewhere():
    text = PAGE.read_text(encoding="utf-8")
    numbers = [int(n) for n in re.findall(r"  \((\d+)\)$", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    headings = {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(((?:#|\.\./)[^)]+)\)", text):
        assert target[1:] in headings if target[0] == "#" else (PAGE.parent / target).exists(), target
