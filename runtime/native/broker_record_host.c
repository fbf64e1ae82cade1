/* Mode record: what a learned policy needs to know of each call, as it is before the kernel carries it out. Nothing is decided.
 *
 * A call that names nothing, and whose registers a policy cannot limit further, is told once. Of the others each one is told, and the
 * caller waits while the reader is behind: nothing may be lost. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define HERE (-100) /* AT_FDCWD */
#define PATIENCE 50000
#define PAUSE_US 100

/* Positions of arguments plus one, 0: none. Two paths: the second one is what is made or replaced. */
struct named {
	int nr;
	uint8_t dir, path, dir2, path2, address, length, message;
};

static const struct named named[] = {
#ifdef __NR_open
	{__NR_open, .path = 1},
	{__NR_creat, .path = 1},
	{__NR_mkdir, .path = 1},
	{__NR_rmdir, .path = 1},
	{__NR_unlink, .path = 1},
	{__NR_rename, .path = 1, .path2 = 2},
	{__NR_link, .path = 1, .path2 = 2},
	{__NR_symlink, .path = 2},
	{__NR_chmod, .path = 1},
	{__NR_chown, .path = 1},
	{__NR_lchown, .path = 1},
	{__NR_mknod, .path = 1},
	{__NR_utime, .path = 1},
	{__NR_utimes, .path = 1},
	{__NR_futimesat, .dir = 1, .path = 2},
#endif
	{__NR_openat, .dir = 1, .path = 2},
	{__NR_openat2, .dir = 1, .path = 2},
	{__NR_mkdirat, .dir = 1, .path = 2},
	{__NR_unlinkat, .dir = 1, .path = 2},
	{__NR_renameat2, .dir = 1, .path = 2, .dir2 = 3, .path2 = 4},
#ifdef __NR_renameat
	{__NR_renameat, .dir = 1, .path = 2, .dir2 = 3, .path2 = 4},
#endif
	{__NR_linkat, .dir = 1, .path = 2, .dir2 = 3, .path2 = 4},
	{__NR_symlinkat, .dir = 2, .path = 3},
	{__NR_fchmodat, .dir = 1, .path = 2},
	{__NR_fchownat, .dir = 1, .path = 2},
	{__NR_mknodat, .dir = 1, .path = 2},
	{__NR_utimensat, .dir = 1, .path = 2},
	{__NR_truncate, .path = 1},
	{__NR_setxattr, .path = 1},
	{__NR_lsetxattr, .path = 1},
	{__NR_removexattr, .path = 1},
	{__NR_lremovexattr, .path = 1},
	{__NR_execve, .path = 1},
	{__NR_execveat, .dir = 1, .path = 2},
	{__NR_connect, .address = 2, .length = 3},
	{__NR_bind, .address = 2, .length = 3},
	{__NR_sendto, .address = 5, .length = 6},
	{__NR_sendmsg, .message = 2},
	{__NR_sendmmsg, .message = 2},
};
/* a policy can limit their registers */
static const int classed[] = {__NR_socket, __NR_socketpair, __NR_ioctl, __NR_prctl, __NR_clone, __NR_unshare, __NR_setns};

static const struct named *find(int nr)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++)
		if (named[i].nr == nr)
			return &named[i];
	return NULL;
}

static bool is_classed(int nr)
{
	for (size_t i = 0; i < sizeof(classed) / sizeof(*classed); i++)
		if (classed[i] == nr)
			return true;
	return false;
}

static void append(struct call *call, const char *text)
{
	size_t used = strlen(call->text), size = strlen(text), room = sizeof(call->text) - 1 - used;
	memcpy(call->text + used, text, size < room ? size : room);
	call->text[used + (size < room ? size : room)] = '\0';
}

/* Where a relative path begins: the caller's directory as the container sees it. At most PATH_SIZE bytes. */
static void directory_of(const struct call *call, int64_t directory, char *path)
{
	char link[64];
	pid_t pid = (pid_t)call->slot->notif.pid;
	if ((int32_t)directory == HERE)
		(void)snprintf(link, sizeof(link), "%d/cwd", (int)pid);
	else
		(void)snprintf(link, sizeof(link), "%d/fd/%d", (int)pid, (int32_t)directory);
	ssize_t size = readlinkat(call->broker->proc_dir, link, path, PATH_SIZE - 1);
	if (size <= 0)
		size = 1, path[0] = '?';
	else if (size > 1)
		path[size++] = '/';
	path[size] = '\0';
}

/* Whether a path is there as the container sees it. What cannot be told is: of a foreign file system, of a magic link. */
static bool is_there(const struct call *call, const char *path, uint64_t flags)
{
	char link[32];
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT};
	(void)snprintf(link, sizeof(link), "%d/root", (int)call->slot->notif.pid);
	int root = openat(call->broker->proc_dir, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return true;
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how)), error = errno;
	(void)close(root);
	if (fd < 0)
		return error != ENOENT && error != ENOTDIR;
	(void)close(fd);
	return true;
}

static bool follows_links(int nr, const uint64_t *args)
{
#ifdef __NR_open
	if (nr == __NR_open)
		return !(args[1] & O_NOFOLLOW);
	if (nr == __NR_creat)
		return true;
#endif
	return (nr == __NR_openat && !(args[2] & O_NOFOLLOW)) || nr == __NR_openat2 || nr == __NR_execve || nr == __NR_execveat;
}

/* Before a path: `=` when it is there before the call, so that what would be made is told from what is changed; in mode record `!` when
 * its directory is not there either, so that no call makes anything. */
static void mark(struct call *call, const char *path)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	bool follows = follows_links(data->nr, (const uint64_t *)(const void *)data->args);
	char parent[2 * PATH_SIZE];
	if (is_there(call, path, follows ? 0 : O_NOFOLLOW)) {
		append(call, "=");
		return;
	}
	size_t size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		size--;
	while (size > 0 && path[size - 1] != '/')
		size--;
	memcpy(parent, path, size);
	parent[size] = '\0';
	if (call->table->header->mode == MODE_RECORD && size > 0 && !is_there(call, parent, 0))
		append(call, "!");
}

static void append_path(struct call *call, int64_t directory, uint64_t address)
{
	char path[PATH_SIZE], whole[2 * PATH_SIZE];
	if (copy_string(call, address, path, sizeof(path)) < 0) {
		append(call, "?");
		return;
	}
	whole[0] = '\0';
	if (path[0] != '/')
		directory_of(call, directory, whole);
	memcpy(whole + strlen(whole), path, strlen(path) + 1);
	if (call->table->header->mode == MODE_RECORD || call->entry.handler == HANDLER_RECORD)
		mark(call, whole);
	append(call, whole);
}

static void append_address(struct call *call, uint64_t address, uint64_t length)
{
	union {
		struct sockaddr_storage storage;
		char bytes[129];
	} copy = {0};
	size_t size = length > 128 ? 128 : length;
	if (!address || size == 0 || copy_in(call, address, &copy, size) < 0)
		return;
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&copy;
	bool by_path = un->sun_family == AF_UNIX && copy.bytes[offsetof(struct sockaddr_un, sun_path)] == '/';
	/* in mode record `!` before a socket that is not there, so that nobody can be reached by it */
	if (by_path && call->table->header->mode == MODE_RECORD && call->slot->notif.data.nr != __NR_bind &&
		!is_there(call, un->sun_path, 0))
		append(call, "!");
	describe_address(call, &copy, size);
}

void describe_recorded(struct call *call)
{
	const struct seccomp_notif *notif = &call->slot->notif;
	const uint64_t *args = (const uint64_t *)(const void *)notif->data.args;
	const struct named *shape = find(notif->data.nr);
	struct msghdr message;
	call->text[0] = '\0';
	if (!shape)
		return;
	if (shape->path)
		append_path(call, shape->dir ? (int64_t)args[shape->dir - 1] : HERE, args[shape->path - 1]);
	if (shape->path2) {
		append(call, "\n");
		append_path(call, shape->dir2 ? (int64_t)args[shape->dir2 - 1] : HERE, args[shape->path2 - 1]);
	}
	if (shape->address)
		append_address(call, args[shape->address - 1], (uint32_t)args[shape->length - 1]);
	if (shape->message && copy_in(call, args[shape->message - 1], &message, sizeof(message)) == 0)
		append_address(call, (uint64_t)(uintptr_t)message.msg_name, message.msg_namelen);
}

/* Whether the reader has to hear of it; as a rule the first time only. */
bool is_recorded(struct call *call)
{
	int nr = call->slot->notif.data.nr;
	if (call->text[0] || is_classed(nr) || nr < 0 || nr >= SEEN_CALLS)
		return true;
	uint64_t bit = 1ull << (nr % 64);
	return (atomic_fetch_or(&call->container->seen[nr / 64], bit) & bit) == 0;
}

/* Wait while the container has more in the ring than it would have a share of beside six others that fill it. A reader that does not come
 * back loses events, which are counted. */
void await_reader(const struct call *call)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (atomic_load(&call->broker->undrained[call->container->index]) < RING / 8)
			return;
		(void)usleep(PAUSE_US);
	}
}
