/* open, openat, openat2, creat: the object is looked up without effects, judged by its name, opened as itself and handed over. */
#define _GNU_SOURCE
#include "broker_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define KNOWN_FLAGS \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | O_LARGEFILE | \
		O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE | 0100000)
#define ONLY_TMPFILE (O_TMPFILE & ~O_DIRECTORY)

/* struct open_how may grow: what we do not know must be zero, as for the kernel. */
static int read_how(struct call *call, uint64_t address, uint64_t size, struct opening *opening)
{
	char bytes[4096];
	struct open_how how;
	if (size < sizeof(how))
		return -EINVAL;
	if (size > sizeof(bytes))
		return -E2BIG;
	if (copy_in(call, address, bytes, size) < 0)
		return -EFAULT;
	for (size_t i = sizeof(how); i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(&how, bytes, sizeof(how));
	if (syscall(SYS_openat2, AT_FDCWD, "", &how, sizeof(how)) < 0 && errno != ENOENT)
		return -errno; /* the kernel's own opinion of the flags: it comes before the path is looked at */
	opening->flags = how.flags;
	opening->mode = (mode_t)how.mode;
	opening->lookup.resolve = how.resolve;
	return 0;
}

static int read_arguments(struct call *call, struct opening *opening)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	uint64_t path = data->args[1], flags = (uint32_t)data->args[2], mode = data->args[3];
	*opening = (struct opening){.lookup = {.path = call->worker->path, .base = -1, .dir = (int)data->args[0]}};
	if (data->nr == __NR_openat2) {
		int error = read_how(call, data->args[2], data->args[3], opening);
		if (error < 0)
			return error;
	} else {
#ifdef __NR_open
		if (data->nr == __NR_open || data->nr == __NR_creat) {
			opening->lookup.dir = AT_FDCWD;
			path = data->args[0];
			flags = data->nr == __NR_creat ? (uint64_t)(O_CREAT | O_WRONLY | O_TRUNC) : (uint32_t)data->args[1];
			mode = data->nr == __NR_creat ? data->args[1] : data->args[2];
		}
#endif
		flags &= (uint64_t)KNOWN_FLAGS;
		if (flags & O_PATH)
			flags &= (uint64_t)(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC);
		opening->flags = flags;
		opening->mode = mode & 07777;
		struct open_how how = {.flags = flags, .mode = flags & (uint64_t)(O_CREAT | ONLY_TMPFILE) ? opening->mode : 0};
		if (flags & (uint64_t)(O_CREAT | ONLY_TMPFILE) && syscall(SYS_openat2, AT_FDCWD, "", &how, sizeof(how)) < 0 &&
			errno != ENOENT)
			return -errno;
	}
	int length = copy_string(call, path, call->worker->path, PATH_SIZE);
	return length < 0 ? length : length == 0 ? -ENOENT : 0;
}

unsigned access_of(uint64_t flags)
{
	unsigned mode = flags & O_ACCMODE;
	unsigned access = mode == O_WRONLY ? ACCESS_WRITE : mode == O_RDONLY ? ACCESS_READ : ACCESS_READ | ACCESS_WRITE;
	return flags & O_TRUNC ? access | ACCESS_WRITE : access;
}

/* Our own copy is closed before the caller goes on: nobody finds a FIFO's other side, a lock or a writer of a program in us. */
struct verdict deliver(struct call *call, const struct opening *opening, int fd)
{
	int result = inject(call, fd, opening->flags & O_CLOEXEC);
	(void)close(fd);
	if (result == -ENOENT || result == -EINPROGRESS)
		return (struct verdict){.outcome = OUTCOME_GONE};
	return result < 0 ? FAILED(result) : (struct verdict){.outcome = OUTCOME_VALUE, .value = result};
}

/* Devices whose opening does nothing and is the same whoever opens them. Others are the device cgroup's to decide, which would look at
 * the broker and not at the caller. */
static bool is_plain_device(const struct statx *seen)
{
	static const uint8_t memory[] = {3, 5, 7, 8, 9}; /* null, zero, full, random, urandom */
	if (!S_ISCHR(seen->stx_mode))
		return false;
	if (seen->stx_rdev_major == 1)
		return memchr(memory, (int)seen->stx_rdev_minor, sizeof(memory)) != NULL && seen->stx_rdev_minor < 256;
	bool multiplexer = seen->stx_rdev_major == 5 && seen->stx_rdev_minor == 2;
	return multiplexer || (seen->stx_rdev_major >= 136 && seen->stx_rdev_major <= 143);
}

/* Waits for the other side of a FIFO, as the caller would. */
static int open_fifo(struct call *call, int fd, uint64_t flags)
{
	if (!wait_begin(call))
		return -EAGAIN;
	int opened;
	do
		opened = reopen(call, fd, flags);
	while (opened == -EINTR && !atomic_load(&call->worker->interrupt));
	wait_end(call);
	return opened;
}

/* A device or a FIFO does not become another file by being written to: a read-only mount allows it, too. */
static bool is_changed_by_writing(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode);
}

static struct verdict open_object(struct call *call, struct opening *opening, const struct object *object)
{
	uint64_t flags = opening->flags & ~(uint64_t)(O_CREAT | O_EXCL | O_NOFOLLOW);
	mode_t mode = object->seen.stx_mode;
	struct verdict denied = DENIED(call);
	unsigned access = is_changed_by_writing(mode) ? access_of(opening->flags) : ACCESS_READ;
	if (!may_access(call, call->worker->canonical, access, &denied))
		return denied;
	if ((opening->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return FAILED(EEXIST);
	if (S_ISLNK(mode))
		return FAILED(ELOOP);
	if (S_ISDIR(mode) && opening->flags & O_CREAT)
		return FAILED(EISDIR);
	if (S_ISCHR(mode) && object->seen.stx_rdev_major == 5 && object->seen.stx_rdev_minor == 0)
		return FAILED(ENXIO); /* /dev/tty is the opener's own terminal, and ours is none */
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !is_plain_device(&object->seen))
		return DENIED(call);
	int fd;
	if ((flags & (uint64_t)O_TMPFILE) == (uint64_t)O_TMPFILE) {
		fd = openat(object->fd, ".", (int)flags | O_CLOEXEC, opening->mode);
		fd = fd < 0 ? -errno : fd;
	} else if (S_ISFIFO(mode) && !(flags & O_NONBLOCK) && (flags & O_ACCMODE) != O_RDWR) {
		fd = open_fifo(call, object->fd, flags);
	} else {
		fd = reopen(call, object->fd, flags);
	}
	return fd < 0 ? FAILED(fd) : deliver(call, opening, fd);
}

/* outcome OUTCOME_ASK with value DISTURBED: look again */
static struct verdict attempt(struct call *call, struct opening *opening)
{
	uint64_t how = opening->flags & (O_NOFOLLOW | O_DIRECTORY);
	if ((opening->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		how |= O_NOFOLLOW;
	struct object object = {.fd = look_up(call, &opening->lookup, how)};
	struct verdict verdict = FAILED(object.fd);
	if (object.fd < 0) {
		if (object.fd == -ESRCH && !still_valid(call))
			return (struct verdict){.outcome = OUTCOME_GONE};
		if ((object.fd == -ENOENT || object.fd == -ELOOP) && open_procfs(call, opening, &verdict))
			return verdict;
		return object.fd == -ENOENT && opening->flags & O_CREAT ? create_file(call, opening) : verdict;
	}
	int error = name_object(call, &opening->lookup, &object);
	if (error < 0)
		verdict = FAILED(error);
	else if (!object.in_procfs)
		verdict = open_object(call, opening, &object);
	else if (!open_procfs(call, opening, &verdict))
		verdict = DENIED(call);
	if (error == -EACCES)
		verdict.denied = true; /* not below the container's root */
	(void)close(object.fd);
	return verdict;
}

/* O_PATH: the kernel passes no such descriptor on, so the caller opens it itself. That says no more than stat does, which is not mediated,
 * and using it comes back here. But only where the flag is in a register: behind a pointer it could become another one. */
static bool is_path_only(const struct seccomp_data *data)
{
#ifdef __NR_open
	if (data->nr == __NR_open)
		return data->args[1] & O_PATH;
#endif
	return data->nr == __NR_openat && data->args[2] & O_PATH;
}

struct verdict handle_open(struct call *call)
{
	if (is_path_only(&call->slot->notif.data))
		return CONTINUED;
	struct opening opening;
	int error = read_arguments(call, &opening);
	if (!still_valid(call))
		return (struct verdict){.outcome = OUTCOME_GONE};
	if (error == 0 && opening.flags & O_PATH)
		error = -ENOSYS; /* of openat2: programs fall back to openat */
	if (error < 0)
		return FAILED(error);
	error = assume(call, opening.flags & (O_CREAT | ONLY_TMPFILE));
	if (error < 0)
		return still_valid(call) ? DENIED(call) : (struct verdict){.outcome = OUTCOME_GONE};
	struct verdict verdict = FAILED(EACCES);
	for (int i = 0; i < RETRIES; i++) {
		verdict = attempt(call, &opening);
		if (verdict.outcome != OUTCOME_ERROR || verdict.value != -DISTURBED)
			return verdict;
	}
	return (struct verdict){.outcome = OUTCOME_ERROR, .value = EACCES, .denied = true};
}

/* A rule on /proc/self covers the caller's own files, which have a number for a name; of whom the number is does not matter here. */
static bool is_covered_as_self(const struct call *call, const char *path, unsigned access)
{
	char as_self[PATH_SIZE + 16];
	size_t digits = strncmp(path, "/proc/", 6) == 0 ? strspn(path + 6, "0123456789") : 0;
	uint32_t rule = BROKER_NO_RULE;
	if (digits == 0 || table_hides(call->table, path, &rule))
		return false;
	(void)snprintf(as_self, sizeof(as_self), "/proc/self%s", path + 6 + digits);
	return table_covers(call->table, access & ACCESS_WRITE ? SECTION_WRITE : SECTION_READ, as_self, &rule);
}

/* What an open of this object would have come to; its name is in worker->canonical. */
static int judge_opened(struct call *call, const struct statx *seen, unsigned access, bool in_procfs, struct verdict *denied)
{
	bool by_kernel = call->table->header->flags & TABLE_BY_KERNEL, is_file = is_changed_by_writing(seen->stx_mode);
	const char *path = call->worker->canonical;
	bool is_device = S_ISCHR(seen->stx_mode) || S_ISBLK(seen->stx_mode);
	bool is_terminal = is_device && seen->stx_rdev_major == 5 && seen->stx_rdev_minor == 0;
	if (!is_file)
		access = by_kernel ? access & ACCESS_READ : ACCESS_READ;
	if (in_procfs && !by_kernel && is_covered_as_self(call, path, access))
		return 0;
	if (may_access(call, path, access, denied))
		return is_device && !by_kernel && !is_terminal && !is_plain_device(seen) ? call->entry.error : 0;
	uint32_t rule = BROKER_NO_RULE;
	bool unwritable = access & ACCESS_WRITE && !table_covers(call->table, SECTION_WRITE, path, &rule);
	return by_kernel && unwritable ? EROFS : (int)denied->value;
}

int judge_open(struct call *call)
{
	struct opening opening;
	struct verdict denied = DENIED(call);
	char parent[PATH_SIZE];
	const char *name;
	if (is_path_only(&call->slot->notif.data) || read_arguments(call, &opening) < 0 || assume(call, false) < 0)
		return 0;
	unsigned access = access_of(opening.flags);
	struct object object = {.fd = look_up(call, &opening.lookup, opening.flags & (O_NOFOLLOW | O_DIRECTORY))};
	bool makes = object.fd == -ENOENT && opening.flags & O_CREAT && split_path(opening.lookup.path, parent, &name);
	int link = makes ? look_up(call, &opening.lookup, O_NOFOLLOW) : -ENOENT;
	if (link >= 0) { /* to /proc/self, which is not ours, or to nothing */
		(void)close(link);
		return 0;
	}
	if (makes) {
		opening.lookup.path = parent;
		object.fd = look_up(call, &opening.lookup, O_DIRECTORY);
		access |= ACCESS_WRITE;
	}
	int error = object.fd < 0 ? object.fd : name_object(call, &opening.lookup, &object);
	bool by_kernel = call->table->header->flags & TABLE_BY_KERNEL, found = object.fd >= 0;
	if (found)
		(void)close(object.fd);
	if (error < 0 || (makes && !append_name(call, name)))
		return error == -EACCES && found && !by_kernel ? EACCES : 0;
	return judge_opened(call, &object.seen, access, object.in_procfs, &denied);
}
