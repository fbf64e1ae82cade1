/* JSON values in place (RFC 8259). What is accepted here, any JSON parser accepts; strings are checked by json_scan.c. */
#include "json_walk.h"

#include "json_scan.h"
#include "text.h"

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

static const char *scan_digits(const char *at, const char *end)
{
	const char *first = at;
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at > first ? at : NULL;
}

static const char *scan_number(const char *at, const char *end)
{
	if (at < end && *at == '-')
		at++;
	at = at < end && *at == '0' ? at + 1 : scan_digits(at, end);
	if (at && at < end && *at == '.')
		at = scan_digits(at + 1, end);
	if (at && at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = scan_digits(at, end);
	}
	return at;
}

static const char *scan_word(const char *at, const char *end, const char *word)
{
	size_t size = strlen(word);
	return (size_t)(end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
}

static const char *scan_scalar(const char *at, const char *end)
{
	const char *start;
	size_t size;
	switch (*at) {
	case '"':
		return scan_string(at, end, &start, &size);
	case 't':
		return scan_word(at, end, "true");
	case 'f':
		return scan_word(at, end, "false");
	case 'n':
		return scan_word(at, end, "null");
	default:
		return scan_number(at, end);
	}
}

/* `"name" :` */
static const char *scan_name(const char *at, const char *end)
{
	const char *start;
	size_t size;
	at = scan_string(at, end, &start, &size);
	at = at ? skip_blanks(at, end) : NULL;
	return at && at < end && *at == ':' ? skip_blanks(at + 1, end) : NULL;
}

/* A value; nested ones without recursion: closers[] holds the brackets that are open. */
static const char *scan_value(const char *at, const char *end)
{
	char closers[JSON_DEPTH_MAX];
	size_t depth = 0;
	for (;;) {
		if (!at || at >= end)
			return NULL;
		if (*at == '{' || *at == '[') {
			if (depth == JSON_DEPTH_MAX)
				return NULL;
			closers[depth++] = *at == '{' ? '}' : ']';
			at = skip_blanks(at + 1, end);
			if (at >= end || *at != closers[depth - 1]) {
				at = closers[depth - 1] == '}' ? scan_name(at, end) : at;
				continue;
			}
			at++;
			depth--;
		} else {
			at = scan_scalar(at, end);
		}
		for (; at && depth > 0; depth--) { /* after a value: what it was in goes on, or ends as well */
			at = skip_blanks(at, end);
			if (at >= end)
				return NULL;
			if (*at == ',') {
				at = skip_blanks(at + 1, end);
				at = closers[depth - 1] == '}' ? scan_name(at, end) : at;
				break;
			}
			if (*at++ != closers[depth - 1])
				return NULL;
		}
		if (!at || depth == 0)
			return at;
	}
}

struct json json_document(const char *data, size_t size)
{
	const char *end = data + size, *start = skip_blanks(data, end);
	const char *after = start < end ? scan_value(start, end) : NULL;
	if (!after || skip_blanks(after, end) != end)
		return (struct json){0};
	return (struct json){start, after};
}

/* The values below come out of json_document, so the scanners cannot fail in them. */
struct json json_member(struct json object, const char *name)
{
	struct json found = {0};
	if (!object.start || *object.start != '{')
		return found;
	const char *at = skip_blanks(object.start + 1, object.end), *start = NULL;
	size_t size = 0, name_size = strlen(name);
	while (at && at < object.end && *at == '"') {
		const char *after = scan_string(at, object.end, &start, &size);
		at = scan_name(at, object.end);
		const char *value_end = after && at ? scan_value(at, object.end) : NULL;
		if (!value_end)
			return (struct json){0};
		if (size == name_size && memcmp(start, name, size) == 0)
			found = (struct json){at, value_end};
		at = skip_blanks(value_end, object.end);
		if (at < object.end && *at == ',')
			at = skip_blanks(at + 1, object.end);
	}
	return found;
}

struct json json_element(struct json array, size_t index)
{
	if (!array.start || *array.start != '[')
		return (struct json){0};
	const char *at = skip_blanks(array.start + 1, array.end);
	while (at < array.end && *at != ']') {
		const char *after = scan_value(at, array.end);
		if (!after)
			break;
		if (index-- == 0)
			return (struct json){at, after};
		at = skip_blanks(after, array.end);
		if (at < array.end && *at == ',')
			at = skip_blanks(at + 1, array.end);
	}
	return (struct json){0};
}

static unsigned hex_value(const char *at)
{
	unsigned value = 0;
	for (int i = 0; i < 4; i++) {
		char digit = at[i];
		value = value * 16 + (unsigned)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return value;
}

static void add_character(struct text *text, unsigned code)
{
	char bytes[4];
	size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = size; i-- > 1; code >>= 6)
		bytes[i] = (char)(0x80 | (code & 0x3f));
	bytes[0] = (char)(code | marks[size]);
	text_add_bytes(text, bytes, size);
}

/* The escape at the backslash: adds what it stands for and returns the position after it. */
static const char *add_escape(struct text *text, const char *at)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	if (at[1] != 'u') {
		for (size_t i = 0; i < sizeof(names) - 1; i++)
			if (names[i] == at[1])
				text_add_bytes(text, &values[i], 1);
		return at + 2;
	}
	unsigned code = hex_value(at + 2);
	at += 6;
	if (code >= 0xd800 && code <= 0xdbff) {
		code = 0x10000 + ((code - 0xd800) << 10) + (hex_value(at + 2) - 0xdc00);
		at += 6;
	}
	text->cut = text->cut || code == 0;
	add_character(text, code);
	return at;
}

bool json_text(struct json value, char *buffer, size_t size)
{
	struct text text = text_in(buffer, size);
	if (!value.start || *value.start != '"')
		return false;
	for (const char *at = value.start + 1; at < value.end - 1 && !text.cut;) {
		if (*at == '\\') {
			at = add_escape(&text, at);
		} else {
			text_add_bytes(&text, at, 1);
			at++;
		}
	}
	return !text.cut;
}

bool json_natural(struct json value, uint64_t *number)
{
	return value.start && parse_number(value.start, (size_t)(value.end - value.start), number) && *number <= INT64_MAX;
}
