/* What the handlers that touch files share: finding an object, and its name in the container. */
#ifndef POSTERN_BROKER_FILES_H
#define POSTERN_BROKER_FILES_H

#include "broker_int.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif
#define DISTURBED (-ERESTART) /* somebody renamed or swapped something meanwhile: look again */
#define RESOLVE_OWN (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS)

/* A path as the caller gave it. */
struct lookup {
	const char *path;
	int dir;          /* the caller's number, or AT_FDCWD */
	int base;         /* instead of `dir` when >= 0: a descriptor of ours */
	uint64_t resolve; /* RESOLVE_*, the caller's */
	int own_root;     /* set: the caller's root is the container's */
	bool inside;      /* set: what was found lies below it, or on a mount that was below it */
};

struct object {
	int fd; /* O_PATH, owned */
	struct statx seen;
	bool in_procfs;
};

/* O_PATH in the caller's root, cwd and ids; `flags`: O_NOFOLLOW, O_DIRECTORY. An owned descriptor, or -errno. Magic links: -ELOOP. */
int look_up(struct call *call, struct lookup *lookup, uint64_t flags);
/* object->fd's name in the container's root into call->worker->canonical. 0, DISTURBED, or -errno. */
int name_object(struct call *call, const struct lookup *lookup, struct object *object);
/* Opens the object that `fd` names, whatever lies at its path now. */
int reopen(const struct call *call, int fd, uint64_t flags);

#define ACCESS_READ 1u
#define ACCESS_WRITE 2u
/* Whether the policy lets this name be opened so; else *denied. In ask mode what was granted is this very name and access. */
bool may_access(struct call *call, const char *path, unsigned access, struct verdict *denied);
/* Directory and last component of lookup->path. False: there is none (a trailing slash, "." or ".."). */
bool split_path(const char *path, char parent[PATH_SIZE], const char **name);
/* worker->canonical gets "/" name added. */
bool append_name(struct call *call, const char *name);

struct opening {
	struct lookup lookup;
	uint64_t flags;
	mode_t mode;
};
struct verdict deliver(struct call *call, const struct opening *opening, int fd); /* injects and closes it */
unsigned access_of(uint64_t flags);
struct verdict create_file(struct call *call, struct opening *opening);
/* Opens in procfs, as far as that can be done for somebody else. False: the path does not lead there, *verdict is as it was. */
bool open_procfs(struct call *call, struct opening *opening, struct verdict *verdict);

#endif
