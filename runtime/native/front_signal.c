/* Names of signals: with or without SIG, any case, aliases, real-time ones by distance; or a number, as it is. */
#include "front.h"

#include <linux/signal.h>

#define FIRST_REALTIME 34 /* 32 and 33 are the C library's own, in every C library */
#define LAST_REALTIME 64

static const struct {
	const char *name;
	int number;
} names[] = {
	{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD}, {"CLD", SIGCHLD},     {"CONT", SIGCONT},
	{"FPE", SIGFPE},   {"HUP", SIGHUP},   {"ILL", SIGILL},       {"INT", SIGINT},   {"IO", SIGIO},        {"IOT", SIGIOT},
	{"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGIO},       {"PROF", SIGPROF}, {"PWR", SIGPWR},      {"QUIT", SIGQUIT},
	{"SEGV", SIGSEGV}, {"STKFLT", 16},    {"STOP", SIGSTOP},     {"SYS", SIGSYS},   {"TERM", SIGTERM},    {"TRAP", SIGTRAP},
	{"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"USR1", SIGUSR1},    {"USR2", SIGUSR2},
	{"WINCH", 28},     {"XCPU", SIGXCPU}, {"VTALRM", SIGVTALRM}, {"XFSZ", SIGXFSZ}, {"RTMIN", FIRST_REALTIME}, {"RTMAX", LAST_REALTIME},
};

/* `text` without case begins with `name`: what follows, or NULL. */
static const char *after_name(const char *text, const char *name)
{
	for (; *name; text++, name++) {
		char upper = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;
		if (upper != *name)
			return NULL;
	}
	return text;
}

static int parse_distance(const char *text, int from, int direction)
{
	uint64_t distance;
	if (!parse_number(text, strlen(text), &distance) || distance > LAST_REALTIME - FIRST_REALTIME)
		return -1;
	return from + direction * (int)distance;
}

int parse_signal(const char *text)
{
	uint64_t number;
	if (parse_number(text, strlen(text), &number) && number <= INT32_MAX)
		return (int)number;
	const char *bare = after_name(text, "SIG");
	const char *rest = after_name(bare ? bare : text, "RTMIN+");
	if (rest)
		return parse_distance(rest, FIRST_REALTIME, 1);
	rest = after_name(bare ? bare : text, "RTMAX-");
	if (rest)
		return parse_distance(rest, LAST_REALTIME, -1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		rest = after_name(bare ? bare : text, names[i].name);
		if (rest && !*rest)
			return names[i].number;
	}
	return -1;
}
