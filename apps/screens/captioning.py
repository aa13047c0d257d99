"""Captioning: a picture in, a sentence out, and where the model looked for each word; one picture or hundreds."""

import base64
import html
import re

import pandas as pd
import streamlit as st

from apps import models, pictures, sample_pictures, shading, texts, widgets

LINKED = ("sample", "width")
# Of sentences on files that could not be read, and of captions while the work goes on, so many are shown.
SAID, WORKING = 8, 5

state = st.session_state


# What a visitor asks for


def ask(files: list[tuple[str, str, bytes]], sample: str | None = None) -> None:
    """Takes files, each (key, name, bytes), as the pictures to caption."""
    state.captioning_asked = files
    state.captioning_sample, state.captioning_from_files = sample, False
    state.pop("captioning_refused", None)
    if st.query_params.get("sample") != sample:
        leave_link()


def leave_link() -> None:
    """Empties the address, which must not go on naming what is no longer shown."""
    state.pop("captioning_linked", None)
    for name in LINKED:
        st.query_params.pop(name, None)


def take_files() -> None:
    """Takes all files that are open; closing the last one takes its caption away, but none of another picture."""
    files = [(file.file_id, file.name, file.getvalue()) for file in state.captioning_files or []]
    if files or state.get("captioning_from_files"):
        ask(files)
        state.captioning_from_files = bool(files)


def take_photo() -> None:
    """Takes the camera's photo; putting one aside to take the next changes nothing that is shown."""
    if state.captioning_photo is not None:
        ask([(state.captioning_photo.file_id, "Photo", state.captioning_photo.getvalue())])


def take_sample(name: str) -> None:
    ask([(f"sample {name}", f"{name}.jpg", sample_pictures.draw(name))], name)


def follow_link() -> None:
    """Sets the controls to what the address says and asks for it, once."""
    linked = {name: st.query_params[name] for name in LINKED if name in st.query_params}
    if "sample" not in linked or linked == state.get("captioning_linked"):
        return
    state.captioning_linked = linked
    width = linked.get("width", "")
    state.captioning_width = within(int(width)) if re.fullmatch(r"[0-9]{1,9}", width) else pictures.WIDTH
    if linked["sample"] in sample_pictures.SAMPLES:
        take_sample(linked["sample"])
    else:
        state.captioning_refused = f"There is no sample called {linked['sample'][:20]}. Pick one of those above."


def within(width: int) -> int:
    return min(max(width, 1), pictures.MAX_WIDTH)


def controls() -> None:
    st.caption(
        "This model learned from 6,000 photos, mostly of people and dogs out of doors. It knows no names, reads no "
        "writing and counts badly, and it always says something fluent: it replaces what it has not met with "
        "something it has."
    )
    with st.grid(4, min_column_width=120, gap="small"):
        for name, words in sample_pictures.SAMPLES.items():
            with st.container(gap="xsmall"):
                st.image(sample_pictures.draw(name), width="stretch", alt=words)
                st.button(
                    name.capitalize(),
                    on_click=take_sample,
                    args=(name,),
                    key=f"captioning_example_{name}",
                    width="stretch",
                )
    st.file_uploader(
        f"Open pictures, up to {pictures.MAX_PICTURES} at once",
        pictures.ENDINGS,
        accept_multiple_files=True,
        max_upload_size=pictures.MAX_MEGABYTES,
        key="captioning_files",
        on_change=take_files,
        help="They stay in this server's memory while the page is open and are not kept.",
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        state.setdefault("captioning_width", pictures.WIDTH)
        st.slider(
            "Beam width",
            1,
            pictures.MAX_WIDTH,
            key="captioning_width",
            on_change=widen,
            width=260,
            help="How many captions are kept in view while one is written. 1 is greedy: always the likeliest next "
            "word. Wider is slower, finds likelier sentences, and gives as many alternatives.",
            persist_state="session",
        )
        # Not drawn before it is wanted, because drawing it asks the visitor for the camera.
        wanted = st.toggle("Use the camera", key="captioning_camera")
    if wanted:
        st.camera_input("Take a photo", key="captioning_photo", on_change=take_photo)


def widen() -> None:
    """Captions the pictures that are shown anew."""
    leave_link()
    if "captioning_work" in state:
        state.captioning_work = state.captioning_work.with_width(within(state.captioning_width))


def begin(model: models.Model) -> None:
    """Starts on the pictures that were asked for, if any were; what cannot be done is said beside the controls."""
    asked = state.pop("captioning_asked", None)
    if asked is None:
        return
    before = state.pop("captioning_work", None)
    try:
        entries = pictures.given(asked)
    except texts.InputError as error:
        state.captioning_refused = str(error)
        return
    # A browser that is made to can send what the slider does not offer.
    width = within(state.captioning_width)
    if before is not None and before.model is model and before.width == width:
        state.captioning_work = before.with_files(entries)
    else:
        state.captioning_work = pictures.Work(model, entries, width)
    state.captioning_shown = None
    state.captioning_table = state.get("captioning_table", 0) + 1


# What came of it


def stop(work: pictures.Work, stopped: bool = True) -> None:
    work.stopped = stopped


def counted(work: pictures.Work) -> str:
    return f"{len(work.captioned):,} captioned, {len(work.entries) - work.done:,} to go"


def work_on(work: pictures.Work) -> None:
    """Captions until all is done or the visitor steps in, who then finds it as far as it came."""
    bar, place = st.empty(), st.empty()
    total = len(work.entries)
    if total > 1:
        st.button("Stop captioning", on_click=stop, args=(work,), icon=":material/stop:", key="captioning_stop")
    while not work.ended and not work.stopped:
        bar.progress(work.done / total, counted(work) if total > 1 else "Looking …")
        if latest := work.captioned[-WORKING:]:
            lines = [f"{work.entries[index].name}: {work.entries[index].caption}" for index in latest]
            place.caption("  \n".join(widgets.plain(line) for line in lines))
        try:
            work.step()
        except models.ModelError as error:
            work.stopped, state.captioning_refused = True, str(error)
    st.rerun()


def results() -> None:
    """Shows the captions asked for last, and makes them first if they are not done."""
    work = state.get("captioning_work")
    if work is None:
        return
    several = len(work.entries) > 1
    if not work.ended and not work.stopped:
        st.subheader("Captions" if several else "Caption", anchor=False)
        work_on(work)
    say(work)
    if not work.captioned and work.ended:
        return
    st.subheader("Captions" if several else "Caption", anchor=False)
    if not work.ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Stopped: {counted(work)}.", width="content")
            st.button(
                "Go on captioning",
                on_click=stop,
                args=(work, False),
                icon=":material/play_arrow:",
                key="captioning_go_on",
            )
    if not work.captioned:
        return
    entry = work.entries[chosen(work) if several else 0]
    captioned(work, entry)
    looked(work.model, entry)
    downloads(work, entry)


def say(work: pictures.Work) -> None:
    """What should be said about the pictures, those that have no caption first."""
    done = [entry for entry in work.entries if entry.done]
    for refused, show in ((True, st.warning), (False, st.info)):
        said = pictures.grouped(done, refused)
        if len(work.entries) == 1:
            said = [remark for entry in done if bool(entry.refused) == refused for remark in entry.remarks]
        if len(said) > SAID:
            said = [*said[:SAID], f"And {len(said) - SAID:,} more; the table has them all."]
        if said:
            show("  \n".join(widgets.plain(remark) for remark in said))


def chosen(work: pictures.Work) -> int:
    """Shows the table of all pictures; returns the place of the one to look at."""
    rows = [
        {
            "picture": _url(entry.picture.small) if entry.picture else None,
            "caption": entry.caption or entry.refused or "Not captioned yet.",
            "file": entry.name,
            "score": entry.alternatives[0][1] if entry.alternatives else None,
        }
        for entry in work.entries
    ]
    key = f"captioning_table_{state.captioning_table}"
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=64,
        height=min(64 * len(rows) + 40, 460),
        on_select=lambda: look_at(work, key),
        selection_mode="single-row",
        key=key,
        placeholder="–",
        alt="The pictures with their file names, captions and scores",
        column_config={
            "picture": st.column_config.ImageColumn("Picture", width=90),
            "caption": st.column_config.TextColumn("Caption", width=370),
            "file": st.column_config.TextColumn("File", width=130),
            "score": st.column_config.NumberColumn("Score", format="%.2f", width=70),
        },
    )
    number = len(work.captioned)
    widgets.time_taken(work.seconds, "One picture captioned" if number == 1 else f"{number:,} pictures captioned")
    if state.get("captioning_shown") not in work.captioned:
        state.captioning_shown = work.captioned[0]
    return st.selectbox(
        "Picture to look at",
        work.captioned,
        format_func=lambda index: f"{index + 1}. {work.entries[index].name}",
        key="captioning_shown",
        on_change=leave_row,
    )


def look_at(work: pictures.Work, key: str) -> None:
    """Shows the picture whose row was chosen."""
    rows = state[key].selection.rows
    if rows and rows[0] in work.captioned:
        state.captioning_shown = rows[0]


def leave_row() -> None:
    """Draws the table without a chosen row, for another picture than that row's was chosen."""
    state.captioning_table += 1


def _url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def captioned(work: pictures.Work, entry: pictures.Entry) -> None:
    """A picture with its caption, and what else the caption might be."""
    with st.container(border=True, horizontal=True, gap="medium", vertical_alignment="center"):
        picture = entry.picture
        width = min(330, round(330 * picture.width / picture.height))
        st.image(picture.jpeg, width=max(width, 60), alt=f"{entry.name or 'The picture'}, as the model saw it")
        with st.container(width=290, gap="xsmall"):
            st.html(
                '<div style="font-size:1.45rem;font-weight:600;line-height:1.35;overflow-wrap:anywhere">'
                f"{html.escape(entry.caption)}</div>"
            )
            if len(work.entries) == 1:
                widgets.time_taken(work.seconds, "One picture captioned")
    st.subheader("Alternatives", anchor=False)
    widgets.alternatives(entry.alternatives, work.width)


def looked_at(model: models.Model, picture: pictures.Picture) -> pictures.Attention:
    """The attention of a picture; kept, so that other clicks on the page cost nothing."""
    kept = state.get("captioning_attention")
    if kept is None or kept[0] is not picture or kept[1] is not model:
        with st.spinner("Looking closer …"):
            kept = (picture, model, pictures.attention(model, picture))
        state.captioning_attention = kept
    return kept[2]


def looked(model: models.Model, entry: pictures.Entry) -> None:
    """Where the model looked for each word it wrote."""
    found = looked_at(model, entry.picture)
    if not found.words:
        return
    st.subheader("Attention", anchor=False)
    if found.caption != entry.caption:
        st.caption(
            "Drawn for what the model writes with its own beam width, "
            f"{model.config.get('width', pictures.WIDTH)}: “{widgets.plain(found.caption)}”"
        )
    size = entry.picture.width, entry.picture.height
    with st.container(border=True):
        st.html(shading.shaded_html(entry.picture.jpeg, size, found.words, found.weights))
    rows, columns = found.weights.shape[1:]
    st.caption(
        "The picture for each word, clear where the model looked while it wrote it, dark where it did not. Point at a "
        f"word, or tap it, to see it large. The model looks at {rows} × {columns} places; the shading flows between "
        "them."
    )


def downloads(work: pictures.Work, entry: pictures.Entry) -> None:
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        several = len(work.entries) > 1
        if several:
            widgets.download("The table as CSV", work.csv, "captions.csv", key="captioning_csv")
        widgets.download(
            "This picture's captions as CSV" if several else "Captions and scores as CSV",
            lambda: pictures.alternatives_csv(entry.alternatives),
            "caption.csv",
            key="captioning_alternatives_csv",
        )
        if sample := state.get("captioning_sample"):
            values = dict(zip(LINKED, (sample, work.width)))
            widgets.link("sees this picture and its caption", values, key="captioning_link")


st.title("Captioning", anchor=False)
st.markdown("Give it a picture and have it described in a sentence, with alternatives and where the model looked.")
try:
    follow_link()
    controls()
    above = st.container()
    with st.spinner("Loading the model …", show_time=True):
        model = models.load("captioning")
    begin(model)
    if "captioning_refused" in state:
        above.warning(widgets.plain(state.captioning_refused))
    place = st.container()
    widgets.model_card(model)
    # Last, so that all else stands while the work goes on.
    with place:
        results()
except models.ModelError as error:
    st.error(str(error), icon=":material/model_training:")
