/* The front: argv to a verb. What it understands entirely (start, state, kill, delete) it does; all else is Python's. */
#ifndef POSTERN_FRONT_H
#define POSTERN_FRONT_H

#include "state_file.h"

#define POSTERN_VERSION "0.1.0"
#define SPEC_VERSION "1.3.0"

/* What a verb returns beside an exit code: let Python do it, it knows what to say or how. */
#define HAND_OVER (-1)

struct front {
	int argc;
	char **argv, **envp;
	char root_buffer[4096];
	const char *root;   /* state root */
	const char *verb;   /* as written; NULL when there is none */
	bool understood;    /* every flag and argument is one that this program knows */
	const char *id;     /* start, state, kill, delete */
	const char *signal; /* kill; NULL when not given */
	bool all, force;    /* kill --all, delete --force */
	bool foreground, adopt; /* broker */
	const char *idle, *python, *entry;
	const char *policy_dir; /* the site's directory, NULL: the usual one */
	bool planned;       /* hidden --planned: Python has done its part and calls back for ours */
};

/* Take argv apart; false in front->understood is not an error, it is for Python. front_args.c */
void front_parse(struct front *front, int argc, char **argv, char **envp);

const char *environment(char *const *envp, const char *name); /* value, or NULL */

/* The verbs: an exit code, errors reported; or HAND_OVER, nothing done. */
int front_start(struct front *front);
int front_state(struct front *front);
int front_kill(struct front *front);
int front_delete(struct front *front);

/* Report "<line>" or "<what>: <errno's words>"; returns exit code 1. */
int fail(const char *line);
int fail_errno(const char *what, int error);

/* Find a container: *dir_fd is the caller's, also on errors. 0; -ENOENT: no such directory; -ENODATA: a directory without
 * state.json; -EBADMSG: a state.json that is not canonical; or -errno. With `lock` the directory is locked before it is read,
 * so that of several deletes one does the work (-EBUSY when another one does not end in ten seconds). front_container.c */
int container_find(const struct front *front, struct container_state *state, int *dir_fd, bool lock);

/* The same for verbs that need an existing container: 0, 1 with the error reported, or HAND_OVER. */
int container_open(const struct front *front, struct container_state *state, int *dir_fd);
int fail_find(const struct front *front, int error); /* report what container_find returned */

/* Does the state hold what only Python can undo, or paths that are no plain text? */
bool container_needs_python(const struct front *front, const struct container_state *state);

/* A pidfd of the container's init, verified by start time; -ESRCH when it has ended, or -errno. */
int container_pidfd(const struct container_state *state);

/* Send a signal to every process in the container's cgroup. 0 (also without a cgroup) or -errno. */
int container_signal_cgroup(const struct container_state *state, int signal);

/* Wait until the process of a pidfd has ended: 0, or -ETIMEDOUT. */
int wait_for_end(int pidfd, int timeout_ms);

/* SIGKILL init (pidfd -1: it has ended) and, with `everything`, the whole cgroup; wait for init. 0 or -errno. */
int container_kill(const struct container_state *state, int pidfd, bool everything);

/* Remove cgroup and state directory of a container that has ended and run its poststop hooks; the directory is locked by the
 * caller. 0, or 1 with the error reported. front_destroy.c */
int container_destroy(const struct front *front, const struct container_state *state, int dir_fd);

/* Give back what the container had of the state root's own network. 0 or -errno. */
int container_give_back(const struct front *front);

/* Remove a state directory that holds no state.json: what a killed create or delete left. 0 or -errno. */
int container_clear(const struct front *front, int dir_fd);

/* sd_notify(3): listen for the container's messages, and pass them on to our own NOTIFY_SOCKET. front_notify.c
 * Returns a socket, -ENOENT when nobody asked for it, or -errno. */
int notify_listen(const struct front *front, int dir_fd);
int notify_take(const struct front *front, int socket_fd); /* one message: 1 when it was READY=1 and was passed on, 0, -errno */
int notify_forward(const struct front *front, int socket_fd, int pid, int pidfd); /* until READY=1 or the end; exit code */

/* "TERM", "sigterm", "SIGRTMIN+3", "15" to its number; -1 when it is none. front_signal.c */
int parse_signal(const char *text);

/* Become Python: PYTHON -I -S -B ENTRY EXE_FD ARGS... Returns an exit code only when that fails. launch.c */
int hand_over(const struct front *front);

#endif
