/* Mounting by the old calls and the new ones; changing the root. */
#include "attack.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's <sys/mount.h> and the kernel's <linux/mount.h> do not go together everywhere. */
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);
enum { BIND = 4096, REMOUNT = 32, DETACH = 2, CLONE = 1, RECURSIVE = 0x8000, EMPTY = 0x1000 };

static int opened(long fd) { return fd < 0 ? -1 : close((int)fd); }

static int mount_tmpfs(void) { return mount("attack", outside("dir"), "tmpfs", 0, ""); }
static int mount_bind(void) { return mount(inside(""), outside("dir"), "", BIND, NULL); }
static int mount_proc(void) { return mount("proc", outside("dir"), "proc", 0, NULL); }
static int mount_overlay(void) { return reached(mount("o", outside("dir"), "overlay", 0, "lowerdir=/no/such/directory"), ENOENT, EINVAL); }
static int mount_cgroup(void) { return mount("c", outside("dir"), "cgroup2", 0, NULL); }

/* Making what is read-only writable again: the mount that a policy's `write` rests on. */
static int remount_writable(void) { return reached(mount(NULL, OUTSIDE, NULL, BIND | REMOUNT, NULL), EINVAL, 0); }
static int remount_root_writable(void) { return reached(mount(NULL, "/", NULL, BIND | REMOUNT, NULL), EINVAL, 0); }

/* Taking away what covers something. */
static int unmount(void) { return umount2("/dev/mqueue", DETACH); }
static int unmount_outside(void) { return reached(umount2(OUTSIDE, DETACH), EINVAL, 0); }

static int fsopen_call(void) { return opened(syscall(SYS_fsopen, "tmpfs", 0)); }
static int fsconfig_call(void) { return reached(syscall(SYS_fsconfig, -1, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0), EBADF, EINVAL); }

static int fsmount_call(void) {
	int context = (int)syscall(SYS_fsopen, "tmpfs", 0);
	if (context < 0)
		return reached(syscall(SYS_fsmount, -1, 0, 0), EBADF, 0);
	if (syscall(SYS_fsconfig, context, 6, NULL, NULL, 0) != 0)
		return -1;
	return opened(syscall(SYS_fsmount, context, 0, 0));
}

static int open_tree_call(void) { return opened(syscall(SYS_open_tree, AT_FDCWD, OUTSIDE, CLONE)); }
static int open_tree_attr_call(void) {
	struct mount_attr writable = {.attr_clr = 1 /* MOUNT_ATTR_RDONLY */};
	return opened(syscall(467 /* open_tree_attr */, AT_FDCWD, OUTSIDE, CLONE | RECURSIVE, &writable, sizeof writable));
}
static int move_mount_call(void) { return reached(syscall(SYS_move_mount, -1, "", AT_FDCWD, outside("dir"), 4 /* F_EMPTY_PATH */), EBADF, EINVAL); }
static int mount_setattr_call(void) {
	struct mount_attr writable = {.attr_clr = 1};
	return (int)syscall(SYS_mount_setattr, AT_FDCWD, "/", RECURSIVE, &writable, sizeof writable);
}
static int fspick_call(void) { return opened(syscall(SYS_fspick, AT_FDCWD, "/", 0)); }
static int pivot_root_call(void) { return reached(syscall(SYS_pivot_root, "/no/such", "/no/such"), ENOENT, 0); }
static int chroot_call(void) { return chroot(inside("")); }

/* A file by its handle needs no path, so no mount on the way to it counts. */
static int handle_open(void) {
	struct {
		struct file_handle head;
		unsigned char bytes[128];
	} handle = {.head = {.handle_bytes = 128}};
	int id, directory = open(inside(""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -1;
	if (syscall(SYS_name_to_handle_at, AT_FDCWD, outside("file"), &handle, &id, 0) != 0)
		return -1;
	int fd = (int)syscall(SYS_open_by_handle_at, directory, &handle, O_WRONLY | O_TRUNC | O_CLOEXEC);
	return fd < 0 ? -1 : expect_changed(outside("file"));
}

const struct attack mount_attacks[] = {
    {"mount_tmpfs", mount_tmpfs},
    {"mount_bind", mount_bind},
    {"mount_proc", mount_proc},
    {"mount_overlay", mount_overlay},
    {"mount_cgroup", mount_cgroup},
    {"remount_writable", remount_writable},
    {"remount_root_writable", remount_root_writable},
    {"unmount", unmount},
    {"unmount_outside", unmount_outside},
    {"fsopen", fsopen_call},
    {"fsconfig", fsconfig_call},
    {"fsmount", fsmount_call},
    {"open_tree", open_tree_call},
    {"open_tree_attr", open_tree_attr_call},
    {"move_mount", move_mount_call},
    {"mount_setattr", mount_setattr_call},
    {"fspick", fspick_call},
    {"pivot_root", pivot_root_call},
    {"chroot", chroot_call},
    {"open_by_handle_at", handle_open},
    {NULL, NULL},
};
