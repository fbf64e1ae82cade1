/* Bounded text. Nothing here allocates, calls the kernel or writes past the caller's buffer. */
#include "text.h"

struct text text_in(char *buffer, size_t size)
{
	buffer[0] = '\0';
	return (struct text){.data = buffer, .size = size};
}

void text_add_bytes(struct text *text, const char *part, size_t size)
{
	size_t room = text->size - 1 - text->length;
	if (size > room) {
		size = room;
		text->cut = true;
	}
	memcpy(text->data + text->length, part, size);
	text->length += size;
	text->data[text->length] = '\0';
}

void text_add(struct text *text, const char *part)
{
	text_add_bytes(text, part, strlen(part));
}

void text_add_number(struct text *text, int64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	do
		digits[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		digits[--at] = '-';
	text_add_bytes(text, digits + at, sizeof(digits) - at);
}

size_t utf8_length(const char *part, size_t size)
{
	const unsigned char *byte = (const unsigned char *)part;
	if (size == 0)
		return 0;
	if (byte[0] < 0x80)
		return 1;
	size_t length = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
	if (byte[0] < 0xc2 || byte[0] > 0xf4 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) || (byte[0] == 0xf0 && byte[1] < 0x90) ||
	    (byte[0] == 0xf4 && byte[1] > 0x8f))
		return 0;
	return length;
}

/* An escape is added whole or not at all, so that a cut text is still the inside of a JSON string. */
static void add_whole(struct text *text, const char *part, size_t size)
{
	if (text->cut || size > text->size - 1 - text->length)
		text->cut = true;
	else
		text_add_bytes(text, part, size);
}

void text_add_json(struct text *text, const char *part)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t left = strlen(part); left > 0;) {
		unsigned char byte = (unsigned char)*part;
		size_t size = utf8_length(part, left);
		if (size == 0) {
			add_whole(text, "\\ufffd", 6);
			size = 1;
		} else if (byte == '"' || byte == '\\') {
			add_whole(text, (char[]){'\\', (char)byte}, 2);
		} else if (byte == '\n') {
			add_whole(text, "\\n", 2);
		} else if (byte == '\t') {
			add_whole(text, "\\t", 2);
		} else if (byte < 0x20 || byte == 0x7f) {
			add_whole(text, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
		} else {
			add_whole(text, part, size);
		}
		part += size;
		left -= size;
	}
}

bool parse_number(const char *text, size_t length, uint64_t *number)
{
	uint64_t value = 0;
	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*number = value;
	return true;
}
