"""The suite's applications: the navigation and the home page are made from this list, and one page beside them."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from apps import language, models, pictures, sample_pictures, translations, tunes, widgets


def _quote(text: str) -> None:
    st.markdown(f"> {widgets.plain(text)}")


@dataclass(frozen=True)
class Page:
    """What the navigation offers.

    Attributes:
        word: names its screen and its address (screens/<word>.py, /<word>).
        title: as people read it.
        icon: a Material symbol.
        summary: what it does, in a sentence.
    """

    word: str
    title: str
    icon: str
    summary: str


@dataclass(frozen=True)
class Application(Page):
    """A page for a model of its own, which lies in saved_models/<word>/.

    Attributes:
        example: an input to show and to link to.
        answer: what its model makes of the example, in a few words of Markdown. It may raise `models.ModelError`. It
            asks as the page does, so that what TensorFlow optimises at the first call is there for the page.
        invitation: what the link to its page says.
        show: draws the example.
        parameter: under which the address of its page takes the example.
    """

    example: str
    answer: Callable[[str], str]
    invitation: str
    show: Callable[[str], None] = _quote
    parameter: str = "text"


def _sentiment(text: str) -> str:
    outputs = models.load("sentiment").call("explain", text=[text])
    return f"**{outputs['positive'][0]:.0%} positive**, {outputs['stars'][0]:.1f} of 5 stars"


def _music(prompt: str) -> str:
    return f"`{tunes.beginning(models.load('music'), prompt, bars=4)} …`"


def _translation(text: str) -> str:
    return f"**{widgets.plain(translations.translate(text))}**"


def _caption(sample: str) -> str:
    return f"**{widgets.plain(pictures.caption(sample_pictures.draw(sample)))}**"


def _language(prompt: str) -> str:
    return f"**{widgets.plain(language.beginning(prompt))} …**"


def _show_sample(sample: str) -> None:
    st.image(sample_pictures.draw(sample), width=200, alt=sample_pictures.SAMPLES[sample])


APPLICATIONS = [
    Application(
        "sentiment",
        "Sentiment",
        ":material/reviews:",
        "Is a review for or against, how many stars would its writer give, and which words say so?",
        "The food was good, not bad at all.",
        _sentiment,
        "See why, or try your own",
    ),
    Application(
        "music",
        "Music",
        ":material/music_note:",
        "A model that writes folk tunes to read and to hear, in the key and metre you choose or on from your own bars.",
        "M:6/8\nK:Ador",
        _music,
        "Hear it, or have your own written",
    ),
    Application(
        "translation",
        "Translation",
        ":material/translate:",
        "A model that reads a sentence and writes it in another language, and shows which words it looked at for each.",
        "Two dogs are running through the snow.",
        _translation,
        "See where it looked, or try your own",
    ),
    Application(
        "captioning",
        "Captioning",
        ":material/image_search:",
        "A model that looks at a picture and describes it in a sentence, and shows where it looked for each word.",
        "dog",
        _caption,
        "See where it looked, or give it a picture",
        _show_sample,
        "sample",
    ),
    Application(
        "language",
        "Language",
        ":material/edit_note:",
        "A model that predicts what comes next: it writes on from your words, and says which of two sentences is "
        "likelier.",
        "My lord, the king",
        _language,
        "Have it write on, or compare two sentences",
        parameter="prompt",
    ),
]


INSIDE = Page(
    "inside",
    "Inside the network",
    ":material/troubleshoot:",
    "What goes on in a recurrent network: units that track something, gates that open and close, gradients that vanish "
    "or explode, and memory learnt while you watch.",
)
# The plainest thing that is to be seen there: a unit that knows whether a quotation is open.
INSIDE_EXAMPLE = {"part": "units", "model": "python", "example": "Source code", "property": "inside quotes"}


def answer(application: Application) -> str:
    """What an application's model makes of its example, as `Application.answer` says; made once for all visitors.

    Raises:
        ModelError: as `Application.answer`.
    """
    return _answer(application.word, models.newest(application.word))


@st.cache_data(max_entries=32, show_spinner=False)
def _answer(word: str, newest: int) -> str:
    (application,) = (application for application in APPLICATIONS if application.word == word)
    return application.answer(application.example)


def offered() -> list[Application]:
    """The applications whose model is there to load; all of them where none is, for their pages say how to make it."""
    there = [app for app in APPLICATIONS if models.is_there(app.word) or models.variants(app.word)]
    return there or APPLICATIONS
