/* Opens that lead into procfs. What lies there depends on who opens it, so nothing is opened by its path: "self" is put in as a number,
 * the directory of that number is proved to be the caller's own, and only files that tell nothing of others are opened below it. */
#define _GNU_SOURCE
#include "broker_files.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Same text for every reader that may see it: what the kernel shows depends on who reads, not on who opened. */
static const char *const of_system[] = {"buddyinfo", "cmdline", "consoles", "cpuinfo", "crypto", "devices", "diskstats", "filesystems",
	"interrupts", "loadavg", "meminfo", "misc", "partitions", "softirqs", "stat", "swaps", "uptime", "version", "vmstat", "zoneinfo",
	"sys/fs/aio-max-nr", "sys/fs/file-max", "sys/fs/file-nr", "sys/fs/nr_open", "sys/fs/pipe-max-size",
	"sys/fs/inotify/max_user_watches", "sys/fs/inotify/max_user_instances", "sys/kernel/cap_last_cap", "sys/kernel/core_pattern",
	"sys/kernel/domainname", "sys/kernel/hostname", "sys/kernel/ngroups_max", "sys/kernel/osrelease", "sys/kernel/ostype",
	"sys/kernel/overflowgid", "sys/kernel/overflowuid", "sys/kernel/pid_max", "sys/kernel/random/boot_id",
	"sys/kernel/random/entropy_avail", "sys/kernel/random/uuid", "sys/kernel/seccomp/actions_avail", "sys/kernel/threads-max",
	"sys/kernel/version", "sys/vm/max_map_count", "sys/vm/mmap_min_addr", "sys/vm/nr_hugepages", "sys/vm/overcommit_memory",
	"sys/vm/overcommit_ratio", "sys/vm/swappiness", NULL};
static const char *const of_self[] = {"auxv", "cgroup", "cmdline", "comm", "coredump_filter", "cpuset", "environ", "fd", "fdinfo",
	"gid_map", "io", "limits", "loginuid", "maps", "mountinfo", "mounts", "mountstats", "net/dev", "net/if_inet6", "net/ipv6_route",
	"net/route", "net/snmp", "net/tcp", "net/tcp6", "net/udp", "net/udp6", "net/unix", "numa_maps", "oom_score", "oom_score_adj",
	"personality", "sched", "schedstat", "sessionid", "smaps", "smaps_rollup", "stat", "statm", "status", "task", "uid_map", "wchan",
	NULL};
static const char *const of_others[] = {"cgroup", "cmdline", "comm", "limits", "oom_score", "stat", "statm", "status", "task", NULL};
static const char *const writable[] = {"comm", "coredump_filter", "oom_score_adj", NULL};

static bool is_listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

/* Where the caller's path starts, as text in the container. */
static bool begin_of(struct call *call, const struct lookup *lookup, char text[PATH_SIZE])
{
	char name[24];
	ssize_t size;
	text[0] = '\0';
	if (lookup->path[0] == '/')
		return true;
	if (lookup->dir == AT_FDCWD) {
		size = readlinkat(call->target->proc, "cwd", text, PATH_SIZE);
	} else {
		int fd = target_fd(call, lookup->dir);
		(void)snprintf(name, sizeof(name), "%d", fd);
		size = fd < 0 ? -1 : readlinkat(call->broker->proc_fd_dir, name, text, PATH_SIZE);
		if (fd >= 0)
			(void)close(fd);
	}
	if (size <= 0 || size >= (ssize_t)PATH_SIZE - 1 || text[0] != '/')
		return false;
	text[size == 1 ? 0 : size] = '\0';
	return true;
}

/* One component of `rest` onto `text`; what a link says goes before the rest. Only a proposal: the open itself is proved. */
static bool step(char text[PATH_SIZE], char rest[2 * PATH_SIZE], unsigned *links)
{
	char link[PATH_SIZE];
	char *name = rest + strspn(rest, "/"), *end = name + strcspn(name, "/");
	size_t size = (size_t)(end - name), used = strlen(text);
	if (used + size + 2 > PATH_SIZE)
		return false;
	bool up = size == 2 && memcmp(name, "..", 2) == 0, stay = size == 1 && *name == '.';
	if (up) {
		char *slash = strrchr(text, '/');
		*(slash ? slash : text) = '\0';
	} else if (!stay) {
		text[used] = '/';
		memcpy(text + used + 1, name, size);
		text[used + 1 + size] = '\0';
	}
	memmove(rest, end, strlen(end) + 1);
	bool is_link = strncmp(text, "/proc/", 6) != 0 || strcmp(text, "/proc/mounts") == 0 || strcmp(text, "/proc/net") == 0;
	ssize_t got = up || stay || !is_link ? -1 : readlink(text, link, sizeof(link));
	if (got <= 0)
		return true;
	size_t tail = strlen(rest);
	if (++*links > 40 || (size_t)got + tail + 1 > 2 * PATH_SIZE || got == (ssize_t)sizeof(link))
		return false;
	memmove(rest + got, rest, tail + 1);
	memcpy(rest, link, (size_t)got);
	text[link[0] == '/' ? 0 : used] = '\0';
	return true;
}

/* The path with links followed up to procfs. */
static bool propose(struct call *call, const struct lookup *lookup, char text[PATH_SIZE])
{
	char *rest = call->worker->scratch;
	unsigned links = 0;
	if (!begin_of(call, lookup, text))
		return false;
	memcpy(rest, lookup->path, strlen(lookup->path) + 1);
	while (rest[strspn(rest, "/")])
		if (!step(text, rest, &links))
			return false;
	return strncmp(text, "/proc/", 6) == 0;
}

static int open_below(int base, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	struct statfs status;
	int fd = (int)syscall(SYS_openat2, base, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC)
		return fd;
	(void)close(fd);
	return -EACCES; /* a mask, or something else that is mounted over it */
}

/* Whether the directory of a number in the container's procfs is the caller's process: the same pid namespace, the same number in it. */
static bool is_own(struct call *call, int directory)
{
	char there[64], here[64], status[4096];
	struct target *target = call->target;
	ssize_t a = readlinkat(directory, "ns/pid", there, sizeof(there)), b = readlinkat(target->proc, "ns/pid", here, sizeof(here));
	if (a <= 0 || a != b || a == sizeof(there) || memcmp(there, here, (size_t)a) != 0 || target->levels < 1)
		return false;
	if (read_text(open_below(directory, "status", O_RDONLY), status, sizeof(status)) <= 0)
		return false;
	const char *line = strstr(status, "\nNStgid:");
	if (!line)
		return false;
	const char *end = strchr(line + 1, '\n'), *last = line;
	for (const char *at = line; end && at < end; at++)
		if (*at == '\t')
			last = at;
	return atoi(last + 1) == target->inner_tgid[target->levels - 1];
}

/* The directory of the caller in the container's procfs, and its number there. */
static int own_directory(struct call *call, int procfs, int *number)
{
	struct target *target = call->target;
	for (int level = target->levels - 1; level >= 0; level--) {
		char name[16];
		*number = target->inner_tgid[level];
		(void)snprintf(name, sizeof(name), "%d", *number);
		int directory = open_below(procfs, name, O_PATH | O_DIRECTORY);
		if (directory >= 0 && is_own(call, directory))
			return directory;
		if (directory >= 0)
			(void)close(directory);
	}
	return -ENOENT;
}

static struct verdict open_copy(struct call *call, const struct opening *opening, int copy)
{
	uint64_t flags = opening->flags & ~(uint64_t)(O_NOFOLLOW | O_CREAT | O_EXCL);
	int fd = reopen(call, copy, flags | O_NONBLOCK); /* a pipe or a terminal could block */
	if (fd < 0)
		return FAILED(fd);
	int now = fcntl(fd, F_GETFL);
	if (!(flags & O_NONBLOCK) && (now < 0 || fcntl(fd, F_SETFL, now & ~O_NONBLOCK) < 0)) {
		(void)close(fd);
		return FAILED(EIO);
	}
	return deliver(call, opening, fd);
}

/* A file that the caller has open, opened once more: /dev/stdin and its kind. It is judged where it lies, as any other; a pipe or a
 * terminal without a name in the container is opened for what the caller can do with it anyhow. */
static struct verdict open_again(struct call *call, struct opening *opening, int number)
{
	struct object object = {.fd = target_fd(call, number)};
	struct verdict verdict = DENIED(call);
	if (object.fd < 0)
		return FAILED(ENOENT);
	int has = fcntl(object.fd, F_GETFL);
	unsigned held = has < 0 || has & O_PATH ? 0 : access_of((uint64_t)has & O_ACCMODE), wanted = access_of(opening->flags);
	int error = name_object(call, &opening->lookup, &object);
	mode_t mode = object.seen.stx_mode;
	bool held_already = (held & wanted) == wanted && (S_ISFIFO(mode) || S_ISCHR(mode));
	bool named = error == 0 && !object.in_procfs && (S_ISREG(mode) || S_ISDIR(mode) || S_ISFIFO(mode));
	if (named ? may_access(call, call->worker->canonical, wanted, &verdict) : held_already)
		verdict = open_copy(call, opening, object.fd);
	(void)close(object.fd);
	return verdict;
}

/* `name`: what follows the process's number. */
static struct verdict open_of_process(struct call *call, struct opening *opening, int directory, bool own, const char *name)
{
	struct verdict denied = DENIED(call);
	const char *file = name;
	if (own && strncmp(name, "fd/", 3) == 0 && name[3] >= '0' && name[3] <= '9' && !strchr(name + 3, '/'))
		return open_again(call, opening, atoi(name + 3));
	if (strncmp(file, "task/", 5) == 0 && strchr(file + 5, '/'))
		file = strchr(file + 5, '/') + 1; /* a thread's files are those of its process */
	bool listed = is_listed(own ? of_self : of_others, file);
	bool number = own && strncmp(file, "fdinfo/", 7) == 0 && !strchr(file + 7, '/');
	bool writes = access_of(opening->flags) & ACCESS_WRITE;
	if (!(listed || number) || (writes && !(own && is_listed(writable, file))))
		return denied;
	int fd = open_below(directory, name, opening->flags & ~(uint64_t)(O_CREAT | O_EXCL));
	return fd < 0 ? FAILED(fd) : deliver(call, opening, fd);
}

static struct verdict open_proposed(struct call *call, struct opening *opening, const char *text, int procfs)
{
	struct verdict denied = DENIED(call), verdict = denied;
	char name[PATH_SIZE], as_self[PATH_SIZE + 16];
	memcpy(name, text + 6, strlen(text + 6) + 1);
	char *rest = name + strcspn(name, "/");
	bool thread = strncmp(name, "thread-self", 11) == 0 && (name[11] == '/' || !name[11]);
	bool self = thread || (strncmp(name, "self", 4) == 0 && (name[4] == '/' || !name[4]));
	if (*rest)
		*rest++ = '\0';
	int number = -1, own = own_directory(call, procfs, &number), directory = own;
	bool is_number = name[0] >= '1' && name[0] <= '9';
	if (is_number && (own < 0 || atoi(name) != number)) {
		directory = open_below(procfs, name, O_PATH | O_DIRECTORY);
		self = false;
	} else if (is_number) {
		self = true;
	}
	(void)snprintf(as_self, sizeof(as_self), "/proc/self/%s", rest);
	uint32_t rule = call->rule;
	char of_thread[PATH_SIZE];
	if (thread && call->target->levels > 0) {
		int tid = call->target->inner_tid[call->target->levels - 1];
		int size = snprintf(of_thread, sizeof(of_thread), "task/%d/%s", tid, rest);
		rest = size < (int)sizeof(of_thread) ? of_thread : rest;
	}
	bool covered = self && !table_hides(call->table, text, &rule) &&
		       table_covers(call->table, access_of(opening->flags) & ACCESS_WRITE ? SECTION_WRITE : SECTION_READ, as_self, &rule);
	if (!covered && !may_access(call, text, access_of(opening->flags), &denied)) {
		verdict = denied;
	} else if (self || is_number) {
		verdict = directory < 0 ? FAILED(directory) : open_of_process(call, opening, directory, self, rest);
	} else if (is_listed(of_system, text + 6) && !(access_of(opening->flags) & ACCESS_WRITE)) {
		int fd = open_below(procfs, text + 6, opening->flags);
		verdict = fd < 0 ? FAILED(fd) : deliver(call, opening, fd);
	}
	if (own >= 0)
		(void)close(own);
	if (directory >= 0 && directory != own)
		(void)close(directory);
	return verdict;
}

bool open_procfs(struct call *call, struct opening *opening, struct verdict *verdict)
{
	char text[PATH_SIZE];
	/* by text alone, so only where the caller's root is the container's and no rule of its own restricts the way */
	if (opening->lookup.own_root != 1 || opening->lookup.resolve & ~(uint64_t)RESOLVE_CACHED || opening->lookup.base >= 0)
		return false;
	if (!call->target->levels && target_read_status(call->target) < 0)
		return false;
	if (!propose(call, &opening->lookup, text))
		return false;
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_IN_ROOT};
	struct statfs status;
	int procfs = (int)syscall(SYS_openat2, call->container->root, "/proc", &how, sizeof(how));
	bool good = procfs >= 0 && fstatfs(procfs, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
	if (good)
		*verdict = open_proposed(call, opening, text, procfs);
	if (procfs >= 0)
		(void)close(procfs);
	return good;
}
