/* Which programs of running containers were made of which table: containers of one kind share them. */
#ifndef POSTERN_KEPT_PROGRAMS_H
#define POSTERN_KEPT_PROGRAMS_H

#include "bpf_table.h"

/* Descriptors of the programs that were made of exactly this table, as long as some container has them. False, and none: not all. */
bool find_programs(const char *root, const char *table, size_t size, int programs[BPF_TABLE_PROGRAMS_MAX]);

/* Remember them. When that does not work the next container gets its own. */
void keep_programs(const char *root, const char *table, size_t size, const int programs[BPF_TABLE_PROGRAMS_MAX]);

#endif
