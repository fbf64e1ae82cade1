/* Mode record: what a learned policy needs to know of each call, as it is before the kernel carries it out. Nothing is decided.
 *
 * A call that names nothing, and whose registers a policy cannot limit further, is told once. Of the others each one is told, and the
 * caller waits while the reader is behind: nothing may be lost. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* Where a relative path begins: the caller's directory as the container sees it. */
static void append_directory(struct call *call, int64_t directory)
{
	char link[64], path[PATH_SIZE];
	pid_t pid = (pid_t)call->slot->notif.pid;
	if ((int32_t)directory == HERE)
		(void)snprintf(link, sizeof(link), "%d/cwd", (int)pid);
	else
		(void)snprintf(link, sizeof(link), "%d/fd/%d", (int)pid, (int32_t)directory);
	ssize_t size = readlinkat(call->broker->proc_dir, link, path, sizeof(path) - 1);
	path[size > 0 ? size : 0] = '\0';
	append(call, size > 0 ? path : "?");
	if (size > 1)
		append(call, "/");
}

/* `=` before a path whose file is there before the call: what would be made is told from what is changed. */
static void mark_existing(struct call *call, int64_t directory, const char *path)
{
	char start[32] = "root", name[PATH_SIZE + 64];
	struct stat status;
	if (path[0] != '/' && (int32_t)directory == HERE)
		(void)snprintf(start, sizeof(start), "cwd");
	else if (path[0] != '/')
		(void)snprintf(start, sizeof(start), "fd/%d", (int32_t)directory);
	int size = snprintf(name, sizeof(name), "%d/%s/%s", (int)call->slot->notif.pid, start, path);
	if (size < (int)sizeof(name) && fstatat(call->broker->proc_dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
		append(call, "=");
}

static void append_path(struct call *call, int64_t directory, uint64_t address)
{
	char path[PATH_SIZE];
	if (copy_string(call, address, path, sizeof(path)) < 0) {
		append(call, "?");
		return;
	}
	if (call->table->header->mode == MODE_RECORD || call->entry.handler == HANDLER_RECORD)
		mark_existing(call, directory, path);
	if (path[0] != '/')
		append_directory(call, directory);
	append(call, path);
}

static void append_address(struct call *call, uint64_t address, uint64_t length)
{
	union {
		struct sockaddr_storage storage;
		char bytes[129];
	} copy = {0};
	size_t size = length > 128 ? 128 : length;
	if (address && size > 0 && copy_in(call, address, &copy, size) == 0)
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
