"""Home: what the suite is, and a card for each application with its model's answer to an example."""

import streamlit as st

from apps.applications import INSIDE, INSIDE_EXAMPLE, answer, offered
from apps.models import ModelError, is_there

st.title("Sequence models at work")
st.markdown(
    "Recurrent networks with gates and attention, built from their equations with Keras and trained on public data. "
    "Each page here runs one of them on whatever you give it, and shows what in your input led to its answer."
)

applications, waiting = offered(), []
with st.grid(2 if len(applications) > 1 else 1, min_column_width=300):
    for application in applications:
        with st.container(border=True, height="stretch"):
            st.subheader(application.title, icon=application.icon, anchor=False)
            st.markdown(application.summary)
            application.show(application.example)
            waiting.append((application, st.empty()))
            st.page_link(
                f"screens/{application.word}.py",
                label=application.invitation,
                icon=":material/arrow_forward:",
                icon_position="right",
                help="",
                query_params={application.parameter: application.example},
            )
    with st.container(border=True, height="stretch"):
        st.subheader(INSIDE.title, icon=INSIDE.icon, anchor=False)
        st.markdown(INSIDE.summary)
        st.page_link(
            f"screens/{INSIDE.word}.py",
            label="Look inside",
            icon=":material/arrow_forward:",
            icon_position="right",
            help="",
            query_params=INSIDE_EXAMPLE if is_there(f"language/{INSIDE_EXAMPLE['model']}") else None,
        )

# Filled in last, so that the page stands before a model is loaded.
for application, place in waiting:
    place.caption("Asking the model …")
    try:
        place.markdown(f":material/subdirectory_arrow_right: {answer(application)}")
    except ModelError as error:
        place.caption(str(error))
