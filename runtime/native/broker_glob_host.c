/* Patterns with wildcards. */
#include "broker_table.h"

/* `**` may stand for nothing with its slash: "/" "**" "/b" covers both /b and /a/b. */
static size_t skip_deep(const char *pattern, size_t size, size_t at)
{
	at += 2;
	return at < size && pattern[at] == '/' ? at + 1 : at;
}

static bool is_deep(const char *pattern, size_t size, size_t at)
{
	return at + 1 < size && pattern[at] == '*' && pattern[at + 1] == '*';
}

/* Two places to fall back to, the last `*` and the last `**`: the earliest match of what stands between two deep wildcards leaves most
 * to the rest, so no third one is needed. Steps: at most size times size. */
static bool matches(const char *pattern, size_t pattern_size, const char *path, size_t path_size)
{
	size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0, deep = SIZE_MAX, deep_text = 0;
	while (t < path_size || p < pattern_size) {
		if (is_deep(pattern, pattern_size, p)) {
			deep = p = skip_deep(pattern, pattern_size, p);
			deep_text = t;
			star = SIZE_MAX;
			continue;
		}
		if (p < pattern_size && pattern[p] == '*') {
			star = ++p;
			star_text = t;
			continue;
		}
		if (p < pattern_size && t < path_size && pattern[p] == path[t]) {
			p++;
			t++;
			continue;
		}
		if (star != SIZE_MAX && star_text < path_size && path[star_text] != '/') {
			t = ++star_text;
			p = star;
			continue;
		}
		if (deep == SIZE_MAX || deep_text >= path_size)
			return false;
		/* after "**" "/" only the beginnings of components are candidates */
		do
			deep_text++;
		while (pattern[deep - 1] == '/' && deep_text < path_size && path[deep_text - 1] != '/');
		if (pattern[deep - 1] == '/' && deep_text >= path_size)
			return false;
		t = deep_text;
		p = deep;
		star = SIZE_MAX;
	}
	return true;
}

bool glob_matches(const char *pattern, size_t pattern_size, const char *path, size_t path_size)
{
	while (!matches(pattern, pattern_size, path, path_size)) {
		/* the directory itself is below itself, at depth none */
		if (pattern_size < 3 || pattern[pattern_size - 3] != '/' || !is_deep(pattern, pattern_size, pattern_size - 2))
			return false;
		pattern_size -= 3;
	}
	return true;
}
