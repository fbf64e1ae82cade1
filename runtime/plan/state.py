"""What is remembered about a container: state.json, the OCI state that hooks and agents get, and the files beside it.

state.json has one key a line in the order of `runtime/native/state_file.h`, because the front reads it without a JSON
parser; the executor fills in phase, pid and start time between the two halves made here.
Source: runtime.md#state.
"""

from oci_schemas.json_text import dumps
from runtime.plan.draft import STATE, Draft
from runtime.plan.launch_plan import op
from runtime.plan.rootfs import root_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.plan.options import CreateOptions, ExecOptions

SPEC_VERSION = "1.3.0"
CONFIG_NAME = "config.json"
_STATE_FORMAT = 1


def _text(text: str) -> str:
    """A JSON string.  A file name's bytes that are no UTF-8 become U+FFFD, as in Go: with them nobody could read the state."""
    return dumps(text).decode()


def oci_state(draft: Draft, options: "CreateOptions | ExecOptions") -> tuple[str, str]:
    """The OCI state before the status word and after the pid."""
    head = f'{{"ociVersion":"{SPEC_VERSION}","id":"{options.container_id}","status":"'
    annotations = draft.config.get("annotations")
    tail = f',"annotations":{dumps(annotations).decode()}}}' if annotations else "}"
    return head, f',"bundle":{_text(options.bundle)}{tail}'


def saved_state(draft: Draft, options: "CreateOptions", hooks: bool) -> tuple[str, str]:
    """state.json before the phase and after the start time."""
    head = f'{{\n"posternState": {_STATE_FORMAT},\n"ociVersion": {_text(draft.config["ociVersion"])},\n"id": "{options.container_id}",\n"phase": "'
    rows = (
        ("bundle", _text(options.bundle)),
        ("rootfs", _text(root_path(draft))),
        ("created", _text(options.created)),
        ("owner", _text(draft.facts.owner)),
        ("annotations", dumps(draft.config.get("annotations") or {}).decode()),
        ("cgroupMount", _text((draft.facts.cgroup_mount or "") if draft.cgroup_path is not None else "")),
        ("cgroupPath", _text(draft.cgroup_path or "")),
        ("cgroupManager", _text(options.cgroup_manager)),
        ("ownPidNamespace", _flag("pid" in draft.new)),
        ("terminal", _flag(bool(draft.process.get("terminal")))),
        ("hooks", _flag(hooks)),
        ("needsPython", _flag(False)),
        ("rootless", _flag(options.rootless)),
    )
    tail = "".join([f',\n"{key}": {value}' for key, value in rows])
    return head, tail + "\n}\n"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def open_state(draft: Draft, options: "CreateOptions", state: tuple[str, str]) -> None:
    """HOST, first of all: the state directory with what `delete --force` needs.  PARENT, while init works: the config for exec."""
    head, tail = state
    what = "unable to save the container's state"
    draft.host.append(
        op(
            "STATE_DIR",
            f'unable to make the state directory "{options.root}/{options.container_id}"',
            dir=STATE,
            root=options.root,
            id=options.container_id,
        )
    )
    draft.host.append(op("SAVE_STATE", what, "CREATING", dir=STATE, head=head, tail=tail))
    saved = options.config_json or dumps(draft.config)
    draft.parent.append(
        op("SAVE_FILE", f"unable to save {CONFIG_NAME}", dir=STATE, mode=0o600, name=CONFIG_NAME, blob=saved)
    )


def save_final_state(draft: Draft, state: tuple[str, str]) -> None:
    """COMMIT, first of all: the state with init's pid and start time."""
    head, tail = state
    draft.commit.append(op("SAVE_STATE", "unable to save the container's state", dir=STATE, head=head, tail=tail))
