/* JSON strings in place. Whatever is accepted here, any JSON parser accepts with the same value (RFC 8259 §7). */
#include "json_scan.h"

#include "text.h"

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* `\uXXXX`: the code unit, or -1. */
static int unicode_escape(const char *at, const char *end)
{
	int unit = 0;
	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);
		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* Length of the escape at the backslash, 0 when it is none. A lone surrogate has no UTF-8 form and is refused. */
static size_t escape_length(const char *at, const char *end)
{
	if (end - at < 2)
		return 0;
	switch (at[1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return 2;
	case 'u': {
		int unit = unicode_escape(at, end);
		if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
			return 0;
		if (unit < 0xd800 || unit > 0xdbff)
			return 6;
		int low = unicode_escape(at + 6, end);
		return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
	}
	default:
		return 0;
	}
}

const char *scan_string(const char *at, const char *end, const char **start, size_t *size)
{
	if (at >= end || *at != '"')
		return NULL;
	*start = ++at;
	while (at < end && *at != '"') {
		size_t step;
		if (*at == '\\')
			step = escape_length(at, end);
		else if ((unsigned char)*at < 0x20)
			step = 0;
		else
			step = utf8_length(at, (size_t)(end - at));
		if (step == 0)
			return NULL;
		at += step;
	}
	if (at >= end)
		return NULL;
	*size = (size_t)(at - *start);
	return at + 1;
}

const char *scan_string_map(const char *at, const char *end)
{
	const char *start;
	size_t size;
	if (at >= end || *at != '{')
		return NULL;
	if (++at < end && *at == '}')
		return at + 1;
	for (;;) {
		at = scan_string(at, end, &start, &size);
		if (!at || size == 0 || at >= end || *at != ':')
			return NULL;
		at = scan_string(at + 1, end, &start, &size);
		if (!at || at >= end)
			return NULL;
		if (*at == '}')
			return at + 1;
		if (*at++ != ',')
			return NULL;
	}
}
