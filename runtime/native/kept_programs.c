/* <root>/@programs: what the kernel calls the programs of running containers, beside the bytes that they were made of.
 *
 * The kernel verifies and compiles each program that is loaded, and interrupts other processors meanwhile; a policy has up to nine.  A program of another container is the same one if its identifier and the nanosecond in which it was loaded are those
 * that we wrote down when we had loaded it from these very bytes; its maps are frozen.  Nothing keeps a program alive but containers, so
 * that nothing is left behind, and every fault only means that programs are loaded anew.  The directory is ours alone, as all that begins
 * with '@' (runtime/state/reserved.py); it has a fixed number of places, the last table of a place stays. */
#include "kept_programs.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/uio.h>
#include <asm/stat.h>

#define PLACES 64
#define SIZE_MAX_KEPT (128u << 10) /* of a table */
#define MAGIC "pstprog1"
#define OTHERS_WRITE 022

struct kept_head {
	char magic[8];
	uint32_t count, size;
	struct bpf_identity programs[BPF_TABLE_PROGRAMS_MAX];
};

/* Where a table may be found: it only spreads them, the bytes decide. */
static uint32_t place_of(const char *table, size_t size)
{
	uint64_t hash = size;
	for (size_t at = 0; at + 8 <= size; at += 8) {
		uint64_t word;
		memcpy(&word, table + at, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 32) % PLACES;
}

static void name_place(struct text *name, const char *before, uint32_t place)
{
	text_add(name, before);
	text_add_number(name, place);
}

static bool is_ours(int fd, uint32_t type)
{
	struct stat facts;
	return SYS(fstat, fd, &facts) >= 0 && (facts.st_mode & 0170000) == type && facts.st_uid == (uint32_t)SYS(geteuid) &&
	       !(facts.st_mode & OTHERS_WRITE);
}

static int open_directory(const char *root)
{
	char path[PATH_MAX];
	struct text text = text_in(path, sizeof(path));
	text_add(&text, root);
	text_add(&text, "/@programs");
	if (text.cut)
		return -ENAMETOOLONG;
	int fd = (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd == -ENOENT && SYS(mkdirat, AT_FDCWD, path, 0700) >= 0)
		fd = (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd >= 0 && !is_ours(fd, 0040000)) {
		(void)SYS(close, fd);
		return -EPERM;
	}
	return fd;
}

static bool continues_with(int fd, const char *bytes, size_t size)
{
	char part[4096];
	while (size > 0) {
		long got = SYS(read, fd, part, size < sizeof(part) ? size : sizeof(part));
		if (got <= 0 || memcmp(part, bytes, (size_t)got) != 0)
			return false;
		bytes += got;
		size -= (size_t)got;
	}
	return SYS(read, fd, part, 1) == 0;
}

/* What was written down for exactly this table. */
static bool read_place(int directory, const char *table, size_t size, struct kept_head *kept)
{
	char buffer[16];
	struct text name = text_in(buffer, sizeof(buffer));
	name_place(&name, "", place_of(table, size));
	SCOPED_FD(fd) = (int)SYS(openat, directory, buffer, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	const struct bpf_table_head *head = (const void *)table;
	return fd >= 0 && is_ours(fd, 0100000) && SYS(read, fd, kept, sizeof(*kept)) == (long)sizeof(*kept) &&
	       memcmp(kept->magic, MAGIC, sizeof(kept->magic)) == 0 && kept->count == head->program_count && kept->size == size &&
	       continues_with(fd, table, size);
}

bool find_programs(const char *root, const char *table, size_t size, int programs[BPF_TABLE_PROGRAMS_MAX])
{
	struct kept_head kept;
	SCOPED_FD(directory) = size > SIZE_MAX_KEPT ? -1 : open_directory(root);
	if (directory < 0 || !read_place(directory, table, size, &kept))
		return false;
	for (uint32_t i = 0; i < kept.count; i++) {
		programs[i] = bpf_program_of(&kept.programs[i]);
		if (programs[i] >= 0)
			continue;
		for (uint32_t k = 0; k < i; k++) {
			(void)SYS(close, programs[k]);
			programs[k] = -1;
		}
		return false;
	}
	return true;
}

static bool write_place(int directory, const char *temporary, const struct kept_head *kept, const char *table)
{
	struct iovec parts[] = {{(void *)kept, sizeof(*kept)}, {(void *)table, kept->size}};
	(void)SYS(unlinkat, directory, temporary, 0); /* of somebody who was killed */
	SCOPED_FD(fd) = (int)SYS(openat, directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 && SYS(writev, fd, parts, ARRAY_SIZE(parts)) == (long)(sizeof(*kept) + kept->size);
}

void keep_programs(const char *root, const char *table, size_t size, const int programs[BPF_TABLE_PROGRAMS_MAX])
{
	const struct bpf_table_head *head = (const void *)table;
	struct kept_head kept = {.count = head->program_count, .size = (uint32_t)size};
	char buffers[2][16];
	memcpy(kept.magic, MAGIC, sizeof(kept.magic));
	for (uint32_t i = 0; i < kept.count; i++)
		if (bpf_program_identify(programs[i], &kept.programs[i]) < 0)
			return;
	SCOPED_FD(directory) = size > SIZE_MAX_KEPT ? -1 : open_directory(root);
	if (directory < 0)
		return;
	struct text name = text_in(buffers[0], sizeof(buffers[0])), temporary = text_in(buffers[1], sizeof(buffers[1]));
	name_place(&name, "", place_of(table, size));
	name_place(&temporary, ".", place_of(table, size));
	if (!write_place(directory, temporary.data, &kept, table) ||
	    SYS(renameat2, directory, temporary.data, directory, name.data, 0) < 0)
		(void)SYS(unlinkat, directory, temporary.data, 0);
}
