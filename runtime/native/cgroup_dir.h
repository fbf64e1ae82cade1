/* A container's cgroup v2 directory: everything by descriptors below the mount, nothing above it is touched. */
#ifndef POSTERN_CGROUP_DIR_H
#define POSTERN_CGROUP_DIR_H

#include "text.h"

/* Open <mount>/<path> (path may begin with '/'; "..", empty and symlink components refused). fd or -errno. */
int cgroup_open(const char *mount, const char *path);

/* mkdir -p below mount; controllers ("+cpu +memory") are enabled in every directory above the leaf, each on its own when all at
 * once fails (as runc does); *made says whether the leaf was created by this call. fd or -errno. */
int cgroup_create(const char *mount, const char *path, const char *controllers, bool *made);

int cgroup_is_populated(int cgroup_fd); /* 1, 0 or -errno: cgroup.events populated */
int cgroup_is_frozen(int cgroup_fd);    /* 1, 0 or -errno: cgroup.freeze */

/* SIGKILL everything in it (cgroup.kill; older kernels: pids one by one, twice). Thaws afterwards. 0 or -errno. */
int cgroup_kill(int cgroup_fd);

/* Send a signal to every process in it and below. Number of processes signalled, or -errno. */
int cgroup_signal(int cgroup_fd, int signal);

/* rmdir it with everything below; waits up to timeout_ms while it is still busy. 0 (also when it is not there) or -errno. */
int cgroup_remove(const char *mount, const char *path, int timeout_ms);

#endif
