/* state.json: read, taken apart, and compared with what the kernel says. */
#include "state_file.h"

#include "json_scan.h"
#include "small_file.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/openat2.h>

bool id_is_valid(const char *id)
{
	size_t size = 0;
	for (; id[size]; size++) {
		char byte = id[size];
		bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
		if (size == ID_MAX - 1 || (!letter && byte != '_' && byte != '+' && byte != '.' && byte != '-'))
			return false;
	}
	return size > 0 && strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

int state_open_dir(const char *root, const char *id)
{
	char buffer[PATH_MAX];
	struct text path = text_in(buffer, sizeof(buffer));
	text_add(&path, root);
	text_add(&path, "/");
	text_add(&path, id);
	if (!id_is_valid(id))
		return -EINVAL;
	if (path.cut)
		return -ENAMETOOLONG;
	/* O_NOFOLLOW is about the last component, the ID; the root is the administrator's own path */
	return (int)SYS(openat, AT_FDCWD, buffer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* `"name": ` at the beginning of a line. */
static const char *after_key(const char *at, const char *end, const char *name)
{
	size_t size = strlen(name);
	if ((size_t)(end - at) < size + 4 || *at != '"' || memcmp(at + 1, name, size) != 0 || memcmp(at + 1 + size, "\": ", 3) != 0)
		return NULL;
	return at + size + 4;
}

static const char *take_string(const char *at, const char *end, struct raw *value)
{
	return scan_string(at, end, &value->data, &value->size);
}

static const char *take_map(const char *at, const char *end, struct raw *value)
{
	const char *after = scan_string_map(at, end);
	*value = (struct raw){at, after ? (size_t)(after - at) : 0};
	return after;
}

static const char *take_number(const char *at, const char *end, uint64_t most, uint64_t *value)
{
	const char *after = at;
	while (after < end && *after >= '0' && *after <= '9')
		after++;
	if (!parse_number(at, (size_t)(after - at), value) || *value > most || (*at == '0' && after - at > 1))
		return NULL;
	return after;
}

static const char *take_bool(const char *at, const char *end, bool *value)
{
	size_t left = (size_t)(end - at);
	*value = left >= 4 && memcmp(at, "true", 4) == 0;
	if (*value)
		return at + 4;
	return left >= 5 && memcmp(at, "false", 5) == 0 ? at + 5 : NULL;
}

static const char *take_word(const char *at, const char *end, const char *word)
{
	size_t size = strlen(word);
	return (size_t)(end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
}

/* Accepts exactly the form that state_file.h shows. */
static bool take_apart(struct container_state *state, const char *at, const char *end)
{
	uint64_t version = 0, pid = 0;
	struct raw phase = {0};
#define KEY(name, take)                                                                                                         \
	do {                                                                                                                    \
		at = after_key(at, end, name);                                                                                  \
		at = at ? (take) : NULL;                                                                                        \
		at = at ? take_word(at, end, ",\n") : NULL;                                                                     \
		if (!at)                                                                                                        \
			return false;                                                                                           \
	} while (0)
	at = take_word(at, end, "{\n");
	if (!at)
		return false;
	KEY("posternState", take_number(at, end, 1, &version));
	KEY("ociVersion", take_string(at, end, &state->oci_version));
	KEY("id", take_string(at, end, &state->id));
	KEY("phase", take_string(at, end, &phase));
	KEY("pid", take_number(at, end, INT32_MAX, &pid));
	KEY("startTime", take_number(at, end, UINT64_MAX, &state->start_time));
	KEY("bundle", take_string(at, end, &state->bundle));
	KEY("rootfs", take_string(at, end, &state->rootfs));
	KEY("created", take_string(at, end, &state->created));
	KEY("owner", take_string(at, end, &state->owner));
	KEY("annotations", take_map(at, end, &state->annotations));
	KEY("cgroupMount", take_string(at, end, &state->cgroup_mount));
	KEY("cgroupPath", take_string(at, end, &state->cgroup_path));
	KEY("cgroupManager", take_string(at, end, &state->cgroup_manager));
	KEY("ownPidNamespace", take_bool(at, end, &state->own_pid_namespace));
	KEY("terminal", take_bool(at, end, &state->terminal));
	KEY("hooks", take_bool(at, end, &state->hooks));
	KEY("needsPython", take_bool(at, end, &state->needs_python));
#undef KEY
	at = after_key(at, end, "rootless");
	at = at ? take_bool(at, end, &state->rootless) : NULL;
	at = at ? take_word(at, end, "\n}") : NULL;
	if (!at || (end - at != 0 && (end - at != 1 || *at != '\n')))
		return false;
	state->creating = raw_equals(phase, "creating");
	state->pid = (int)pid;
	return version == 1 && pid > 0 && (state->creating || raw_equals(phase, "created"));
}

bool raw_equals(struct raw value, const char *text)
{
	return strlen(text) == value.size && memcmp(value.data, text, value.size) == 0;
}

bool raw_path(struct raw value, char *path, size_t size)
{
	if (value.size >= size)
		return false;
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] == '\\')
			return false;
	memcpy(path, value.data, value.size);
	path[value.size] = '\0';
	return true;
}

int state_parse(struct container_state *state, size_t size)
{
	return take_apart(state, state->buffer, state->buffer + size) ? 0 : -EBADMSG;
}

int state_read(int dir_fd, struct container_state *state)
{
	long size = read_small_file(dir_fd, "state.json", state->buffer, sizeof(state->buffer));
	if (size == -EFBIG || size == -ELOOP)
		return -EBADMSG;
	return size < 0 ? (int)size : state_parse(state, (size_t)size);
}

uint64_t process_start_time(int pid)
{
	char path[32], stat[1024];
	struct text name = text_in(path, sizeof(path));
	text_add(&name, "/proc/");
	text_add_number(&name, pid);
	text_add(&name, "/stat");
	long size = read_small_file(AT_FDCWD, path, stat, sizeof(stat));
	if (size <= 0)
		return 0;
	/* the command may contain anything, a ')' too: fields are counted from the last one */
	long at = size - 1;
	while (at > 0 && stat[at] != ')')
		at--;
	if (at + 2 >= size || stat[at + 2] == 'Z' || stat[at + 2] == 'X' || stat[at + 2] == 'x')
		return 0;
	for (int field = 2; field < 22; field++) {
		while (at < size && stat[at] != ' ')
			at++;
		at++;
	}
	long after = at;
	while (after < size && stat[after] >= '0' && stat[after] <= '9')
		after++;
	uint64_t start_time = 0;
	return at < size && parse_number(stat + at, (size_t)(after - at), &start_time) ? start_time : 0;
}

static bool is_frozen(const struct container_state *state)
{
	char path[PATH_MAX];
	struct text file = text_in(path, sizeof(path));
	text_add_bytes(&file, state->cgroup_mount.data, state->cgroup_mount.size);
	text_add(&file, "/");
	text_add_bytes(&file, state->cgroup_path.data, state->cgroup_path.size);
	text_add(&file, "/cgroup.freeze");
	if (state->cgroup_path.size == 0 || file.cut)
		return false;
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	SCOPED_FD(fd) = (int)SYS(openat2, AT_FDCWD, path, &how, sizeof(how));
	char word = '0';
	return fd >= 0 && SYS(read, fd, &word, 1) == 1 && word == '1';
}

enum status state_status(int dir_fd, const struct container_state *state)
{
	uint64_t start_time = process_start_time(state->pid);
	if (start_time == 0 || start_time != state->start_time)
		return STATUS_STOPPED;
	if (state->creating)
		return STATUS_CREATING;
	if (is_frozen(state))
		return STATUS_PAUSED;
	return SYS(faccessat, dir_fd, "exec.fifo", 0 /* F_OK */) == 0 ? STATUS_CREATED : STATUS_RUNNING;
}

const char *status_word(enum status status)
{
	static const char *const words[] = {"creating", "created", "running", "paused", "stopped"};
	return words[status];
}
