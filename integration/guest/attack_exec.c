/*
 * Running a program that came from a writable place or from memory. Each ends as `attack succeed`, whose exit code tells
 * that it ran; what cannot be told that way is told by an errno.
 */
#include "attack.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const nothing[] = {NULL};

static int run(const char *program) {
	const char *words[] = {program, "succeed", NULL};
	execve(program, (char **)words, (char **)nothing);
	return -1;
}

static int run_descriptor(int fd) {
	const char *words[] = {"attack", "succeed", NULL};
	if (fd >= 0)
		syscall(SYS_execveat, fd, "", words, nothing, 0x1000 /* AT_EMPTY_PATH */);
	return -1;
}

static int copy_to(int to, const char *source) {
	static char buffer[65536];
	ssize_t got = -1;
	int from = open(source, O_RDONLY | O_CLOEXEC);
	if (from < 0 || to < 0)
		return -1;
	while ((got = read(from, buffer, sizeof buffer)) > 0)
		if (write(to, buffer, (size_t)got) != got)
			return -1;
	close(from);
	return got < 0 ? -1 : 0;
}

static int copied(const char *path, const char *source) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	return copy_to(fd, source) != 0 ? -1 : close(fd);
}

static int text(const char *path, const char *content) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	return fd < 0 || write(fd, content, strlen(content)) < 0 ? -1 : close(fd);
}

static int exec_written(void) { return copied(inside("program"), "/usr/bin/attack") == 0 ? run(inside("program")) : -1; }

static int exec_link(void) {
	char path[512];
	if (copied(inside("program"), "/usr/bin/attack") != 0)
		return -1;
	snprintf(path, sizeof path, "%s", inside("program"));
	return symlink(path, inside("link")) == 0 ? run(inside("link")) : -1;
}

static int exec_descriptor(void) {
	if (copied(inside("program"), "/usr/bin/attack") != 0)
		return -1;
	return run_descriptor(open(inside("program"), O_RDONLY | O_CLOEXEC));
}

static int exec_proc_fd(void) {
	char path[64];
	if (copied(inside("program"), "/usr/bin/attack") != 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", open(inside("program"), O_PATH));
	return run(path);
}

/* The dynamic loader is a program that runs programs: execve never sees them. */
static int exec_loader(void) {
	char path[512];
	if (copied(inside("program"), "/usr/lib/attack/dynamic") != 0)
		return -1;
	snprintf(path, sizeof path, "%s", inside("program"));
	const char *words[] = {"/usr/lib/attack/loader", "--library-path", "/usr/lib/attack", path, NULL};
	execve(words[0], (char **)words, (char **)nothing);
	return -1;
}

static int exec_script(void) { return text(inside("script"), "#!/usr/bin/attack succeed\n") == 0 ? run(inside("script")) : -1; }

/* The interpreter is the written file. */
static int exec_interpreter(void) {
	char line[600];
	if (copied(inside("program"), "/usr/bin/attack") != 0)
		return -1;
	snprintf(line, sizeof line, "#!%s succeed\n", inside("program"));
	return text(inside("script"), line) == 0 ? run(inside("script")) : -1;
}

/* No system call runs anything here: a permitted shell reads a file. No policy can forbid that but by having no shell. */
static int shell_reads_script(void) {
	char path[512];
	if (text(inside("script"), "exit 77\n") != 0)
		return -1;
	snprintf(path, sizeof path, "%s", inside("script"));
	const char *words[] = {"/bin/sh", path, NULL};
	execve(words[0], (char **)words, (char **)nothing);
	return -1;
}

static int exec_memfd(unsigned flags) {
	int fd = (int)syscall(SYS_memfd_create, "attack", flags);
	if (copy_to(fd, "/usr/bin/attack") != 0)
		return -1;
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int readable = open(path, O_RDONLY | O_CLOEXEC);
	return run_descriptor(readable < 0 ? fd : readable);
}

static int memfd(void) { return exec_memfd(MFD_CLOEXEC); }
static int memfd_executable(void) { return exec_memfd(MFD_CLOEXEC | 0x10U /* MFD_EXEC */); }

static int exec_nameless(void) {
	char path[64];
	int fd = open(inside(""), O_TMPFILE | O_RDWR | O_CLOEXEC, 0755);
	if (copy_to(fd, "/usr/bin/attack") != 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int readable = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return run_descriptor(readable);
}

static int exec_shm(void) { return copied("/dev/shm/program", "/usr/bin/attack") == 0 ? run("/dev/shm/program") : -1; }

static void *mapped(int protection) {
	if (copied(inside("program"), "/usr/bin/attack") != 0)
		return MAP_FAILED;
	int fd = open(inside("program"), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? MAP_FAILED : mmap(NULL, 4096, protection, MAP_PRIVATE, fd, 0);
}

static int mmap_written(void) { return mapped(PROT_READ | PROT_EXEC) == MAP_FAILED ? -1 : 0; }

static int mprotect_written(void) {
	void *page = mapped(PROT_READ);
	return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

/* Every JIT compiler does this. */
static int mmap_anonymous(void) {
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int exec_outside(void) { return run(outside("program")); }

/* A program that is root's whoever runs it. */
static int exec_setuid(void) {
	if (syscall(SYS_setresgid, 1000, 1000, 1000) != 0 || syscall(SYS_setresuid, 1000, 1000, 1000) != 0)
		return -1;
	const char *words[] = {"/usr/lib/attack/setuid", "succeed-as-root", NULL};
	execve(words[0], (char **)words, (char **)nothing);
	return -1;
}

const struct attack exec_attacks[] = {
    {"exec_written", exec_written},
    {"exec_link", exec_link},
    {"exec_descriptor", exec_descriptor},
    {"exec_proc_fd", exec_proc_fd},
    {"exec_loader", exec_loader},
    {"exec_script", exec_script},
    {"exec_interpreter", exec_interpreter},
    {"shell_reads_script", shell_reads_script},
    {"memfd", memfd},
    {"memfd_executable", memfd_executable},
    {"exec_nameless", exec_nameless},
    {"exec_shm", exec_shm},
    {"mmap_written", mmap_written},
    {"mprotect_written", mprotect_written},
    {"mmap_anonymous", mmap_anonymous},
    {"exec_outside", exec_outside},
    {"exec_setuid", exec_setuid},
    {NULL, NULL},
};
