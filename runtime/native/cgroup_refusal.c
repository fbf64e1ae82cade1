/* Why a cgroup takes no process, or has no file for a limit: the kernel has one errno for all of that, and names no cgroup. */
#include "executor_int.h"

#include "small_file.h"

/* Where a directory is, as the caller sees it. */
static void add_place(struct text *reason, int dir)
{
	char link[64], place[PATH_BUFFER];
	struct text text = text_in(link, sizeof(link));
	text_add(&text, "/proc/self/fd/");
	text_add_number(&text, dir);
	long size = SYS(readlinkat, AT_FDCWD, link, place, sizeof(place));
	text_add(reason, "cgroup ");
	text_add_bytes(reason, size > 0 ? place : "?", size > 0 ? (size_t)size : 1);
}

/* A file of one line without its end; NULL: it is empty or cannot be read. */
static const char *line_of(int dir, const char *name, char *buffer, size_t size)
{
	long got = read_small_file(dir, name, buffer, size);
	while (got > 0 && (buffer[got - 1] == '\n' || buffer[got - 1] == ' '))
		buffer[--got] = '\0';
	return got > 0 ? buffer : NULL;
}

int refuse_process(struct run *run, int cgroup, int error)
{
	char given[256], type[64];
	struct text *reason = start_reason(run);
	const char *controllers = line_of(cgroup, "cgroup.subtree_control", given, sizeof(given));
	const char *kind = line_of(cgroup, "cgroup.type", type, sizeof(type));
	add_place(reason, cgroup);
	if (error == -EBUSY && controllers) {
		text_add(reason, " takes no processes, since those below it have controllers (");
		text_add(reason, controllers);
		text_add(reason, ")");
	} else if (error == -EOPNOTSUPP && kind) {
		text_add(reason, " takes no processes, since its type is ");
		text_add(reason, kind);
	} else if (error == -ENODEV || error == -ENOENT) {
		text_add(reason, " has been removed");
	}
	text_add(reason, ": ");
	text_add(reason, errno_text(error));
	return fail_with(run, DETAIL_REASON, -error);
}

int refuse_limit(struct run *run, int cgroup)
{
	char first[32];
	SCOPED_FD(above) = (int)SYS(openat, cgroup, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	SCOPED_FD(procs) = above < 0 ? above : (int)SYS(openat, above, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (procs < 0 || SYS(read, procs, first, sizeof(first)) <= 0)
		return -ENOENT;
	struct text *reason = start_reason(run);
	add_place(reason, above);
	text_add(reason, " has processes of its own and so gives this controller to none below it: ");
	text_add(reason, errno_text(-ENOENT));
	return fail_with(run, DETAIL_REASON, ENOENT);
}
