import html
import re

import pytest

from apps import texts, widgets


def shown(markup):
    """The text a browser shows for the markup."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@pytest.mark.parametrize("text", ["a <b>bold</b> & \"quoted\"\n\n'text'", "<script>alert(1)</script>", "🙂 <", ""])
def test_tinted_html_shows_the_text_as_it_was_written(text):
    tokens = text.lower().split()
    markup = widgets.tinted_html(text, texts.align(text, tokens), [0.5] * len(tokens))
    assert shown(markup) == text
    assert "<script" not in markup and "<b>" not in markup


def test_tinted_html_escapes_the_hover_text():
    markup = widgets.tinted_html('"><i>', [(0, 5)], [1.0])
    assert 'title="&quot;&gt;&lt;i&gt;: +1.000"' in markup


def test_tint_follows_sign_and_strength():
    markup = widgets.tinted_html("good bad so", [(0, 4), (5, 8), (9, 11)], [2.0, -1.0, 0.0])
    good, bad, so = re.findall(r"<span title=[^>]*>", markup)
    assert "0.50)" in good and "solid" in good and str(widgets.FOR[0]) in good
    assert "0.29)" in bad and "dashed" in bad and str(widgets.AGAINST[0]) in bad
    assert "style" not in so


def test_tokens_without_a_place_are_left_out():
    assert shown(widgets.tinted_html("good", [None, (0, 4)], [1.0, 1.0])) == "good"


def test_the_unread_part_is_greyed_and_shortened():
    text = "read " + "x" * 5_000
    markup = widgets.tinted_html(text, [(0, 4)], [1.0], unread_from=5)
    assert shown(markup) == text[: 5 + widgets.UNREAD_SHOWN] + " … and 3,000 more characters"
    assert "opacity" in markup


def test_plain_leaves_nothing_that_markdown_reads():
    text = "![x](http://a.b/c.png) :red[y] $z$ <b>*w*</b> `v`\n# u"
    escaped = widgets.plain(text)
    assert re.sub(r"\\(.)", r"\1", escaped) == " ".join(text.split())
    assert not re.search(r"(?<!\\)[!\[\](){}*_`#<>:$|~]", escaped)


def test_written_html_sets_apart_what_was_given_and_tints_by_probability():
    markup = widgets.written_html("K:D\n<b>", [("a", 0.9, "a: 90%"), ("<", 0.1, '"<": 10%'), ("\n", 0.5, "")])
    given, sure, unsure, middling = re.findall(r"<span [^>]*>", markup)
    assert shown(markup) == "K:D\n<b>a<\n"
    assert "<b>" not in markup and 'title="&quot;&lt;&quot;: 10%"' in markup
    assert str(widgets.NEUTRAL[0]) in given
    assert str(widgets.FOR[0]) in sure and "dashed" not in sure
    assert str(widgets.AGAINST[0]) in unsure and "dashed" in unsure
    assert "0.05)" in middling


def test_nothing_given_leaves_no_mark():
    assert widgets.written_html("", [("a", 0.9, "")]).count("<span") == 1
