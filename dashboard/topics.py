"""The page of Kafka: topics, partitions, offsets and lag, and the newest messages of one."""

import streamlit as st

from app.settings import settings
from dashboard.api import Api, ApiError
from dashboard.log import LogError, newest, partitions

REFRESH = "5s"
MOST = 200  # messages
DEFAULT = 20


@st.fragment(run_every=REFRESH)
def lag() -> None:
    """A row a partition: what it holds, and how far the layers have counted it."""
    api, at = Api(settings()), settings()
    try:
        pipelines = {pipeline["topic"]: pipeline["name"] for pipeline in api.get("/pipelines")}
        stand = {name: api.get(f"/pipelines/{name}") for name in pipelines.values()}
        found = partitions(at.kafka_bootstrap_servers, pipelines)
    except (ApiError, LogError) as error:
        st.error(str(error))
        return
    rows = []
    for topic, partition, first, end in found:
        status = stand[pipelines[topic]]
        committed, cut = (status[of].get(str(partition), 0) for of in ("offsets", "cut"))
        offsets = {"first offset": first, "next offset": end, "committed": committed, "cut": cut}
        lag_of_it = max(end - committed, 0)
        rows.append({"topic": topic, "pipeline": pipelines[topic], "partition": partition, **offsets, "lag": lag_of_it})
    held, behind = st.columns(2)
    held.metric("Messages in Kafka", f"{sum(row['next offset'] - row['first offset'] for row in rows):,}")
    behind.metric("Lag of the speed layer", f"{sum(row['lag'] for row in rows):,}")
    st.dataframe(rows, hide_index=True, width="stretch")
    if missing := sorted(set(pipelines) - {row["topic"] for row in rows}):
        st.warning(f"Kafka has no topic {', '.join(missing)}; make it with `./scripts/topics`")


def messages() -> None:
    """The newest messages of a topic, read when they are asked for."""
    st.subheader("Messages")
    try:
        topics = [pipeline["topic"] for pipeline in Api(settings()).get("/pipelines")]
    except ApiError:
        return  # it is said above
    left, right = st.columns(2)
    topic = left.selectbox("Topic", topics)
    most = right.number_input("Newest", min_value=1, max_value=MOST, value=DEFAULT)
    st.button("Read again")
    try:
        read = newest(settings().kafka_bootstrap_servers, topic, int(most))
    except LogError:
        return
    if read:
        st.dataframe([message._asdict() for message in read], hide_index=True, width="stretch")
    else:
        st.info(f"The topic `{topic}` holds no message.")


st.title("Kafka")
lag()
messages()
