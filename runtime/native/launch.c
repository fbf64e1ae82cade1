/* From the front to Python: PYTHON -I -S -B ENTRY EXE_FD ARGS...; for create, run and exec, where the build could link one, to
 * the planner's own interpreter first: PLANNER PYTHON ENTRY EXE_FD ARGS... (embed/planner.c).
 *
 * PYTHON, ENTRY and PLANNER come from a small file that the build wrote beside the program. EXE_FD is a descriptor of this program. For
 * create, run and exec it is what the planner executes as the executor, and so a sealed copy: nothing that a container can reach
 * is a file of the host (CVE-2019-5736). */
#include "front.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "small_file.h"

#define EXE "/proc/self/exe"
#define ARGS_BEFORE 6 /* python -I -S -B entry exe_fd */
#define QUIET_FD 60   /* where preserved descriptors are not looked for, and the descriptor table need not grow */

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

struct launch {
	char file[2048]; /* the launch file's content */
	char python_path[PATH_MAX], entry_path[PATH_MAX], planner_path[PATH_MAX];
};

/* Put the value of the line `key=` into a buffer; a relative path becomes <directory>/path. 0, -ENOENT or -ENAMETOOLONG. */
static int path_of(const char *content, const char *key, const char *directory, char *buffer, size_t size)
{
	size_t key_size = strlen(key);
	for (const char *line = content; *line;) {
		const char *end = line;
		while (*end && *end != '\n')
			end++;
		if (strncmp(line, key, key_size) == 0 && line[key_size] == '=' && end > line + key_size + 1) {
			const char *value = line + key_size + 1;
			struct text text = text_in(buffer, size);
			if (*value != '/') {
				text_add(&text, directory);
				text_add(&text, "/");
			}
			text_add_bytes(&text, value, (size_t)(end - value));
			return text.cut ? -ENAMETOOLONG : 0;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

/* Read <directory>/<name>: 0, -ENOENT, or another -errno. */
static int read_launch(struct launch *launch, const char *directory, const char *name)
{
	char path[PATH_MAX];
	struct text text = text_in(path, sizeof(path));
	text_add(&text, directory);
	text_add(&text, "/");
	text_add(&text, name);
	if (text.cut)
		return -ENAMETOOLONG;
	long size = read_small_file(AT_FDCWD, path, launch->file, sizeof(launch->file));
	if (size < 0)
		return (int)size;
	/* relative to where the launch file lies */
	size_t length = text.length;
	while (length > 0 && path[length - 1] != '/')
		length--;
	path[length > 1 ? length - 1 : length] = '\0';
	int python = path_of(launch->file, "python", path, launch->python_path, PATH_MAX);
	int entry = path_of(launch->file, "entry", path, launch->entry_path, PATH_MAX);
	if (path_of(launch->file, "planner", path, launch->planner_path, PATH_MAX) != 0)
		launch->planner_path[0] = '\0';
	return python == 0 && entry == 0 ? 0 : -EINVAL;
}

/* The directory of this program. 0 or -errno. */
static int own_directory(char *path, size_t size)
{
	long length = SYS(readlinkat, AT_FDCWD, EXE, path, size - 1);
	if (length < 0)
		return (int)length;
	while (length > 1 && path[length - 1] != '/')
		length--;
	path[length > 1 ? length - 1 : length] = '\0';
	return 0;
}

static int find_launch(struct launch *launch)
{
	static const char *const sites[] = {"site", "dist"};
	char directory[PATH_MAX], name[64];
	int error = own_directory(directory, sizeof(directory));
	if (error)
		return error;
	error = read_launch(launch, directory, "postern.launch");
	if (error == -ENOENT)
		error = read_launch(launch, directory, "../lib/postern/launch");
	for (int minor = 11; error == -ENOENT && minor < 20; minor++)
		for (size_t i = 0; error == -ENOENT && i < ARRAY_SIZE(sites); i++) {
			struct text text = text_in(name, sizeof(name));
			text_add(&text, "../lib/python3.");
			text_add_number(&text, minor);
			text_add(&text, "/");
			text_add(&text, sites[i]);
			text_add(&text, "-packages/postern/launch");
			error = read_launch(launch, directory, name);
		}
	return error;
}

/* The same file under a number that execve leaves open and that no caller counts on. */
static int inherited(int fd)
{
	int high_fd = (int)SYS(fcntl, fd, F_DUPFD, QUIET_FD);
	return high_fd == -EINVAL ? (int)SYS(fcntl, fd, F_DUPFD, 3) : high_fd; /* RLIMIT_NOFILE is lower than that */
}

/* A copy of this program in memory that nobody can change any more: a descriptor that execve inherits, or -errno. */
static int sealed_copy(void)
{
	struct statx facts;
	SCOPED_FD(exe_fd) = (int)SYS(openat, AT_FDCWD, EXE, O_RDONLY | O_CLOEXEC);
	if (exe_fd < 0)
		return exe_fd;
	SCOPED_FD(copy_fd) = (int)SYS(memfd_create, "postern", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy_fd == -EINVAL) /* Linux < 6.3 */
		copy_fd = (int)SYS(memfd_create, "postern", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy_fd < 0)
		return copy_fd;
	long error = SYS(statx, exe_fd, "", AT_EMPTY_PATH, STATX_SIZE, &facts);
	for (uint64_t left = error ? 0 : facts.stx_size; left > 0;) {
		long done = SYS(sendfile, copy_fd, exe_fd, NULL, left);
		if (done <= 0)
			return done < 0 ? (int)done : -EIO;
		left -= (uint64_t)done;
	}
	if (!error)
		error = SYS(fcntl, copy_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return error ? (int)error : inherited(copy_fd);
}

/* Where memory must not be executable (vm.memfd_noexec=2): the program itself on a read-only mount of its own, which nothing
 * but this descriptor refers to. */
static int read_only_mount(void)
{
	char path[PATH_MAX];
	long length = SYS(readlinkat, AT_FDCWD, EXE, path, sizeof(path) - 1);
	if (length < 0)
		return (int)length;
	path[length] = '\0';
	SCOPED_FD(tree_fd) = (int)SYS(open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree_fd < 0)
		return tree_fd;
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
	long error = SYS(mount_setattr, tree_fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes));
	return error ? (int)error : inherited(tree_fd);
}

/* Does the planner end by becoming the executor? Of a command line that only Python understands, any word may be the verb. */
static bool needs_executor(const struct front *front)
{
	static const char *const verbs[] = {"create", "run", "exec"};
	for (int at = 1; at < front->argc; at++)
		for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
			if (strcmp(front->verb ? front->verb : front->argv[at], verbs[i]) == 0)
				return true;
	return false;
}

static int protected_program(void)
{
	int exe_fd = sealed_copy();
	if (exe_fd != -EACCES && exe_fd != -EPERM)
		return exe_fd;
	int tree_fd = read_only_mount();
	return tree_fd < 0 ? exe_fd : tree_fd;
}

/* For verbs that start no process in a container: Python may call this program again for what is done in C. */
static int this_program(void)
{
	SCOPED_FD(exe_fd) = (int)SYS(openat, AT_FDCWD, EXE, O_RDONLY | O_CLOEXEC);
	return exe_fd < 0 ? exe_fd : inherited(exe_fd);
}

/* No Python half: one question can be answered nevertheless. */
static int fail_launch(const struct front *front, int error)
{
	static const char version[] = "postern version " POSTERN_VERSION "\nspec: " SPEC_VERSION "\n";
	if (error == -ENOENT && front->argc == 2 && strcmp(front->argv[1], "--version") == 0)
		return SYS(write, 1, version, sizeof(version) - 1) == (long)sizeof(version) - 1 ? 0 : 1;
	if (error == -EINVAL)
		return fail("the launch file names no python or no entry: is the installation complete?");
	return fail_errno("the launch file beside the postern program cannot be read", error);
}

/* Zeroed memory for argv: its length is the caller's, up to what execve takes. */
static const char **new_arguments(size_t count)
{
	long memory = SYS(mmap, NULL, count * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory < 0 && memory > -4096 ? NULL : (const char **)memory;
}

/* execve `before` (count strings) and then the front's own arguments; returns -errno. */
static int execute(const struct front *front, const char *const *before, size_t count)
{
	const char **arguments = new_arguments(count + (size_t)front->argc + 1);
	if (!arguments)
		return -ENOMEM;
	memcpy(arguments, before, count * sizeof(*before));
	for (int at = 1; at < front->argc; at++)
		arguments[count + (size_t)at - 1] = front->argv[at];
	return (int)SYS(execve, before[0], arguments, front->envp);
}

static int become_python(const struct front *front)
{
	static struct launch launch;
	char number[16];
	int error = find_launch(&launch);
	if (error)
		return fail_launch(front, error);
	struct text text = text_in(number, sizeof(number));
	bool plans = needs_executor(front);
	int exe_fd = plans ? protected_program() : this_program();
	if (exe_fd < 0)
		return fail_errno("cannot make a protected copy of the program", exe_fd);
	text_add_number(&text, exe_fd);
	const char *const planner[] = {launch.planner_path, launch.python_path, launch.entry_path, number};
	if (plans && launch.planner_path[0])
		(void)execute(front, planner, ARRAY_SIZE(planner)); /* cannot be started: the stock interpreter does the same */
	const char *const python[ARGS_BEFORE] = {launch.python_path, "-I", "-S", "-B", launch.entry_path, number};
	return fail_errno(launch.python_path, execute(front, python, ARGS_BEFORE));
}

int hand_over(const struct front *front)
{
	int code = become_python(front);
	/* a failed exec must not look like the process's own exit code */
	return code == 1 && front->verb && strcmp(front->verb, "exec") == 0 ? 255 : code;
}
