/* JSON strings in place: checked, never unescaped or copied. */
#ifndef POSTERN_JSON_SCAN_H
#define POSTERN_JSON_SCAN_H

#include "sys.h"

/* All functions take a position inside a NUL-terminated buffer and return the position after what they accept, NULL otherwise. */

/* `"..."` with valid UTF-8, known escapes and paired surrogates; [*start, *start + *size) is its inside. */
const char *scan_string(const char *at, const char *end, const char **start, size_t *size);

/* `{"key":"value",...}` without blanks, keys not empty. */
const char *scan_string_map(const char *at, const char *end);

#endif
