# What the cffi module offers; `_build.py` has the C declarations.

from collections.abc import Callable
from typing import Any  # noqa: TID253 - a stub is never imported

class _Ffi:
    NULL: Any
    errno: int
    def new(self, kind: str, initial: Any = ...) -> Any: ...
    def cast(self, kind: str, value: Any) -> Any: ...
    def buffer(self, data: Any, size: int = ...) -> Any: ...
    def from_buffer(self, kind: str, data: Any) -> Any: ...
    def string(self, data: Any) -> bytes: ...
    def memmove(self, to: Any, source: Any, size: int) -> None: ...

class _Lib:
    STATE_MAX: int
    ID_MAX: int
    id_is_valid: Callable[[bytes], bool]
    state_parse: Callable[[Any, int], int]
    state_read: Callable[[int, Any], int]
    state_status: Callable[[int, Any], int]
    process_start_time: Callable[[int], int]
    parse_signal: Callable[[bytes], int]
    cgroup_open: Callable[[bytes, bytes], int]
    cgroup_create: Callable[[bytes, bytes, bytes, Any], int]
    cgroup_is_populated: Callable[[int], int]
    cgroup_is_frozen: Callable[[int], int]
    cgroup_kill: Callable[[int], int]
    cgroup_signal: Callable[[int, int], int]
    cgroup_remove: Callable[[bytes, bytes, int], int]
    bpf_map_make: Callable[[Any, bytes, int], int]
    bpf_program_load: Callable[[Any], int]
    bpf_program_attach: Callable[[int, int, int, int], int]
    bpf_program_find: Callable[[int, int, bytes], int]
    bpf_program_detach: Callable[[int, int, int], int]
    netns_make: Callable[[], int]
    netns_own: Callable[[], int]
    netns_enter: Callable[[int], int]
    text_in: Callable[[Any, int], Any]
    text_add_json: Callable[[Any, bytes], None]
    text_add_number: Callable[[Any, int], None]
    parse_number: Callable[[bytes, int, Any], bool]
    errno_text: Callable[[int], Any]
    plan_check: Callable[[Any, int, Any, Any], int]
    probe_filter: Callable[[bytes, int, int, Any, Any], int]
    broker_open: Callable[[int, int], Any]
    broker_close: Callable[[Any], None]
    broker_add: Callable[[Any, int, int, int, int, int, int], int]
    broker_swap: Callable[[Any, int, int], int]
    broker_remove: Callable[[Any, int], int]
    broker_owed: Callable[[Any, Any, int], int]
    broker_wake_fd: Callable[[Any], int]
    broker_events: Callable[[Any, Any, int], int]
    broker_answer: Callable[[Any, int, int], int]
    broker_stats: Callable[[Any, int, Any], None]
    broker_table_test: Callable[[Any, int, Any], int]
    glob_matches: Callable[[bytes, int, bytes, int], bool]

ffi: _Ffi
lib: _Lib
