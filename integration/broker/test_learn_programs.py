"""Servers and programs of Debian run unchanged under the policies that were learned from them, with few system calls left."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.framework.broker import Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only
from integration.framework.programs import PATH, ProgramRoot, tree_or_skip

pytestmark = [only("postern", reason="policies are postern's"), pytest.mark.slow]

MOST_CALLS = 60
WEB = """
import http.server, json, sqlite3
base = sqlite3.connect('/var/www.db')
base.execute('create table if not exists hits (path text)')
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with base: base.execute('insert into hits values (?)', (self.path,))
        body = json.dumps(list(base.execute('select count(*) from hits'))).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *words): pass
http.server.HTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
"""


def in_network(container: Container, lower: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the tree in the container's network namespace, and outside of everything else of it."""
    pid = str(container.state()["pid"])
    command = ["nsenter", "-t", pid, "-n", "chroot", str(lower), "/usr/bin/env", f"PATH={PATH}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def exercised(
    make: Callable[[], Container], lower: Path, flags: tuple[str, ...], setup: Any, client: Any
) -> tuple[str, str]:
    """Run a server and its client; (the container's ID, the client's result)."""
    container = make()
    with ProgramRoot(container, lower) as root:
        setup(container, root)
        container.up(*flags)
        try:
            result = str(wait_until(lambda: client(container), "the client is served"))
        except AssertionError:
            pytest.fail(f"the client is not served; the server says: {container.output()}")
        container.kill("KILL").ok()  # init of a pid namespace: an interpreter without a handler ignores TERM
        container.wait_for("stopped")
        return container.id, result


def learned(make: Callable[[], Container], broker: Broker, tmp_path: Path, setup: Any, client: Any) -> dict[str, Any]:
    """Record a server, then serve the same under what was learned; the policy."""
    lower = tree_or_skip()

    def recorded(container: Container, root: ProgramRoot) -> None:
        container.bundle.config["annotations"] = {"io.postern.policy": "learn"}
        setup(container, root)

    container_id, first = exercised(make, lower, (), recorded, client)
    broker.records(container_id)
    path = tmp_path / "learned.yaml"
    program = [str(make().runtime.path), "--root", str(broker.root), "policy", "learn", "--container", container_id]
    subprocess.run([*program, "-o", str(path)], check=True, timeout=60)
    _, second = exercised(make, lower, ("--policy", str(path)), setup, client)
    assert second == first
    policy: dict[str, Any] = yaml.safe_load(path.read_text())
    print(f"{first}: {len(policy['syscalls']['allow'])} system calls")
    assert len(policy["syscalls"]["allow"]) <= MOST_CALLS, policy["syscalls"]["allow"]
    return policy


def test_redis_under_its_benchmark(make: Callable[[], Container], broker: Broker, tmp_path: Path) -> None:
    """redis-server, asked by redis-benchmark."""

    def setup(container: Container, _root: ProgramRoot) -> None:
        container.bundle.args("/usr/bin/redis-server", "--save", "", "--dir", "/tmp", "--port", "6379")

    def client(container: Container) -> str:
        done = in_network(
            container, tree_or_skip(), "redis-benchmark", "-q", "-n", "2000", "-t", "ping,set,get,lpush,lrange"
        )
        return "redis" if done.returncode == 0 and "requests per second" in done.stdout else ""

    policy = learned(make, broker, tmp_path, setup, client)
    assert policy["network"]["bind"] == [{"ports": [6379]}]


def test_nginx_under_load(make: Callable[[], Container], broker: Broker, tmp_path: Path) -> None:
    """nginx with workers of another user, asked by wrk."""

    def setup(container: Container, root: ProgramRoot) -> None:
        root.write(
            "/etc/nginx/nginx.conf",
            "daemon off; worker_processes 1; pid /run/nginx.pid; error_log /dev/null; user www-data;\nevents {}\nhttp { access_log off; server { listen 8080; root /srv; } }\n",
        )
        root.write("/srv/index.html", "hello\n")
        container.bundle.caps("CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL")
        container.bundle.args("/usr/sbin/nginx")

    def client(container: Container) -> str:
        load = ("wrk", "-t", "2", "-c", "8", "-d", "2s", "http://127.0.0.1:8080/index.html")
        done = in_network(container, tree_or_skip(), *load)
        failed = any(word in done.stdout for word in ("Non-2xx", "Socket errors", " 0 requests in"))
        return "nginx" if done.returncode == 0 and "requests in" in done.stdout and not failed else ""

    learned(make, broker, tmp_path, setup, client)


def test_a_web_application_in_python(make: Callable[[], Container], broker: Broker, tmp_path: Path) -> None:
    """An HTTP server with a database, in the interpreter."""

    def setup(container: Container, root: ProgramRoot) -> None:
        root.write("/srv/app.py", WEB)
        container.bundle.args("/usr/bin/python3", "/srv/app.py")

    def client(container: Container) -> str:
        done = in_network(container, tree_or_skip(), "ab", "-n", "50", "-c", "2", "http://127.0.0.1:8000/x")
        return "python" if "Complete requests:      50" in done.stdout and "Non-2xx" not in done.stdout else ""

    policy = learned(make, broker, tmp_path, setup, client)
    assert policy["filesystem"]["write"] == ["/var"]


def test_sha256sum(make: Callable[[], Container], tmp_path: Path) -> None:
    """A program that ends by itself, learned and replayed in the foreground."""
    lower = tree_or_skip()
    container = make()
    with ProgramRoot(container, lower):
        container.bundle.args("/usr/bin/sha256sum", "/usr/bin/env", "/etc/passwd")
        container.bundle.save()
        path = tmp_path / "learned.yaml"
        words = [str(container.runtime.path), "--root", str(container.runtime.root), "policy", "learn"]
        words += ["--bundle", str(container.bundle.path), "-o", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
        replayed = container.run("--policy", str(path)).ok()
        assert replayed.out == "\n".join(done.stdout.splitlines()[:-1]) + "\n"
        calls = yaml.safe_load(path.read_text())["syscalls"]["allow"]
        print(f"sha256sum: {len(calls)} system calls")
        assert len(calls) <= MOST_CALLS
