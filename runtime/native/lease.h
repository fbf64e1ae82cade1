/* A container's address in the state root's own network: one file, made by runtime/network/leases.py. */
#ifndef POSTERN_LEASE_H
#define POSTERN_LEASE_H

/* Give it back. `root_fd` is the state root. 0, also when there is none, or -errno. */
int lease_remove(int root_fd, const char *id);

#endif
