/* The planner's own interpreter: CPython linked in, every hot module frozen, nothing searched for and nothing else set up.
 *
 * Called by the front for create, run and exec:  planner PYTHON ENTRY EXE_FD ARGUMENT...
 * Only the interpreter's core is initialised (PEP 587, "multi-phase initialization"): no sys.path but our own, no stdio, no codecs
 * registry, no site.  That halves the cost of a start.  Whatever goes wrong in here, from a missing module to a bad config, is nobody's
 * to explain in here: the same command line is given to the stock interpreter (PYTHON -I -S -B ENTRY EXE_FD ARGUMENT...), which
 * has everything that good error texts need.  That is sound since planning changes nothing: the only thing with an effect is the
 * execve of the executor, after which this program no longer exists.
 *
 * Built only where the interpreter comes as a static library (Debian's libpythonX.Y-dev); the front does without it otherwise. */
#include <Python.h>
#include <marshal.h>

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* modules that are linked together */
struct link_group {
	const char *name;
	const int *order; /* indexes of frozen_modules, closed by -1 */
	const unsigned char *codes;
	size_t size;
	bool linked;
};

/* frozen_modules (struct _frozen[]), link_groups (closed by one without a name), and frozen_sites (const char *[], relative ones are
 * relative to ENTRY's directory) */
#include "frozen.h"

extern char **environ;

static void leave_to_stock(int argc, char **argv, int cwd)
{
	char *arguments[argc + 3];
	int count = 0;
	if (cwd < 0 || fchdir(cwd) != 0)
		_exit(1);
	arguments[count++] = argv[1];
	arguments[count++] = "-I";
	arguments[count++] = "-S";
	arguments[count++] = "-B";
	for (int i = 2; i < argc; i++)
		arguments[count++] = argv[i];
	arguments[count] = NULL;
	execve(argv[1], arguments, environ);
	_exit(1);
}

/* sys.path, for the one extension module that is loaded by its path (pydantic-core's) */
static int set_path(const char *entry)
{
	const char *slash = strrchr(entry, '/');
	int directory_size = slash ? (int)(slash - entry) : 0;
	PyObject *path = PyList_New(0);
	for (size_t i = 0; path && frozen_sites[i]; i++) {
		const char *site = frozen_sites[i];
		char absolute[PATH_MAX];
		int size = site[0] == '/' ? snprintf(absolute, sizeof(absolute), "%s", site)
					  : snprintf(absolute, sizeof(absolute), "%.*s/%s", directory_size, entry, site);
		PyObject *text = size < (int)sizeof(absolute) ? PyUnicode_DecodeFSDefault(absolute) : NULL;
		if (!text || PyList_Append(path, text) != 0)
			Py_CLEAR(path);
		Py_XDECREF(text);
	}
	int result = path ? PySys_SetObject("path", path) : -1;
	Py_XDECREF(path);
	return result;
}

/* The one question to the kernel that a plan may depend on and Python has no door to: see runtime/host/landlock.py. */
static PyObject *landlock_abi(PyObject *self, PyObject *nothing)
{
	(void)self;
	(void)nothing;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* LANDLOCK_CREATE_RULESET_VERSION */);
	return PyLong_FromLong(abi < 0 ? 0 : abi);
}

static int initialize(int argc, char **argv)
{
	PyPreConfig before;
	PyPreConfig_InitIsolatedConfig(&before);
	before.utf8_mode = 1;
	PyStatus status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return -1;
	PyConfig config;
	PyConfig_InitIsolatedConfig(&config);
	config._init_main = 0;
	config.site_import = 0;
	config.write_bytecode = 0;
	config.install_signal_handlers = 0;
	config.parse_argv = 0;
	config.pathconfig_warnings = 0;
	config.module_search_paths_set = 1;
	/* everything that getpath would otherwise look for in the file system */
	static const wchar_t nowhere[] = L"/";
	wchar_t **const places[] = {&config.program_name, &config.executable, &config.base_executable, &config.prefix,
				    &config.base_prefix, &config.exec_prefix, &config.base_exec_prefix, &config.stdlib_dir};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (PyStatus_Exception(PyConfig_SetString(&config, places[i], nowhere)))
			return -1;
	if (PyStatus_Exception(PyConfig_SetBytesArgv(&config, argc, argv)))
		return -1;
	PyImport_FrozenModules = frozen_modules;
	status = Py_InitializeFromConfig(&config);
	return PyStatus_Exception(status) ? -1 : 0;
}

/* At its start the interpreter interns the names of every module that is frozen into it; here one of them ever runs, and the rest is a
 * third of the whole start.  (Linked with --wrap.  All of it is weak: where an interpreter has other functions nothing is changed, and
 * CPython 3.13 neither has nor calls any of them.) */
__attribute__((weak)) int __real__Py_Deepfreeze_Init(void);
int __wrap__Py_Deepfreeze_Init(void);
__attribute__((weak)) int _PyStaticCode_InternStrings(PyCodeObject *code);
__attribute__((weak)) PyObject *_Py_get_importlib__bootstrap_toplevel(void);

int __wrap__Py_Deepfreeze_Init(void)
{
	if (!_PyStaticCode_InternStrings || !_Py_get_importlib__bootstrap_toplevel)
		return __real__Py_Deepfreeze_Init();
	return _PyStaticCode_InternStrings((PyCodeObject *)_Py_get_importlib__bootstrap_toplevel());
}

/* Execute one frozen module after those that it imports, without the import system's locks, specs and searches (40 us each). */
static int link_module(const struct _frozen *frozen, PyObject *code)
{
	PyObject *modules = PyImport_GetModuleDict(), *name = PyUnicode_FromString(frozen->name), *package = NULL, *path = NULL;
	PyObject *module = name ? PyModule_NewObject(name) : NULL;
	PyObject *names = module ? PyModule_GetDict(module) : NULL, *result = NULL;
	const char *dot = strrchr(frozen->name, '.');
	if (names) {
		bool top = frozen->is_package || !dot;
		package = top ? Py_NewRef(name) : PyUnicode_FromStringAndSize(frozen->name, dot - frozen->name);
		path = PyList_New(0);
		if (package && path && PyDict_SetItemString(names, "__package__", package) == 0 &&
		    PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0 &&
		    (!frozen->is_package || PyDict_SetItemString(names, "__path__", path) == 0) && PyDict_SetItem(modules, name, module) == 0)
			result = PyEval_EvalCode(code, names, names);
	}
	if (result && dot) {
		char parent_name[256];
		snprintf(parent_name, sizeof(parent_name), "%.*s", (int)(dot - frozen->name), frozen->name);
		PyObject *parent = PyDict_GetItemString(modules, parent_name);
		if (!parent || PyObject_SetAttrString(parent, dot + 1, module) != 0)
			Py_CLEAR(result);
	}
	int ret = result ? 0 : -1;
	Py_XDECREF(name);
	Py_XDECREF(package);
	Py_XDECREF(path);
	Py_XDECREF(module);
	Py_XDECREF(result);
	return ret;
}

/* Link a group; what an ordinary import has brought already stays as it is. */
static int link_group(struct link_group *group)
{
	if (group->linked)
		return 0;
	group->linked = true;
	PyObject *codes = PyMarshal_ReadObjectFromString((const char *)group->codes, (Py_ssize_t)group->size);
	PyObject *modules = PyImport_GetModuleDict();
	if (!codes)
		return -1;
	for (Py_ssize_t i = 0; group->order[i] >= 0; i++) {
		const struct _frozen *frozen = &frozen_modules[group->order[i]];
		if (!PyDict_GetItemString(modules, frozen->name) && link_module(frozen, PyTuple_GET_ITEM(codes, i)) != 0)
			return -1;
	}
	Py_DECREF(codes);
	return 0;
}

static struct link_group *find_group(const char *name)
{
	for (struct link_group *group = link_groups; group->name; group++)
		if (!strcmp(group->name, name))
			return group;
	return NULL;
}

/* What the verb needs; a word that only looks like the verb costs time, nothing else. */
static int link_modules(int argc, char **argv)
{
	for (int i = 4; i < argc; i++)
		if (!strcmp(argv[i], "exec"))
			return link_group(find_group("exec"));
	return link_group(find_group("create"));
}

/* sys.postern_link(NAME): what Python finds out that it needs besides (runtime/commands/gating.py) */
static PyObject *link_more(PyObject *self, PyObject *name)
{
	(void)self;
	const char *text = PyUnicode_AsUTF8(name);
	struct link_group *group = text ? find_group(text) : NULL;
	if (text && !group)
		PyErr_Format(PyExc_KeyError, "no group of modules is called %s", text);
	if (!group || (link_group(group) != 0 && PyErr_Occurred()))
		return NULL;
	Py_RETURN_NONE;
}

static int offer(PyMethodDef *definition)
{
	char name[64];
	snprintf(name, sizeof(name), "postern_%s", definition->ml_name);
	PyObject *function = PyCFunction_New(definition, NULL);
	int result = function ? PySys_SetObject(name, function) : -1;
	Py_XDECREF(function);
	return result;
}

static int offer_functions(void)
{
	static PyMethodDef abi = {"landlock_abi", landlock_abi, METH_NOARGS, NULL}, more = {"link", link_more, METH_O, NULL};
	return offer(&abi) != 0 || offer(&more) != 0 ? -1 : 0;
}

/* Memory for the interpreter: one huge page where the kernel has one to give, which costs one fault and one page to clear and to free
 * again instead of some hundred of each.  It serves the arenas of a whole plan; what comes after it is ordinary memory. */
#define HUGE_PAGE (2ul << 20)

static void *new_arena(void *context, size_t size)
{
	static char *next, *end;
	(void)context;
	if (!next) {
		char *memory = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory != MAP_FAILED) {
			next = (char *)(((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
			end = next + HUGE_PAGE;
			(void)madvise(next, HUGE_PAGE, MADV_HUGEPAGE); /* refused: ordinary pages */
		}
	}
	if (next && size <= (size_t)(end - next)) {
		next += size;
		return next - size;
	}
	void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return arena == MAP_FAILED ? NULL : arena;
}

static void free_arena(void *context, void *arena, size_t size)
{
	(void)context;
	(void)munmap(arena, size);
}

/* Nearly all of the interpreter's own data is written while it starts: its pages are made at once. */
static void take_data(void)
{
	extern char __data_start, _end;
	uintptr_t begin = (uintptr_t)&__data_start & ~4095ul;
	(void)madvise((void *)begin, (((uintptr_t)&_end + 4095) & ~4095ul) - begin, MADV_POPULATE_WRITE); /* before Linux 5.14: one by one */
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 1;
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	take_data();
	PyObjectArenaAllocator arenas = {NULL, new_arena, free_arena};
	PyObject_SetArenaAllocator(&arenas);
	if (initialize(argc - 4, argv + 4) != 0 || set_path(argv[2]) != 0 || offer_functions() != 0)
		leave_to_stock(argc, argv, cwd);
	PyGC_Disable(); /* what one plan allocates is never garbage */
	if (link_modules(argc, argv) != 0)
		leave_to_stock(argc, argv, cwd);
	PyObject *arguments = PyList_New(0);
	for (int i = 4; arguments && i < argc; i++) {
		PyObject *text = PyUnicode_DecodeUTF8(argv[i], (Py_ssize_t)strlen(argv[i]), "surrogateescape");
		if (!text || PyList_Append(arguments, text) != 0)
			Py_CLEAR(arguments);
		Py_XDECREF(text);
	}
	PyObject *module = arguments ? PyImport_ImportModule("runtime.cli.hot") : NULL;
	if (module)
		Py_XDECREF(PyObject_CallMethod(module, "launch", "iO", atoi(argv[3]), arguments));
	leave_to_stock(argc, argv, cwd);
}
