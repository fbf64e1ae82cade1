/* Small files by directory descriptor. */
#include "small_file.h"

#include <linux/fcntl.h>
#include <linux/errno.h>

long read_small_file(int dir_fd, const char *name, char *buffer, size_t size)
{
	/* O_NONBLOCK: a fifo in the file's place must not stop us */
	SCOPED_FD(fd) = (int)SYS(openat, dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fd;
	size_t length = 0;
	long got;
	do {
		got = SYS(read, fd, buffer + length, size - length);
		if (got < 0 && got != -EINTR)
			return got;
		if (got > 0)
			length += (size_t)got;
		if (length == size)
			return -EFBIG;
	} while (got == -EINTR);
	buffer[length] = '\0';
	return (long)length;
}

int write_small_file(int dir_fd, const char *name, const char *value, size_t size)
{
	SCOPED_FD(fd) = (int)SYS(openat, dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fd;
	long done;
	do
		done = SYS(write, fd, value, size);
	while (done == -EINTR);
	if (done < 0)
		return (int)done;
	return (size_t)done == size ? 0 : -EIO;
}
