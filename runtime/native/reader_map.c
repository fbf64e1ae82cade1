/* Where the reader's bytes come from: a sealed memfd is mapped, anything else is copied first. */
#include "executor_int.h"

#include <linux/mman.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <asm/stat.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static long read_whole(int fd, char *to, size_t size)
{
	size_t got = 0;
	while (got < size) {
		long part = SYS(pread64, fd, to + got, size - got, (long)got);
		if (part < 0)
			return part;
		if (part == 0)
			return -EBADMSG;
		got += (size_t)part;
	}
	return 0;
}

int plan_map(int fd, struct plan *plan, const char **why)
{
	struct stat file;
	long ret = SYS(fstat, fd, &file);
	*why = "cannot be read";
	if (ret < 0)
		return (int)ret;
	if (file.st_size < PLAN_HEADER_SIZE || file.st_size > (long)PLAN_MAX_IMAGE) {
		*why = "not a launch plan";
		return -EBADMSG;
	}
	size_t size = (size_t)file.st_size;
	long seals = SYS(fcntl, fd, F_GET_SEALS, 0);
	bool sealed = seals >= 0 && (seals & SEALS) == SEALS; /* else it could change or shrink after the check */
	long image = SYS(mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | (sealed ? 0 : MAP_ANONYMOUS), sealed ? fd : -1, 0);
	if (image < 0 && image > -4096)
		return (int)image;
	if (!sealed) {
		ret = read_whole(fd, (char *)image, size);
		if (ret < 0)
			return (int)ret;
	}
	return plan_check((void *)image, size, plan, why);
}

int plan_check_main(int argc, char **argv)
{
	int code = 0;
	for (int i = 2; i < argc; i++) {
		struct plan plan;
		const char *why = "";
		SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, argv[i], O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
		int ret = fd < 0 ? fd : plan_map(fd, &plan, &why);
		if (ret == 0) {
			(void)SYS(munmap, plan.header, plan.header->size);
			continue;
		}
		char buffer[512];
		struct text text = text_in(buffer, sizeof(buffer));
		text_add(&text, argv[i]);
		text_add(&text, ": ");
		text_add(&text, ret == -EBADMSG ? why : errno_text(ret));
		report_error(text.data);
		code = 1;
	}
	return code;
}
