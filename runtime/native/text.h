/* Bounded text: built in a caller's buffer, never overflows, remembers when it was cut. */
#ifndef POSTERN_TEXT_H
#define POSTERN_TEXT_H

#include "sys.h"

struct text {
	char *data;    /* always NUL-terminated */
	size_t size;   /* of the buffer */
	size_t length; /* without the NUL */
	bool cut;      /* something did not fit: callers that make paths must treat this as ENAMETOOLONG */
};

struct text text_in(char *buffer, size_t size);
void text_add(struct text *text, const char *part);
void text_add_bytes(struct text *text, const char *part, size_t size);
void text_add_number(struct text *text, int64_t number);
void text_add_json(struct text *text, const char *part); /* escaped for a JSON string, quotes not included */
bool parse_number(const char *text, size_t length, uint64_t *number); /* decimal digits only, no sign, no blanks, all of it */
size_t utf8_length(const char *part, size_t size); /* bytes of the character that part begins with; 0: not valid UTF-8 */
const char *errno_text(int errnum); /* glibc's words in lower case: "no such file or directory" */

#endif
