/* JSON documents of others in place: any value, with blanks, bounded depth; nothing is allocated or copied. */
#ifndef POSTERN_JSON_WALK_H
#define POSTERN_JSON_WALK_H

#include "sys.h"

#define JSON_DEPTH_MAX 64

struct json { /* a value: [start, end) without blanks around it; start is NULL when there is none */
	const char *start, *end;
};

/* The one value that the whole buffer is, blanks around it allowed. */
struct json json_document(const char *data, size_t size);

/* The value of a member of an object; the last one where a name stands twice, as most parsers do. Names are compared as written. */
struct json json_member(struct json object, const char *name);

/* The element of an array. */
struct json json_element(struct json array, size_t index);

/* A string without its escapes, as UTF-8 and with a NUL. False: no string, longer than size - 1, or with a NUL inside. */
bool json_text(struct json value, char *buffer, size_t size);

/* An integer that is not negative and has no fraction. False: none, or larger than 2^63 - 1. */
bool json_natural(struct json value, uint64_t *number);

#endif
