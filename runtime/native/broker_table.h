/* A broker's table: what runtime/broker/table.py encodes, checked once and then read without further checks. */
#ifndef POSTERN_BROKER_TABLE_H
#define POSTERN_BROKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MAGIC 0x31544250u /* "PBT1" */
#define TABLE_VERSION 1u
#define TABLE_MAX (16u << 20)
#define TABLE_CALLS_MAX 1024u
#define TABLE_NONE 0xffffffffu /* a section that is not there: everything is allowed */

enum table_mode { MODE_ENFORCE, MODE_AUDIT, MODE_ASK, MODE_RECORD, MODE_COUNT };
enum table_audit { AUDIT_NONE, AUDIT_DENIALS, AUDIT_DECISIONS, AUDIT_ALL, AUDIT_COUNT };
enum table_flag {
	TABLE_KILL = 1,        /* on failure: kill the caller instead of denying */
	TABLE_ABSTRACT = 2,    /* abstract unix addresses are allowed */
	TABLE_GROUPS_SEEN = 4, /* setgroups and execve are notified, so groups may be remembered between calls */
	/* 8 is Python's alone */
	TABLE_ROOT_SEEN = 16, /* chroot is notified, and nothing else of the callers' can change a root or a mount */
	TABLE_BY_KERNEL = 32, /* mode audit: in mode enforce mounts and Landlock judge opens, not the broker */
};
enum table_handler {
	HANDLER_NONE, /* no entry */
	HANDLER_OPEN,
	HANDLER_CONNECT,
	HANDLER_BIND,
	HANDLER_SEND,
	HANDLER_EXEC,
	HANDLER_MKNOD,
	HANDLER_MOUNT,
	HANDLER_DENY,
	HANDLER_CONTINUE,
	HANDLER_RECORD,
	HANDLER_CHANGE, /* mode audit alone: what changes files by name */
	HANDLER_COUNT,
};
enum table_section {
	SECTION_READ,
	SECTION_WRITE,
	SECTION_HIDE,
	SECTION_UNIX_CONNECT,
	SECTION_UNIX_BIND,
	SECTION_EGRESS,
	SECTION_BIND,
	SECTION_COUNT,
};

/* The image, all little endian as both machines are; offsets from its start, multiples of 4.
 * header | calls | layers, patterns, hash slots, address rules, ports | strings | rule texts (for Python alone) */
struct table_header {
	uint32_t magic, version, size, arch; /* arch: AUDIT_ARCH_* of the machine that the calls' numbers are of */
	uint32_t mode, audit, flags, timeout_ms;
	uint32_t max_inflight, wall_time_ms, calls, call_count; /* calls: offset of call_count entries, by number */
	uint32_t section[SECTION_COUNT];                        /* offset of a layer list, or TABLE_NONE */
	uint32_t texts, text_count;                             /* offset of text_count pairs (offset, length): name, then the rules */
};
struct table_call {
	uint8_t handler, zero;
	uint16_t error;
	uint32_t rule;
};
/* A layer list: uint32 count, then count offsets of layers. */
struct table_paths {
	uint32_t count, patterns;  /* offset of count patterns: literal ones first */
	uint32_t literals;         /* how many those are */
	uint32_t slots, slot_bits; /* open addressing over the literals: 1 << slot_bits indexes plus one, 0: empty */
};
struct table_pattern {
	uint32_t text, length, hash, rule; /* literals: no trailing slash, "" is the root */
};
struct table_addresses {
	uint32_t count, rules;
};
struct table_address {
	uint32_t deny, family, prefix; /* family: AF_INET, AF_INET6, 0: any address */
	uint32_t protocols;            /* bit 0: tcp, bit 1: udp; 0: any */
	uint32_t ports, port_count;    /* offset of pairs lowest, highest; 0: any port */
	uint32_t rule;
	uint8_t address[16];
};

struct table {
	const char *image;
	size_t size;
	const struct table_header *header;
	const struct table_call *calls;
};

/* 0; or -EINVAL and the reason. The image is borrowed and must neither change nor go away. */
int table_check(const void *image, size_t size, struct table *table, const char **why);
/* HANDLER_NONE where the table says nothing of the call. */
struct table_call table_call(const struct table *table, int nr);

/* Whether the absolute path is covered in every layer of the section; a missing section covers everything. *rule: a rule of the last
 * layer that covers it. For SECTION_HIDE: whether any layer hides the path or a directory on its way. */
bool table_covers(const struct table *table, enum table_section section, const char *path, uint32_t *rule);
bool table_hides(const struct table *table, const char *path, uint32_t *rule);

#define TABLE_HASH_BEGIN 2166136261u
uint32_t table_hash(uint32_t hash, const char *part, size_t size);

struct table_target {
	uint32_t family; /* AF_INET or AF_INET6; mapped addresses are given as AF_INET */
	uint8_t address[16];
	uint16_t port;
	uint32_t protocols; /* as in a rule, exactly one bit; 0: another protocol, which only rules without protocols allow */
};
bool table_reaches(const struct table *table, enum table_section section, const struct table_target *target, uint32_t *rule);

/* Whether the pattern matches the whole path: `*` within a component, `**` across, a trailing `/` `**` also the directory itself. */
bool glob_matches(const char *pattern, size_t pattern_size, const char *path, size_t path_size);

#endif
