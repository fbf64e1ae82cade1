/*
 * bare: answers a seccomp listener with nothing around it, for comparison with the broker's core:
 *
 *     bare LISTENER decide    fails every call with EPERM, by its number alone
 *     bare LISTENER open      opens for every openat what its path names, as the core does: the object first, without effects, then
 *                             its name, then the object itself, handed over and answered in two steps; nothing is judged
 *
 * One caller, one thread that sleeps in RECV, no ids but its own, no journal.  It ends with the caller, where the kernel says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SET_FLAGS SECCOMP_IOW(4, __u64)
#define SYNC_WAKE_UP 1ull

static int listener, descriptors;

/* The caller's number of a file that was opened for it, or a negative errno. */
static int open_for(const struct seccomp_notif *call) {
	char path[256], name[4096], number[12];
	struct iovec local = {path, sizeof(path)}, remote = {(void *)call->data.args[1], sizeof(path)};
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	struct statx seen;
	if (process_vm_readv((pid_t)call->pid, &local, 1, &remote, 1, 0) < 1 || !memchr(path, 0, sizeof(path)))
		return -EFAULT;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) < 0)
		return -errno;
	int object = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (object < 0)
		return -errno;
	snprintf(number, sizeof(number), "%d", object);
	int file = -1, result = -EACCES;
	if (statx(object, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &seen) == 0 && readlinkat(descriptors, number, name, sizeof(name)) > 0)
		file = openat(descriptors, number, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file >= 0) {
		struct seccomp_notif_addfd add = {.id = call->id, .srcfd = (unsigned)file};
		result = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		result = result < 0 ? -errno : result;
		close(file);
	}
	close(object);
	return result;
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	listener = atoi(argv[1]);
	descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)ioctl(listener, SET_FLAGS, SYNC_WAKE_UP); /* faster; older kernels have no such flag */
	for (;;) {
		struct seccomp_notif call = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
			if (errno == EINTR)
				continue;
			return errno == ENOENT ? 0 : 1;
		}
		int result = strcmp(argv[2], "open") ? -EPERM : open_for(&call);
		struct seccomp_notif_resp answer = {.id = call.id, .val = result < 0 ? 0 : result, .error = result < 0 ? result : 0};
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* fails where the caller was killed */
	}
}
