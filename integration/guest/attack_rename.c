/* Changing what names there are outside the writable paths. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int written(const char *path) {
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 || write(fd, "attacked\n", 9) != 9 ? -1 : close(fd);
}

static int rename_away(void) { return rename(outside("file"), inside("taken")); }
static int rename_within(void) {
	char from[512]; /* "outside" has one buffer */
	snprintf(from, sizeof from, "%s", outside("file"));
	return rename(from, outside("renamed"));
}

static int rename_over(void) {
	if (written(inside("mine")) != 0 || rename(inside("mine"), outside("file")) != 0)
		return -1;
	return expect_changed(outside("file"));
}

static int rename_exchange(void) {
	if (written(inside("mine")) != 0)
		return -1;
	if (syscall(SYS_renameat2, AT_FDCWD, inside("mine"), AT_FDCWD, outside("file"), 2 /* RENAME_EXCHANGE */) != 0)
		return -1;
	return expect_changed(outside("file"));
}

static int rename_directory_over(void) { return rename(inside(""), outside("dir")); }

/* The writable directory itself is put elsewhere, so that another one takes its name. */
static int rename_writable(void) {
	char to[600];
	const char *directory = getenv("INSIDE");
	directory = directory != NULL ? directory : "/tmp";
	snprintf(to, sizeof to, "%s.moved", directory);
	if (rename(directory, to) != 0)
		return -1;
	return rename(to, directory);
}

static int make_directory(void) { return mkdir(outside("made"), 0755); }
static int make_fifo(void) { return mknod(outside("fifo"), S_IFIFO | 0644, 0); }
static int make_file(void) { return mknod(outside("node"), S_IFREG | 0644, 0); }
static int make_symlink(void) { return symlink("/", outside("symlink")); }
static int make_hard_link(void) { return written(inside("mine")) == 0 ? link(inside("mine"), outside("linked")) : -1; }
static int remove_file(void) { return unlink(outside("file")); }
static int remove_directory(void) { return rmdir(outside("dir")); }

/* A file without a name is given one outside. */
static int nameless_file(void) {
	char path[64];
	int fd = open(inside(""), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : linkat(AT_FDCWD, path, AT_FDCWD, outside("named"), AT_SYMLINK_FOLLOW);
}

static int nameless_outside(void) { return open(outside(""), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644) < 0 ? -1 : 0; }

const struct attack rename_attacks[] = {
    {"rename_away", rename_away},
    {"rename_within", rename_within},
    {"rename_over", rename_over},
    {"rename_exchange", rename_exchange},
    {"rename_directory_over", rename_directory_over},
    {"rename_writable", rename_writable},
    {"mkdir", make_directory},
    {"mknod_fifo", make_fifo},
    {"mknod_file", make_file},
    {"symlink", make_symlink},
    {"link", make_hard_link},
    {"unlink", remove_file},
    {"rmdir", remove_directory},
    {"nameless_file", nameless_file},
    {"nameless_outside", nameless_outside},
    {NULL, NULL},
};
