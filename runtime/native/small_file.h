/* Small files by directory descriptor: what state directories, cgroupfs and procfs consist of. Symlinks are never followed. */
#ifndef POSTERN_SMALL_FILE_H
#define POSTERN_SMALL_FILE_H

#include "sys.h"

/* Read <dir>/<name> with one read(2) into buffer: number of bytes (at most size - 1, then a NUL), or -errno; -EFBIG when it
 * does not fit. One read is the whole of a regular file and of one-record kernel files, not of lists like cgroup.procs. */
long read_small_file(int dir_fd, const char *name, char *buffer, size_t size);

/* Open the existing <dir>/<name>, write with one write(2), close it. 0 or -errno. */
int write_small_file(int dir_fd, const char *name, const char *value, size_t size);

#endif
