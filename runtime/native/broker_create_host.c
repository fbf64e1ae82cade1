/* Making a file that is not there: in a directory that was judged, under a name that nothing is followed from. */
#define _GNU_SOURCE
#include "broker_files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40

/* A link that leads nowhere: open makes what it names. 1: that is in `link`; 0: no link. */
static int follow(const struct opening *opening, int parent, const char *name, char link[PATH_SIZE])
{
	ssize_t size = readlinkat(parent, name, link, PATH_SIZE);
	if (size < 0)
		return errno == ENOENT ? 0 : errno == EINVAL ? DISTURBED : -errno;
	if (opening->flags & O_EXCL)
		return -EEXIST;
	if (opening->flags & O_NOFOLLOW || opening->lookup.resolve & RESOLVE_OWN)
		return -ELOOP;
	if (size == 0 || size >= (ssize_t)PATH_SIZE - 1)
		return -ENAMETOOLONG;
	link[size] = '\0';
	return 1;
}

static struct verdict make(struct call *call, struct opening *opening, int parent, const char *name)
{
	struct object directory = {.fd = parent}, made = {.fd = -1};
	struct verdict denied = DENIED(call);
	int error = name_object(call, &opening->lookup, &directory);
	if (error < 0)
		return FAILED(error);
	if (directory.in_procfs)
		return FAILED(ENOENT);
	if (!append_name(call, name))
		return FAILED(ENAMETOOLONG);
	if (!may_access(call, call->worker->canonical, access_of(opening->flags) | ACCESS_WRITE, &denied))
		return denied;
	int flags = (int)(opening->flags & ~(uint64_t)(O_TRUNC | O_NOFOLLOW)) | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY;
	atomic_store(&call->slot->state, SLOT_ACTING);
	made.fd = openat(parent, name, flags, opening->mode);
	if (made.fd < 0)
		return FAILED(errno == EEXIST && !(opening->flags & O_EXCL) ? DISTURBED : errno);
	/* the directory may have been moved since it was judged */
	memcpy(call->worker->scratch, call->worker->canonical, PATH_SIZE);
	opening->lookup.inside = false; /* made in the directory wherever that is now */
	error = name_object(call, &opening->lookup, &made);
	if (error < 0 || (strcmp(call->worker->scratch, call->worker->canonical) != 0 &&
				 !may_access(call, call->worker->canonical, access_of(opening->flags) | ACCESS_WRITE, &denied))) {
		(void)unlinkat(parent, name, 0);
		(void)close(made.fd);
		return denied;
	}
	return deliver(call, opening, made.fd);
}

struct verdict create_file(struct call *call, struct opening *opening)
{
	char parent_path[PATH_SIZE], last[256], link[PATH_SIZE];
	const char *path = opening->lookup.path;
	struct verdict verdict = FAILED(ELOOP);
	int parent = -1, base = opening->lookup.base;
	for (int i = 0; i < LINKS_MAX; i++) {
		const char *name;
		if (!split_path(path, parent_path, &name)) {
			verdict = FAILED(path[strlen(path) - 1] == '/' ? EISDIR : ENOENT);
			break;
		}
		if (strlen(name) > 255) {
			verdict = FAILED(ENAMETOOLONG);
			break;
		}
		memcpy(last, name, strlen(name) + 1); /* it may lie in `link`, which is written next */
		struct lookup where = opening->lookup;
		where.path = parent_path;
		where.base = parent >= 0 ? parent : base;
		int fd = look_up(call, &where, O_DIRECTORY);
		if (parent >= 0)
			(void)close(parent);
		parent = fd;
		opening->lookup.own_root = where.own_root;
		opening->lookup.inside = where.inside;
		int followed = fd < 0 ? fd : follow(opening, fd, last, link);
		if (followed > 0) {
			path = link;
			continue;
		}
		verdict = followed < 0 ? FAILED(followed) : make(call, opening, fd, last);
		break;
	}
	if (parent >= 0)
		(void)close(parent);
	return verdict;
}
