/* Limits and programs of a cgroup hold whoever cannot leave it.  What a config mounts is judged here by what it is and not by its path:
 * symlinks, other mount points and trees that were bound with all that is in them look like anything else until they are there. */
#include "executor_int.h"

#define KEPT 8 /* of a field: as much as tells */
#define OWN 2  /* CGROUP_VIEW_any: the container's own part is among them */

/* A line of mountinfo (proc_pid_mountinfo(5)), one character after the other: fields 3 (root), 5 (options), and the type after "-". */
struct line {
	char root[KEPT], options[KEPT], type[KEPT], word[KEPT];
	size_t length, field, type_at;
};

static void end_field(struct line *line)
{
	char *to = NULL;
	if (line->field == 3)
		to = line->root;
	else if (line->field == 5)
		to = line->options;
	else if (line->type_at && line->field == line->type_at)
		to = line->type;
	else if (line->field > 5 && !line->type_at && line->length == 1 && line->word[0] == '-')
		line->type_at = line->field + 1;
	if (to)
		memcpy(to, line->word, KEPT);
	memset(line->word, 0, KEPT);
	line->length = 0;
	line->field++;
}

static void add_character(struct line *line, char character)
{
	if (line->length < KEPT - 1)
		line->word[line->length] = character;
	line->length++;
}

/* Roots are told from the reader's own cgroup namespace: what begins with /.. lies outside of it. */
static bool leads_out(const struct line *line, const struct plan_op *op)
{
	bool writable = !strncmp(line->options, "rw", 2) && (line->options[2] == ',' || !line->options[2]);
	bool outside = !strncmp(line->root, "/..", 3) && (line->root[3] == '/' || !line->root[3]);
	return !strncmp(line->type, "cgroup2", KEPT) && (writable || op->CGROUP_VIEW_read_only) && (outside || op->CGROUP_VIEW_any);
}

static const char *why(const struct plan_op *op)
{
	if (op->CGROUP_VIEW_read_only)
		return "the config mounts the host's cgroups, and CAP_SYS_ADMIN can make them writable";
	if (op->CGROUP_VIEW_any == OWN)
		return "the config mounts its cgroup writable, and the hierarchy is mounted without nsdelegate";
	return "the config mounts the host's cgroups writable";
}

int op_cgroup_view(struct run *run, const struct plan_op *op)
{
	char chunk[1024];
	struct line line = {.length = 0};
	SCOPED_FD(fd) = procfs_open(run->slot[op->CGROUP_VIEW_proc], "self/mountinfo", O_RDONLY);
	long got = fd;
	bool found = false;
	while (got >= 0 && (got = SYS(read, fd, chunk, sizeof(chunk))) > 0) {
		for (long i = 0; i < got; i++) {
			if (chunk[i] != ' ' && chunk[i] != '\n') {
				add_character(&line, chunk[i]);
				continue;
			}
			end_field(&line);
			if (chunk[i] == '\n') {
				found = found || leads_out(&line, op);
				line = (struct line){.length = 0};
			}
		}
	}
	if (got < 0 || !found)
		return (int)got;
	text_add(start_reason(run), why(op));
	return fail_with(run, DETAIL_REASON, EPERM);
}
