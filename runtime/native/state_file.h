/* <root>/<id>/state.json as C sees it: canonical JSON, one key a line, written by the planner's template.
 *
 * {
 * "posternState": 1,
 * "ociVersion": "1.3.0",
 * "id": "web",
 * "phase": "created",          creating | created   (created: init was started; exec.fifo's presence says created or running)
 * "pid": 4422,                 init, or the creating runtime's own pid in phase creating
 * "startTime": 123456,         of that pid, clock ticks (/proc/PID/stat field 22)
 * "bundle": "/b",
 * "rootfs": "/b/rootfs",
 * "created": "2026-01-02T03:04:05.123456789Z",
 * "owner": "root",
 * "annotations": {"a":"b"},    one line; {} when none
 * "cgroupMount": "/sys/fs/cgroup",   "" when none
 * "cgroupPath": "/docker/web",       "" when none
 * "cgroupManager": "cgroupfs",
 * "ownPidNamespace": true,
 * "terminal": false,
 * "hooks": false,              hooks.plan exists beside it (poststart, poststop)
 * "needsPython": false,        start, delete and kill need what only the planner half has
 * "rootless": false
 * }
 *
 * String values stay raw (JSON-escaped): state prints them as they are; a value used as a path must contain no backslash.
 * A file that is not exactly of this shape is not an error here: state_read says so and the caller hands over to Python. */
#ifndef POSTERN_STATE_FILE_H
#define POSTERN_STATE_FILE_H

#include "text.h"

#define STATE_MAX (1 << 20) /* bytes of state.json that C reads; more than annotations can be */
#define ID_MAX 1024

struct raw {
	const char *data; /* inside the caller's buffer, not NUL-terminated */
	size_t size;
};

struct container_state {
	char buffer[STATE_MAX];
	struct raw oci_version, id, bundle, rootfs, created, owner, annotations, cgroup_mount, cgroup_path, cgroup_manager;
	bool creating, own_pid_namespace, terminal, hooks, needs_python, rootless;
	int pid;
	uint64_t start_time;
};

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };

bool id_is_valid(const char *id); /* [A-Za-z0-9_+.-]+, not "." or "..", shorter than ID_MAX: before any path is made of it */

/* Open <root>/<id> as a directory (O_NOFOLLOW on the id). -ENOENT when there is none. */
int state_open_dir(const char *root, const char *id);

/* Read and take apart <dir>/state.json. 0; -ENOENT; -EBADMSG when not canonical. */
int state_read(int dir_fd, struct container_state *state);

/* The same for the first `size` bytes of state->buffer, which a NUL follows. */
int state_parse(struct container_state *state, size_t size);

bool raw_equals(struct raw value, const char *text);
bool raw_path(struct raw value, char *path, size_t size); /* copy as a C string; false: too long, or escaped and so no plain path */

/* Start time of a live process that is not a zombie; 0 when it is gone, a zombie or dead. */
uint64_t process_start_time(int pid);

/* What the container is now: liveness by pid and start time, then cgroup.freeze, then exec.fifo (a created container may be
 * paused too). Phase creating with a dead creator is stopped: nothing of it runs, delete clears it. */
enum status state_status(int dir_fd, const struct container_state *state);

const char *status_word(enum status status);

#endif
