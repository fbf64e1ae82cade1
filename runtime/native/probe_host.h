/* Only in the extension module: what a seccomp filter does to one system call, asked of the kernel. */
#ifndef POSTERN_PROBE_HOST_H
#define POSTERN_PROBE_HOST_H

#include <stddef.h>

struct filter_verdict {
	int signal; /* that ended the process, 0 when the call returned */
	long value; /* what it returned, errors as -errno */
};

/* A child process loads the filter (struct sock_filter array of `size` bytes) with no_new_privs and makes call[0] with arguments
 * call[1..6]. 0; or -errno when the child or the filter cannot be made. */
int probe_filter(const void *program, size_t size, unsigned flags, const long call[7], struct filter_verdict *verdict);

#endif
