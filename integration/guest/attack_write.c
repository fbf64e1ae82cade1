/* Changing a file outside the writable paths: its content, and what the kernel keeps about it. */
#include "attack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Writes through a descriptor, if there is one, and looks whether the file has changed. */
static int scribble(int fd) {
	if (fd < 0 || write(fd, "attacked\n", 9) != 9)
		return -1;
	return expect_changed(outside("file"));
}

static int through(const char *path) { return scribble(open(path, O_WRONLY | O_CLOEXEC)); }

static int linked(const char *path, const char *target) { return symlink(target, path) == 0 ? through(path) : -1; }

/* "inside" and "outside" each give one static buffer: a second path of the same place is built here. */
static const char *below(const char *directory, const char *name) {
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static int open_plain(void) { return through(outside("file")); }
static int open_truncate(void) { return scribble(open(outside("file"), O_WRONLY | O_TRUNC | O_CLOEXEC)); }

/* O_TRUNC acts although the descriptor is for reading alone. */
static int open_truncate_readonly(void) {
	int fd = open(outside("file"), O_RDONLY | O_TRUNC | O_CLOEXEC);
	return fd < 0 ? -1 : expect_changed(outside("file"));
}

static int open_openat2(void) {
	struct {
		unsigned long long flags, mode, resolve;
	} how = {O_WRONLY | O_CLOEXEC, 0, 0};
	return scribble((int)syscall(437 /* openat2 */, AT_FDCWD, outside("file"), &how, sizeof how));
}

static int open_create(void) { return open(outside("new"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) < 0 ? -1 : 0; }
static int creat_call(void) { return scribble(creat(outside("file"), 0644)); }
static int symlink_to_file(void) { return linked(inside("link"), outside("file")); }

static int symlink_to_directory(void) {
	if (symlink(outside(""), inside("link")) != 0)
		return -1;
	return through(below(inside("link"), "file"));
}

static int symlink_relative(void) {
	char target[600];
	snprintf(target, sizeof target, "../../../../../../../..%s", outside("file"));
	return linked(inside("link"), target);
}

static int symlink_chain(void) {
	char first[512];
	snprintf(first, sizeof first, "%s", inside("first"));
	if (symlink(outside("file"), first) != 0)
		return -1;
	return linked(inside("second"), first);
}

static int dot_dot(void) {
	char path[700];
	snprintf(path, sizeof path, "%s/../../../../../../..%s", inside(""), outside("file"));
	return through(path);
}

static int relative_to_directory(void) {
	int directory = open(outside(""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory < 0 ? -1 : scribble(openat(directory, "file", O_WRONLY | O_CLOEXEC));
}

static int after_chdir(void) { return chdir(outside("")) == 0 ? through("file") : -1; }
static int after_fchdir(void) {
	int directory = open(outside(""), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return directory < 0 || fchdir(directory) != 0 ? -1 : through("file");
}

/* A second name for the file, in a place where one may write. */
static int hard_link(void) {
	char path[512];
	snprintf(path, sizeof path, "%s", inside("link"));
	return link(outside("file"), path) == 0 ? through(path) : -1;
}

static int hard_link_by_descriptor(void) {
	char source[64];
	int fd = open(outside("file"), O_RDONLY | O_CLOEXEC);
	snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
	if (fd < 0 || linkat(AT_FDCWD, source, AT_FDCWD, inside("link"), AT_SYMLINK_FOLLOW) != 0)
		return -1;
	return through(inside("link"));
}

static int reopen(int flags) {
	char path[64];
	int fd = open(outside("file"), flags | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : through(path);
}

static int reopen_read(void) { return reopen(O_RDONLY); }
static int reopen_path(void) { return reopen(O_PATH); }

static int reopen_thread_self(void) {
	char path[64];
	int fd = open(outside("file"), O_PATH | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
	return fd < 0 ? -1 : through(path);
}

static int through_proc_root(const char *root) {
	char path[600];
	snprintf(path, sizeof path, "%s%s", root, outside("file"));
	return through(path);
}

static int proc_1_root(void) { return through_proc_root("/proc/1/root"); }
static int proc_self_root(void) { return through_proc_root("/proc/self/root"); }
static int proc_1_cwd(void) { return through_proc_root("/proc/1/cwd/../../.."); }

/* With another root the file has a name that sounds like a writable one. */
static int chroot_disguise(void) {
	if (chroot(outside("")) != 0 || chdir("/") != 0)
		return -1;
	int fd = open("/tmp/file", O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "attacked\n", 9) != 9 ? -1 : expect_changed("/tmp/file");
}

static int truncate_call(void) { return truncate(outside("file"), 0) == 0 ? expect_changed(outside("file")) : -1; }

static int fallocate_call(void) {
	int fd = open(outside("file"), O_RDWR | O_CLOEXEC);
	return fd < 0 || fallocate(fd, 0, 0, 8192) != 0 ? -1 : expect_changed(outside("file"));
}

static int mmap_shared(void) {
	int fd = open(outside("file"), O_RDWR | O_CLOEXEC);
	char *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -1;
	memcpy(page, "attacked", 8);
	return expect_changed(outside("file"));
}

static int copy_range(void) {
	int to = open(outside("file"), O_WRONLY | O_CLOEXEC), from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (to < 0 || from < 0 || sendfile(to, from, NULL, 64) < 0)
		return -1;
	return expect_changed(outside("file"));
}

static int set_xattr(void) { return setxattr(outside("file"), "user.attack", "x", 1, 0); }
static int set_xattr_link(void) { return lsetxattr(outside("file"), "trusted.attack", "x", 1, 0); }
static int remove_xattr(void) { return reached(removexattr(outside("file"), "user.attack-none"), ENODATA, 0); }
static int set_acl(void) {
	static const unsigned char list[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 7, 0, 255, 255, 255, 255, 32, 0, 7, 0, 255, 255, 255, 255};
	return setxattr(outside("file"), "system.posix_acl_access", list, sizeof list, 0);
}

static int chmod_call(void) { return chmod(outside("file"), 0666); }
static int chmod_descriptor(void) {
	int fd = open(outside("file"), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : fchmod(fd, 0666);
}
static int chmod_path_descriptor(void) {
	int fd = open(outside("file"), O_PATH | O_CLOEXEC);
	return fd < 0 ? -1 : (int)syscall(452 /* fchmodat2 */, fd, "", 0666, 0x1000 /* AT_EMPTY_PATH */);
}
static int chown_call(void) { return lchown(outside("file"), 0, 1); }
static int times_call(void) { return utimensat(AT_FDCWD, outside("file"), NULL, 0); }
static int times_descriptor(void) {
	int fd = open(outside("file"), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : futimens(fd, NULL);
}

static int change_flags(void) {
	int fd = open(outside("file"), O_RDONLY | O_CLOEXEC);
	long flags = 0;
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return -1;
	flags ^= FS_NODUMP_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

const struct attack write_attacks[] = {
    {"open_write", open_plain},
    {"open_truncate", open_truncate},
    {"open_truncate_readonly", open_truncate_readonly},
    {"open_openat2", open_openat2},
    {"open_create", open_create},
    {"creat", creat_call},
    {"symlink_to_file", symlink_to_file},
    {"symlink_to_directory", symlink_to_directory},
    {"symlink_relative", symlink_relative},
    {"symlink_chain", symlink_chain},
    {"dot_dot", dot_dot},
    {"relative_to_directory", relative_to_directory},
    {"after_chdir", after_chdir},
    {"after_fchdir", after_fchdir},
    {"hard_link", hard_link},
    {"hard_link_by_descriptor", hard_link_by_descriptor},
    {"reopen_read", reopen_read},
    {"reopen_path", reopen_path},
    {"reopen_thread_self", reopen_thread_self},
    {"proc_1_root", proc_1_root},
    {"proc_self_root", proc_self_root},
    {"proc_1_cwd", proc_1_cwd},
    {"chroot_disguise", chroot_disguise},
    {"truncate", truncate_call},
    {"fallocate", fallocate_call},
    {"mmap_shared", mmap_shared},
    {"sendfile", copy_range},
    {"setxattr", set_xattr},
    {"setxattr_trusted", set_xattr_link},
    {"removexattr", remove_xattr},
    {"set_acl", set_acl},
    {"chmod", chmod_call},
    {"fchmod", chmod_descriptor},
    {"fchmodat2", chmod_path_descriptor},
    {"chown", chown_call},
    {"utimes", times_call},
    {"futimens", times_descriptor},
    {"change_flags", change_flags},
    {NULL, NULL},
};
