import hashlib
import re

import pytest

from training.datasets import sample_prose


@pytest.fixture(scope="module")
def splits():
    return {split: sample_prose.load(split) for split in sample_prose.SIZES}


def test_sizes(splits):
    assert {split: text.count("\n") for split, text in splits.items()} == sample_prose.SIZES
    assert all(text.endswith("\n") and "\n\n" not in text for text in splits.values())
    assert 150_000 < len(splits["train"]) < 250_000


def test_no_paragraph_occurs_twice(splits):
    paragraphs = "".join(splits.values()).splitlines()
    assert len(set(paragraphs)) == len(paragraphs)


def test_all_that_is_needed_stands_in_the_training_split(splits):
    for split in ("validation", "test"):
        assert set(splits[split]) <= set(splits["train"])
        assert set(re.findall(r"\w+", splits[split])) <= set(re.findall(r"\w+", splits["train"]))


def test_the_prose_is_well_formed(splits):
    for paragraph in "".join(splits.values()).splitlines():
        assert "{" not in paragraph and "  " not in paragraph
        assert paragraph.count('"') % 2 == 0
        assert re.sub(r"[^()]", "", paragraph) in ("()" * n for n in range(5))
        assert paragraph[0].isupper() and paragraph.endswith(".")
        assert not re.search(r"\ba [aeiou]", paragraph)


def test_verbs_agree_with_their_subjects_some_words_back(splits):
    for paragraph in splits["train"].splitlines():
        for subject, verb in re.findall(r"(\w[\w ]*), who [\w ]+, (\w+)", paragraph):
            several = subject.lower() in sample_prose.GROUPS
            assert verb in {forms[several].split()[0] for forms in sample_prose.VERBS}


def test_the_prose_is_the_same_everywhere(splits):
    digest = hashlib.sha256("".join(splits.values()).encode()).hexdigest()
    assert digest == "5d0fbc9b1da07ca5b01511074e55d63fc77e7f356240263d5539e3dd356ebc59"


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Received: 'valid'"):
        sample_prose.load("valid")
