"""Hooks: each in its stage, with the state it sees, and the image for those that come later."""

from typing import Any

import pytest

from runtime.errors import ConfigError
from runtime.plan.encode import encode_plan
from runtime.plan.layout import FLAGS, OP_FLAGS
from tests.runtime.plan.drafting import config, names, one, ops, plan

_EVERY = {
    name: [{"path": f"/hooks/{name}"}]
    for name in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
}


def test_stages_and_statuses() -> None:
    """config.md#posix-platform-hooks, with the status that runc shows to each."""
    found = plan(config(hooks=_EVERY), asked={"mode": "RUN"})
    seen = [
        (stage, op.places["label"], op.places["kind"])
        for stage, stage_ops in found.stages.items()
        for op in stage_ops
        if op.name == "HOOK"
    ]
    assert seen == [
        ("HOOKS", "prestart hook #0", "creating"),
        ("HOOKS", "createRuntime hook #0", "creating"),
        ("ROOT", "createContainer hook #0", "creating"),
        ("START", "startContainer hook #0", "created"),
        ("POST", "poststart hook #0", "running"),
        ("STOP", "poststop hook #0", "stopped"),
    ]
    assert found.flags & FLAGS["RUNTIME_HOOKS"]
    assert not plan().flags & FLAGS["RUNTIME_HOOKS"]


def test_hooks_in_the_container_run_at_the_edge_of_their_stage() -> None:
    """createContainer before the root changes, startContainer after start has opened the fifo."""
    found = plan(config(hooks=_EVERY))
    assert names(found, "ROOT")[0] == "HOOK"
    assert names(found, "START")[:2] == ["FIFO_WAIT", "HOOK"]


def test_arguments_environment_and_timeout() -> None:
    """No args: the path; no env: the runtime's own outside, the process's inside; [] is an empty one."""
    runtime = one(plan(config(hooks={"createRuntime": [{"path": "/h"}]})), "HOOK")
    assert (runtime.blob, runtime.flags) == ((("/h",), ()), OP_FLAGS["INHERIT_ENV"])
    inside = one(plan(config(hooks={"startContainer": [{"path": "/h", "args": ["a", "b"], "timeout": 3}]})), "HOOK")
    assert (inside.blob, inside.flags) == ((("a", "b"), ("PATH=/usr/bin:/bin",)), 0)
    assert inside.places["timeout_ms"] == 3000
    empty = one(plan(config(hooks={"createRuntime": [{"path": "/h", "env": []}]})), "HOOK")
    assert (empty.blob, empty.flags) == ((("/h",), ()), 0)


def test_only_poststop_may_fail() -> None:
    """runtime.md#lifecycle: the container is gone already."""
    flags = {
        op.places["label"]: op.flags & OP_FLAGS["WARN"]
        for op in ops(plan(config(hooks=_EVERY), asked={"mode": "RUN"}), "HOOK")
    }
    assert [label for label, flag in flags.items() if flag] == ["poststop hook #0"]


@pytest.mark.parametrize("mode", ["CREATE", "RUN"])
def test_later_hooks_are_an_image_of_their_own(mode: str) -> None:
    """start and delete run it; only run executes these stages from its own plan, and says so in the state."""
    found = plan(config(hooks=_EVERY), asked={"mode": mode})
    saved = next(op for op in ops(found, "SAVE_FILE") if op.places["name"] == "hooks.plan")
    assert isinstance(saved.blob, bytes)
    assert saved.blob.startswith(b"POSTERN\0")
    assert (len(found.stages["POST"]), len(found.stages["STOP"])) == ((0, 0) if mode == "CREATE" else (1, 1))
    assert '"hooks": true' in str(one(found, "SAVE_STATE", "COMMIT").places["tail"])


def test_no_image_without_later_hooks() -> None:
    """The front need not look for it."""
    hooks: dict[str, Any] = {"createRuntime": [{"path": "/h"}], "poststop": []}
    found = plan(config(hooks=hooks))
    assert [op.places["name"] for op in ops(found, "SAVE_FILE")] == ["config.json"]
    assert '"hooks": false' in str(one(found, "SAVE_STATE", "COMMIT").places["tail"])
    encode_plan(found)


def test_more_later_hooks_than_an_image_holds() -> None:
    """A violation of the config, not a failure of the encoder."""
    with pytest.raises(ConfigError, match="/hooks: the plan has 4097 operations"):
        plan(config(hooks={"poststop": [{"path": "/h"}] * 4097}))
