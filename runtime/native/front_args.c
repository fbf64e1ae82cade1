/* argv of the verbs that need no Python, in runc's grammar: one or two dashes, --flag=value or --flag value, --switch=false,
 * repeats, flags after the ID (not for kill), `--` ends flags. Whatever is not entirely understood is Python's to explain. */
#include "front.h"

#include "report.h"
#include "small_file.h"

#include <linux/fcntl.h>

#define DEFAULT_ROOT "/run/postern"

struct flag {
	const char *name, *short_name; /* without dashes */
	const char **value;            /* takes a value, or else */
	bool *is_set;                  /* is a switch */
};

const char *environment(char *const *envp, const char *name)
{
	size_t size = strlen(name);
	for (; *envp; envp++)
		if (strncmp(*envp, name, size) == 0 && (*envp)[size] == '=')
			return *envp + size + 1;
	return NULL;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* What Go's strconv.ParseBool takes. */
static bool parse_switch(const char *word, bool *value)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};
	*value = !word || is_one_of(word, yes);
	return *value || is_one_of(word, no);
}

static const struct flag *find_flag(const struct flag *flags, const char *name, size_t size)
{
	for (; flags->name; flags++) {
		if (strlen(flags->name) == size && strncmp(flags->name, name, size) == 0)
			return flags;
		if (flags->short_name && strlen(flags->short_name) == size && strncmp(flags->short_name, name, size) == 0)
			return flags;
	}
	return NULL;
}

/* argv[*at] is a flag: take it and its value. False: not one that we know, or not well-formed. */
static bool take_flag(const struct flag *flags, char **argv, int argc, int *at)
{
	const char *name = argv[*at] + (argv[*at][1] == '-' ? 2 : 1);
	size_t size = 0;
	while (name[size] && name[size] != '=')
		size++;
	const struct flag *flag = find_flag(flags, name, size);
	const char *value = name[size] == '=' ? name + size + 1 : NULL;
	if (!flag)
		return false;
	++*at;
	if (flag->is_set)
		return parse_switch(value, flag->is_set);
	if (!value) {
		if (*at >= argc)
			return false;
		value = argv[(*at)++];
	}
	*flag->value = value;
	return true;
}

/* Flags and positional arguments; with `stops` the first positional ends the flags. Returns where it stopped, -1 for Python. */
static int take_words(const struct flag *flags, struct front *front, int at, const char **words, int *count)
{
	bool stops = !words, flags_ended = false;
	int room = *count;
	*count = 0;
	while (at < front->argc) {
		const char *word = front->argv[at];
		if (!flags_ended && strcmp(word, "--") == 0) {
			flags_ended = true;
			at++;
			continue;
		}
		if (!flags_ended && word[0] == '-' && word[1]) {
			if (!take_flag(flags, front->argv, front->argc, &at))
				return -1;
			continue;
		}
		if (stops)
			return at;
		if (*count == room)
			return -1;
		words[(*count)++] = word;
		if (room > 1) /* kill: a signal may look like a flag */
			flags_ended = true;
		at++;
	}
	return at;
}

static bool in_initial_user_namespace(void)
{
	char map[128];
	long size = read_small_file(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map));
	if (size <= 0)
		return true;
	/* one line of 0 0 4294967295 */
	static const char *const numbers[] = {"0", "0", "4294967295"};
	const char *at = map;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		while (*at == ' ')
			at++;
		size_t length = strlen(numbers[i]);
		if (strncmp(at, numbers[i], length) != 0)
			return false;
		at += length;
	}
	return at[0] == '\n' && at[1] == '\0';
}

static bool set_root(struct front *front)
{
	const char *directory = environment(front->envp, "XDG_RUNTIME_DIR");
	if (front->root)
		return *front->root != '\0';
	front->root = DEFAULT_ROOT;
	if (!directory || !*directory)
		return true;
	const char *user = environment(front->envp, "USER");
	if (SYS(geteuid) == 0 && ((user && strcmp(user, "root") == 0) || in_initial_user_namespace()))
		return true;
	struct text path = text_in(front->root_buffer, sizeof(front->root_buffer));
	text_add(&path, directory);
	text_add(&path, "/postern");
	front->root = front->root_buffer;
	return !path.cut;
}

/* The values of the global flags, as far as they concern the verbs here. */
static bool set_report(const char *log, const char *format, const char *level)
{
	if (log && (strncmp(log, "journald:", 9) == 0 || strncmp(log, "syslog:", 7) == 0))
		return false;
	if (log && strncmp(log, "file:", 5) == 0)
		log += 5;
	report_to.log_path = log && *log ? log : NULL;
	report_to.json = format && strcmp(format, "json") == 0;
	if (format && !report_to.json && *format && strcmp(format, "text") != 0)
		return false;
	if (level && strcmp(level, "debug") == 0)
		report_to.debug = true;
	static const char *const levels[] = {"", "debug", "info", "warn", "warning", NULL};
	return !level || is_one_of(level, levels);
}

static bool parse_globals(struct front *front, int *at)
{
	const char *log = NULL, *format = NULL, *level = NULL, *rootless = NULL, *manager = NULL;
	const char *policy = NULL; /* what containers are made under */
	bool systemd = false;
	const struct flag flags[] = {
		{"root", NULL, &front->root, NULL},
		{"log", NULL, &log, NULL},
		{"log-format", NULL, &format, NULL},
		{"log-level", NULL, &level, NULL},
		{"rootless", NULL, &rootless, NULL},
		{"cgroup-manager", NULL, &manager, NULL},
		{"policy", NULL, &policy, NULL},
		{"policy-dir", NULL, &front->policy_dir, NULL},
		{"debug", NULL, NULL, &report_to.debug},
		{"systemd-cgroup", NULL, NULL, &systemd},
		{0},
	};
	int none = 0;
	*at = take_words(flags, front, 1, NULL, &none);
	if (*at < 0 || *at >= front->argc)
		return false;
	front->verb = front->argv[*at];
	/* who makes cgroups, and whether as root, concerns create; but a wrong word is wrong everywhere */
	static const char *const managers[] = {"cgroupfs", "systemd", "disabled", NULL};
	static const char *const words[] = {"", "auto", NULL};
	bool unused;
	if ((manager && !is_one_of(manager, managers)) || (rootless && !is_one_of(rootless, words) && !parse_switch(rootless, &unused)))
		return false;
	return set_report(log, format, level) && set_root(front);
}

static bool parse_verb(struct front *front, int at)
{
	static const struct flag state_flags[] = {{0}};
	const struct flag start_flags[] = {{"planned", NULL, NULL, &front->planned}, {0}};
	const struct flag kill_flags[] = {{"all", "a", NULL, &front->all}, start_flags[0], {0}};
	const struct flag delete_flags[] = {{"force", "f", NULL, &front->force}, start_flags[0], {0}};
	const struct flag broker_flags[] = {
		{"foreground", NULL, NULL, &front->foreground},
		{"adopt", NULL, NULL, &front->adopt},
		{"idle", NULL, &front->idle, NULL},
		{"python", NULL, &front->python, NULL},
		{"entry", NULL, &front->entry, NULL},
		{0},
	};
	const char *words[2] = {NULL, NULL};
	int count = 1;
	if (strcmp(front->verb, "broker") == 0)
		return take_words(broker_flags, front, at + 1, words, &count) >= 0 && count == 0;
	const struct flag *flags = state_flags;
	if (strcmp(front->verb, "kill") == 0) {
		flags = kill_flags;
		count = 2;
	} else if (strcmp(front->verb, "delete") == 0) {
		flags = delete_flags;
	} else if (strcmp(front->verb, "start") == 0) {
		flags = start_flags;
	} else if (strcmp(front->verb, "state") != 0) {
		return false;
	}
	if (take_words(flags, front, at + 1, words, &count) < 0 || count == 0)
		return false;
	front->id = words[0];
	front->signal = words[1];
	return true;
}

void front_parse(struct front *front, int argc, char **argv, char **envp)
{
	int at;
	front->argc = argc;
	front->argv = argv;
	front->envp = envp;
	front->understood = parse_globals(front, &at) && parse_verb(front, at);
}
