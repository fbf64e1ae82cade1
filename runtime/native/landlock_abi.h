/* Landlock as the kernel has it today: the headers of an older distribution lack rights, rules and fields. */
#ifndef POSTERN_LANDLOCK_ABI_H
#define POSTERN_LANDLOCK_ABI_H

#include "sys.h"

#define LANDLOCK_CREATE_RULESET_VERSION 1u
#define LANDLOCK_RULE_PATH_BENEATH 1
#define LANDLOCK_RULE_NET_PORT 2

#define LANDLOCK_ACCESS_FS_EXECUTE (1ull << 0)
#define LANDLOCK_ACCESS_FS_WRITE_FILE (1ull << 1)
#define LANDLOCK_ACCESS_FS_READ_FILE (1ull << 2)
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14)
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ull << 15)

struct landlock_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* since ABI 4 */
	uint64_t scoped;             /* since ABI 6 */
};

struct landlock_path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct landlock_net_port_attr {
	uint64_t allowed_access;
	uint64_t port;
};

#endif
