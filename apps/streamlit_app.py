"""The suite's entry: `streamlit run apps/streamlit_app.py`."""

import logging
import sys
from pathlib import Path

import streamlit as st

# Streamlit puts the folder of this file on the path, not the one above, from which `apps` is imported.
root = str(Path(__file__).parent.parent)
if root not in sys.path:
    sys.path.insert(0, root)

from apps.applications import INSIDE, offered  # noqa: E402

# A file, because a Material symbol in the browser's tab would be fetched from another host.
st.set_page_config(page_icon=str(Path(__file__).parent / "icon.svg"), layout="centered")
st.logo(str(Path(__file__).parent / "logo.svg"))

home = st.Page("screens/home.py", title="Home", icon=":material/home:", default=True, help="What the suite holds.")
pages = [
    st.Page(f"screens/{page.word}.py", title=page.title, icon=page.icon, help=page.summary)
    for page in (*offered(), INSIDE)
]
page = st.navigation([home, *pages], position="top")
try:
    page.run()
except Exception:
    logging.getLogger(__name__).exception("The page %s failed", page.title)
    st.error(
        "This page met an error of its own and could not go on. What you typed is still in place; the server's log "
        "says what went wrong.",
        icon=":material/error:",
    )
