"""The built-in policies let ordinary programs live: small ones of every kind under each, and a real job of its kind for each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.programs import ProgramRoot, tree_or_skip
from integration.security.attack_rows import BUILT_IN

pytestmark = only("postern", reason="policies are postern's")

PROGRAMS = {
    "glibc": (("/opt/samples/glibc-dynamic",), "sum 42"),
    "glibc static": (("/opt/samples/glibc-static",), "sum 42"),
    "musl": (("/opt/samples/musl-dynamic",), "sum 42"),
    "musl static": (("/opt/samples/musl-static",), "sum 42"),
    "Go": (("/usr/bin/gron", "/opt/samples/sample.json"), "json.sum = 42;"),
    "Python": (("/usr/bin/python3", "/opt/samples/sample.py"), "sum 42"),
    "Node": (("/usr/bin/node", "/opt/samples/sample.js"), "sum 42"),
    "shell": (
        ("/bin/bash", "-c", "for i in 20 22; do echo $i; done | awk '{s += $1} END {print \"sum\", s}'"),
        "sum 42",
    ),
}
MANY_FILES = 'for i in $(seq 12); do echo "int part_$i(void) { return $i; }" >part_$i.c; done'
MAKEFILE = """\
OBJECTS := $(patsubst %.c,%.o,$(wildcard part_*.c))
program: main.o $(OBJECTS)
\tgcc -o $@ $^
%.o: %.c
\tgcc -O2 -c -o $@ $<
check: program
\t./program
"""
NGINX = """\
worker_processes 2;
error_log stderr;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    server {
        listen 8080;
        root /srv/www;
    }
}
daemon off;
"""
BATCH = """\
import collections, csv, gzip, json, multiprocessing, pathlib, sqlite3

def count(path):
    with gzip.open(path, "rt") as file:
        return collections.Counter(row["kind"] for row in csv.DictReader(file))

if __name__ == "__main__":
    work = pathlib.Path("/workspace")
    for part in range(4):
        with gzip.open(work / f"part{part}.csv.gz", "wt") as file:
            file.write("kind,value\\n" + "".join(f"k{n % 7},{n}\\n" for n in range(2000)))
    with multiprocessing.Pool(2) as pool:
        total = sum(pool.map(count, sorted(work.glob("*.gz"))), collections.Counter())
    with sqlite3.connect(work / "result.db") as database:
        database.execute("create table result (kind text primary key, number integer)")
        database.executemany("insert into result values (?, ?)", sorted(total.items()))
    print(json.dumps({"rows": sum(total.values()), "kinds": len(total)}))
"""
SESSION = """\
set -e
cd /workspace
export HOME=/workspace
git init -q repository
cd repository
git config user.email agent@example.invalid
git config user.name Agent
printf 'def add(a, b):\\n    return a + b\\n' >sums.py
printf 'import sums\\nassert sums.add(40, 2) == 42\\nprint("tests pass")\\n' >test_sums.py
python3 -B test_sums.py
git add .
git commit -q -m 'Add'
sed -i 's/a + b/b + a/' sums.py
git diff --stat | cat
grep -rn 'def add' . --include='*.py'
git stash -q && git stash pop -q
find . -name '*.py' | sort | xargs wc -l | tail -1
if touch /etc/mine 2>/dev/null; then echo writes elsewhere; exit 1; fi
if python3 -c 'import socket; socket.socket(socket.AF_INET)' 2>/dev/null; then echo has a network; exit 1; fi
echo session ends
"""


@pytest.fixture(scope="session")
def lower() -> Path:
    """The tree with the programs."""
    return tree_or_skip()


@pytest.fixture
def root(container: Container, lower: Path) -> Iterator[ProgramRoot]:
    """The container's root file system, with every program in it."""
    with ProgramRoot(container, lower) as mounted:
        yield mounted


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("policy", BUILT_IN)
def test_program_lives(container: Container, root: ProgramRoot, policy: str, program: str) -> None:
    """Small programs of each kind do their work under each policy."""
    args, said = PROGRAMS[program]
    container.bundle.args(*args)
    result = container.run("--policy", policy).ok()
    assert said in result.out, result
    assert root.path.is_dir()


def test_c_build(container: Container, root: ProgramRoot) -> None:
    """ci-runner: make builds a program of several files in parallel, and runs its test."""
    root.write("workspace/Makefile", MAKEFILE)
    root.write(
        "workspace/main.c",
        '#include <stdio.h>\nint part_7(void);\nint main(void) { printf("part %d\\n", part_7()); return 0; }\n',
    )
    container.bundle.args(
        "/bin/bash", "-ec", f"cd /workspace; {MANY_FILES}; make -j2 check && git init -q . && git add ."
    )
    assert "part 7" in container.run("--policy", "ci-runner", timeout=120).ok().out


def test_web_server(container: Container, root: ProgramRoot) -> None:
    """web-server: nginx serves its pages to a client within the container, and to one beside it that is under no policy."""
    page = "served under a policy\n" * 200
    root.write("srv/www/index.html", page)
    root.write("etc/nginx/nginx.conf", NGINX)
    container.bundle.caps("CAP_SETUID", "CAP_SETGID", "CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_DAC_OVERRIDE")
    container.bundle.args("/usr/sbin/nginx")
    container.up("--policy", "web-server")
    client = f"import sys, urllib.request; sys.exit(urllib.request.urlopen('http://127.0.0.1:8080/', timeout=5).read() != {page.encode()!r})"
    beside = ["nsenter", "--net", f"--target={container.pid}", sys.executable, "-c", client]
    deadline = time.monotonic() + 10
    while subprocess.run(beside, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, container.error_output()
        time.sleep(0.1)
    done = container.exec("/usr/bin/ab", "-q", "-n", "200", "-c", "4", "http://127.0.0.1:8080/", timeout=30).ok()
    assert "Failed requests:        0" in done.out, done
    assert "Complete requests:      200" in done.out


def test_batch_job(container: Container, root: ProgramRoot) -> None:
    """batch-job: a Python job reads compressed tables with several processes and writes a database."""
    root.write("workspace/job.py", BATCH)
    container.bundle.args("/usr/bin/python3", "-B", "/workspace/job.py")
    assert container.run("--policy", "batch-job", timeout=60).json() == {"rows": 8000, "kinds": 7}


def test_agent_session(container: Container, root: ProgramRoot) -> None:
    """agent: an editing session with git and python in the workspace, which reaches no network and nothing else."""
    root.write("workspace/session", SESSION)
    container.bundle.args("/bin/bash", "/workspace/session")
    result = container.run("--policy", "agent", timeout=60).ok()
    assert "tests pass" in result.out
    assert result.out.endswith("session ends\n"), result
    assert not os.path.lexists(root.path / "etc/mine")


def test_hostile_tenant(container: Container, root: ProgramRoot) -> None:
    """hostile-tenant: a program of somebody unknown computes, forks and writes to /tmp."""
    root.write("opt/tenant.py", BATCH.replace("/workspace", "/tmp"))
    container.bundle.args("/usr/bin/python3", "-B", "/opt/tenant.py")
    assert container.run("--policy", "hostile-tenant", timeout=60).json() == {"rows": 8000, "kinds": 7}


def test_development(container: Container, root: ProgramRoot) -> None:
    """development: a build, its debugger's way of looking into a process, a server on a port and its client."""
    server = (
        "python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1 & "
        'node -e \'const go = (n) => fetch("http://127.0.0.1:8000/").then((r) => console.log("status", r.status),'
        " (e) => (n ? setTimeout(go, 200, n - 1) : process.exit(1))); go(40)'"
    )
    root.write("workspace/Makefile", MAKEFILE)
    root.write("workspace/main.c", "int part_7(void);\nint main(void) { return part_7() != 7; }\n")
    container.bundle.args("/bin/bash", "-ec", f"cd /workspace; {MANY_FILES}; make -j2 check; {server}; kill %1")
    assert "status 200" in container.run("--policy", "development", timeout=120).ok().out
