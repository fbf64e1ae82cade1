"""Whatever a planner writes into state.json, the C reader takes: a container that nobody can name cannot be deleted."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from runtime.plan.encode import encode_plan
from tests.runtime.plan.drafting import config, one, plan
from tests.runtime.state.test_store import parse_native

file_names = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(file_names, st.dictionaries(words.filter(bool), words, max_size=4), st.sampled_from(["HOST", "COMMIT"]))
def test_property_planned_states_are_canonical(name: str, annotations: dict[str, str], stage: str) -> None:
    """Also when a path is no UTF-8; the bytes are those of the plan image, which the executor writes as they are."""
    planned = plan(config(annotations=annotations), asked={"bundle": f"/b/{name}"})
    places = one(planned, "SAVE_STATE", stage).places
    phase = "creating" if stage == "HOST" else "created"
    tail = str(places["tail"])
    data = f'{places["head"]}{phase}",\n"pid": 5,\n"startTime": 6{tail}'.encode("utf-8", "surrogateescape")
    assert tail.encode("utf-8", "surrogateescape") in encode_plan(planned)
    facts = parse_native(data)
    assert facts is not None
    assert facts["annotations"] == annotations
    assert (facts["pid"], facts["start_time"], facts["phase"]) == (5, 6, phase)
    assert facts["bundle"].encode("utf-8", "replace").startswith(b"/b/")
