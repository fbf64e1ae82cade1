"""The load of benchmarks.policy, run as a container's init by the container's own Python.

Reads a line `MEASURE COUNT` from standard input, does that, and answers with one line of JSON: the seconds of each run; ends
with its input.  Only the standard library, and no file of the project: the container has neither.

    load.py [PATH...]     with paths: under a bare Landlock ruleset of its own, by which all is read at and below them
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time

SOURCE = "/tmp/load.c"
REDIS_PORT, NGINX_PORT = 6399, 8080
OPENS, CONNECTS, REQUESTS, PAGES = 2000, 2000, 20000, 3000
NGINX = f"""daemon off; worker_processes 1; pid /tmp/nginx.pid; error_log /dev/null; user root;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; server {{ listen 127.0.0.1:{NGINX_PORT}; root /srv/www; }} }}
"""


# linux/landlock.h; the calls have the same numbers on every architecture
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ_FILE_AND_DIR, PATH_BENEATH, PR_SET_NO_NEW_PRIVS = 1 << 2 | 1 << 3, 1, 38


def restrict(paths: list[str]) -> None:
    """What Landlock itself costs, without anything of ours."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(*words: object) -> int:
        answer = int(libc.syscall(*words))
        if answer < 0:
            raise OSError(ctypes.get_errno(), "Landlock")
        return answer

    handled = ctypes.c_uint64(READ_FILE_AND_DIR)
    ruleset = call(CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    for path in filter(os.path.isdir, paths):
        place = os.open(path, os.O_PATH)
        rule = ctypes.create_string_buffer(struct.pack("<Qi", READ_FILE_AND_DIR, place), 12)
        call(ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
        os.close(place)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def quiet(*words: str) -> None:
    """A command that must succeed."""
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)


def opens() -> float:
    """Seconds of one open of a file and its close."""
    start = time.perf_counter()
    for _ in range(OPENS):
        os.close(os.open("/etc/passwd", os.O_RDONLY))
    return (time.perf_counter() - start) / OPENS


def connects() -> float:
    """Seconds of one connect of a datagram socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        start = time.perf_counter()
        for _ in range(CONNECTS):
            sender.connect(("127.0.0.1", 9))
        return (time.perf_counter() - start) / CONNECTS


def command(*words: str) -> float:
    """Seconds of a whole command."""
    start = time.perf_counter()
    quiet(*words)
    return time.perf_counter() - start


def redis() -> float:
    """Seconds of one GET, eight clients at a time."""
    words = ("redis-benchmark", "-p", str(REDIS_PORT), "-t", "get", "-n", str(REQUESTS), "-c", "8", "--csv")
    answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return 1 / float(answer.splitlines()[-1].split(",")[1].strip('"'))


def nginx() -> float:
    """Seconds of one request of a small page, four clients at a time."""
    words = ("ab", "-q", "-n", str(PAGES), "-c", "4", f"http://127.0.0.1:{NGINX_PORT}/load.html")
    answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return 1 / float(next(line.split()[3] for line in answer.splitlines() if line.startswith("Requests per second")))


MEASURES = {
    "open": opens,
    "connect": connects,
    "find": lambda: command("find", "/usr/lib", "-name", "no such name"),
    "gcc -c": lambda: command("gcc", "-O1", "-c", "-o", "/tmp/load.o", SOURCE),
    "python": lambda: command("python3", "-c", "import json"),
    "redis": redis,
    "nginx": nginx,
}


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def main() -> None:
    """Start the servers, then do as told."""
    if sys.argv[1:]:
        restrict(sys.argv[1:])
    with open(SOURCE, "w") as file:
        file.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n")
        file.writelines(f'int f{n}(int a) {{ return printf("%d", a + {n}); }}\n' for n in range(40))
    with open("/tmp/nginx.conf", "w") as file:
        file.write(NGINX)
    null = subprocess.DEVNULL
    servers = [
        subprocess.Popen(
            ["redis-server", "--port", str(REDIS_PORT), "--save", "", "--dir", "/tmp"], stdin=null, stdout=null
        ),
        subprocess.Popen(["nginx", "-e", "/dev/null", "-c", "/tmp/nginx.conf"], stdin=null),
    ]
    wait_for(REDIS_PORT)
    wait_for(NGINX_PORT)
    print("ready", flush=True)
    for line in sys.stdin:
        measure, _, count = line.strip().rpartition(" ")
        print(json.dumps([MEASURES[measure]() for _ in range(int(count))]), flush=True)
    for server in servers:
        server.kill()


if __name__ == "__main__":
    main()
