/* Whether a path or an address is covered by the layers of a section. */
#include "broker_table.h"
#include "broker.h"

#include <string.h>
#include <sys/socket.h>

/* FNV-1a, continued from `hash`, so that all prefixes of a path cost one pass. */
uint32_t table_hash(uint32_t hash, const char *part, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)part[i]) * 16777619u;
	return hash;
}

static const struct table_pattern *find(
	const struct table *table, const struct table_paths *layer, const char *path, size_t size, uint32_t hash)
{
	const uint32_t *slots = (const uint32_t *)(const void *)(table->image + layer->slots);
	const struct table_pattern *patterns = (const struct table_pattern *)(const void *)(table->image + layer->patterns);
	uint32_t mask = (1u << layer->slot_bits) - 1;
	/* ends: a checked table has an empty slot */
	for (uint32_t slot = hash & mask; slots[slot]; slot = (slot + 1) & mask) {
		const struct table_pattern *pattern = &patterns[slots[slot] - 1];
		if (pattern->hash == hash && pattern->length == size && memcmp(table->image + pattern->text, path, size) == 0)
			return pattern;
	}
	return NULL;
}

/* A pattern covers what it names and what lies below. */
static bool layer_covers(const struct table *table, const struct table_paths *layer, const char *path, uint32_t *rule)
{
	const struct table_pattern *patterns = (const struct table_pattern *)(const void *)(table->image + layer->patterns), *found;
	size_t size = strlen(path);
	if (size == 1)
		size = 0; /* the root is the empty text */
	uint32_t hash = TABLE_HASH_BEGIN;
	for (size_t end = 0;;) {
		if (layer->literals && (found = find(table, layer, path, end, hash)) != NULL) {
			*rule = found->rule;
			return true;
		}
		if (end >= size)
			break;
		size_t begin = end++; /* at a slash */
		while (end < size && path[end] != '/')
			end++;
		hash = table_hash(hash, path + begin, end - begin);
	}
	for (uint32_t i = layer->literals; i < layer->count; i++) {
		const char *pattern = table->image + patterns[i].text;
		for (size_t end = size; end > 0; end--)
			if ((end == size || path[end] == '/') && glob_matches(pattern, patterns[i].length, path, end)) {
				*rule = patterns[i].rule;
				return true;
			}
	}
	return false;
}

bool table_covers(const struct table *table, enum table_section section, const char *path, uint32_t *rule)
{
	uint32_t offset = table->header->section[section];
	if (offset == TABLE_NONE)
		return true;
	const uint32_t *list = (const uint32_t *)(const void *)(table->image + offset);
	uint32_t found = *rule;
	for (uint32_t i = 0; i < list[0]; i++)
		if (!layer_covers(table, (const struct table_paths *)(const void *)(table->image + list[1 + i]), path, &found))
			return false; /* no rule says so: the lack of one does */
	*rule = found;
	return true;
}

bool table_hides(const struct table *table, const char *path, uint32_t *rule)
{
	uint32_t offset = table->header->section[SECTION_HIDE];
	if (offset == TABLE_NONE)
		return false;
	const uint32_t *list = (const uint32_t *)(const void *)(table->image + offset);
	for (uint32_t i = 0; i < list[0]; i++)
		if (layer_covers(table, (const struct table_paths *)(const void *)(table->image + list[1 + i]), path, rule))
			return true;
	return false;
}

static bool prefix_is_equal(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
	if (memcmp(a, b, bits / 8))
		return false;
	uint8_t mask = (uint8_t)(0xff00u >> bits % 8);
	return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}

static bool rule_matches(const struct table *table, const struct table_address *rule, const struct table_target *target)
{
	if (rule->family && (rule->family != target->family || !prefix_is_equal(rule->address, target->address, rule->prefix)))
		return false;
	/* a rule that denies one protocol also denies one that we do not know */
	if (rule->protocols && !(rule->protocols & target->protocols) && !(rule->deny && target->protocols == 0))
		return false;
	const uint32_t *ports = (const uint32_t *)(const void *)(table->image + rule->ports);
	bool listed = rule->port_count == 0;
	for (uint32_t i = 0; i < rule->port_count && !listed; i++)
		listed = target->port >= ports[2 * i] && target->port <= ports[2 * i + 1];
	return listed;
}

static bool layer_reaches(const struct table *table, const struct table_addresses *layer, const struct table_target *target, uint32_t *rule)
{
	const struct table_address *rules = (const struct table_address *)(const void *)(table->image + layer->rules);
	bool allowed = false;
	for (uint32_t i = 0; i < layer->count; i++) {
		if (!rule_matches(table, &rules[i], target))
			continue;
		if (rules[i].deny || !allowed)
			*rule = rules[i].rule;
		if (rules[i].deny)
			return false;
		allowed = true;
	}
	return allowed;
}

bool table_reaches(const struct table *table, enum table_section section, const struct table_target *target, uint32_t *rule)
{
	uint32_t offset = table->header->section[section];
	if (offset == TABLE_NONE)
		return true;
	const uint32_t *list = (const uint32_t *)(const void *)(table->image + offset);
	uint32_t found = *rule;
	for (uint32_t i = 0; i < list[0]; i++) {
		uint32_t said = *rule;
		if (!layer_reaches(table, (const struct table_addresses *)(const void *)(table->image + list[1 + i]), target, &said)) {
			*rule = said;
			return false;
		}
		found = said;
	}
	*rule = found;
	return true;
}
