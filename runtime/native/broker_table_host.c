/* Reading a table: every offset, count and length is checked here, before anything relies on it. */
#include "broker_table.h"
#include "broker.h"

#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/socket.h>

#define RETURN_UNLESS(condition, reason) \
	do { \
		if (!(condition)) \
			return reason; \
	} while (0)

static const void *at(const struct table *table, uint32_t offset)
{
	return table->image + offset;
}

static bool lies_inside(const struct table *table, uint32_t offset, uint64_t count, size_t size)
{
	return offset % 4 == 0 && offset >= sizeof(struct table_header) && offset <= table->size && count <= (table->size - offset) / size;
}

static bool text_lies_inside(const struct table *table, uint32_t offset, uint32_t length)
{
	return offset <= table->size && length <= table->size - offset;
}

static const char *check_paths(const struct table *table, uint32_t offset)
{
	RETURN_UNLESS(lies_inside(table, offset, 1, sizeof(struct table_paths)), "a layer of patterns lies outside");
	const struct table_paths *layer = at(table, offset);
	RETURN_UNLESS(lies_inside(table, layer->patterns, layer->count, sizeof(struct table_pattern)), "patterns lie outside");
	RETURN_UNLESS(layer->literals <= layer->count, "more literal patterns than patterns");
	RETURN_UNLESS(layer->slot_bits < 24 && lies_inside(table, layer->slots, 1ull << layer->slot_bits, 4), "hash slots lie outside");
	const struct table_pattern *patterns = at(table, layer->patterns);
	for (uint32_t i = 0; i < layer->count; i++) {
		RETURN_UNLESS(text_lies_inside(table, patterns[i].text, patterns[i].length), "a pattern's text lies outside");
		const char *text = at(table, patterns[i].text);
		RETURN_UNLESS(i >= layer->literals || table_hash(TABLE_HASH_BEGIN, text, patterns[i].length) == patterns[i].hash,
			"a pattern's hash is wrong");
	}
	const uint32_t *slots = at(table, layer->slots);
	uint32_t used = 0;
	for (uint32_t i = 0; i < 1u << layer->slot_bits; i++) {
		RETURN_UNLESS(slots[i] <= layer->literals, "a hash slot names no literal pattern");
		used += slots[i] != 0;
	}
	RETURN_UNLESS(used == layer->literals && used < 1u << layer->slot_bits, "the hash slots are not those of the patterns");
	return NULL;
}

static const char *check_addresses(const struct table *table, uint32_t offset)
{
	RETURN_UNLESS(lies_inside(table, offset, 1, sizeof(struct table_addresses)), "a layer of addresses lies outside");
	const struct table_addresses *layer = at(table, offset);
	RETURN_UNLESS(lies_inside(table, layer->rules, layer->count, sizeof(struct table_address)), "address rules lie outside");
	const struct table_address *rules = at(table, layer->rules);
	for (uint32_t i = 0; i < layer->count; i++) {
		uint32_t family = rules[i].family, most = family == AF_INET ? 32 : family == AF_INET6 ? 128 : 0;
		RETURN_UNLESS(family == 0 || most > 0, "an address rule has an unknown family");
		RETURN_UNLESS(rules[i].prefix <= most, "an address rule has too long a prefix");
		RETURN_UNLESS(rules[i].deny <= 1 && rules[i].protocols <= 3, "an address rule has an unknown action or protocol");
		bool ports = rules[i].port_count == 0 || lies_inside(table, rules[i].ports, rules[i].port_count, 8);
		RETURN_UNLESS(ports, "ports lie outside");
	}
	return NULL;
}

static const char *check_section(const struct table *table, uint32_t section)
{
	uint32_t offset = table->header->section[section];
	if (offset == TABLE_NONE)
		return NULL;
	RETURN_UNLESS(lies_inside(table, offset, 1, 4), "a section lies outside");
	const uint32_t *list = at(table, offset);
	RETURN_UNLESS(lies_inside(table, offset + 4, list[0], 4), "the layers of a section lie outside");
	for (uint32_t i = 0; i < list[0]; i++) {
		bool addresses = section == SECTION_EGRESS || section == SECTION_BIND;
		const char *why = addresses ? check_addresses(table, list[1 + i]) : check_paths(table, list[1 + i]);
		if (why)
			return why;
	}
	return NULL;
}

static const char *check_header(const struct table *table)
{
	const struct table_header *header = table->header;
	RETURN_UNLESS(header->magic == TABLE_MAGIC, "it is no table of a broker");
	RETURN_UNLESS(header->version == TABLE_VERSION, "it is of another version");
	RETURN_UNLESS(header->size == table->size, "its size is not what it says");
#if defined(__x86_64__)
	RETURN_UNLESS(header->arch == AUDIT_ARCH_X86_64, "it is for another architecture");
#else
	RETURN_UNLESS(header->arch == AUDIT_ARCH_AARCH64, "it is for another architecture");
#endif
	RETURN_UNLESS(header->mode < MODE_COUNT && header->audit < AUDIT_COUNT && header->flags < 2 * TABLE_BY_KERNEL,
		"a mode, level or flag is unknown");
	RETURN_UNLESS(header->max_inflight > 0 && header->timeout_ms > 0, "a limit is zero");
	bool calls =
		header->call_count <= TABLE_CALLS_MAX && lies_inside(table, header->calls, header->call_count, sizeof(struct table_call));
	RETURN_UNLESS(calls, "its calls lie outside");
	for (uint32_t i = 0; i < header->call_count; i++) {
		RETURN_UNLESS(table->calls[i].handler < HANDLER_COUNT && table->calls[i].zero == 0, "a handler is unknown");
		RETURN_UNLESS(table->calls[i].error < 4096, "an error number is out of range");
	}
	return NULL;
}

static const char *check_texts(const struct table *table)
{
	const struct table_header *header = table->header;
	RETURN_UNLESS(lies_inside(table, header->texts, header->text_count, 8), "its texts lie outside");
	const uint32_t *texts = at(table, header->texts);
	for (uint32_t i = 0; i < header->text_count; i++)
		RETURN_UNLESS(text_lies_inside(table, texts[2 * i], texts[2 * i + 1]), "a text lies outside");
	return NULL;
}

int table_check(const void *image, size_t size, struct table *table, const char **why)
{
	*why = "it is too short or too long";
	if (size < sizeof(struct table_header) || size > TABLE_MAX || (uintptr_t)image % 8)
		return -EINVAL;
	*table = (struct table){.image = image, .size = size, .header = image};
	/* only looked at once check_header has seen that it lies inside */
	table->calls = (const void *)(table->image + (table->header->calls < size ? table->header->calls : 0));
	*why = check_header(table);
	for (uint32_t section = 0; section < SECTION_COUNT && !*why; section++)
		*why = check_section(table, section);
	if (!*why)
		*why = check_texts(table);
	return *why ? -EINVAL : 0;
}

int broker_table_test(const void *image, size_t size, const char **why)
{
	struct table table;
	return table_check(image, size, &table, why);
}

struct table_call table_call(const struct table *table, int nr)
{
	if (nr < 0 || (uint32_t)nr >= table->header->call_count)
		return (struct table_call){.rule = BROKER_NO_RULE};
	return table->calls[nr];
}
