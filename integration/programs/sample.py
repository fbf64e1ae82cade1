"""What a Python program does between its start and its end; prints one line."""

import concurrent.futures
import json
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib


def square(number: int) -> int:
    """For other processes to call."""
    return number * number


def main() -> None:
    """Threads, processes, files, databases, sockets of its own."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(20))
    thread.start()
    thread.join()
    found.append(int(subprocess.run(["/bin/sh", "-c", "echo 22"], capture_output=True, check=True).stdout))
    with tempfile.TemporaryFile(dir="/tmp") as file:
        file.write(zlib.compress(json.dumps(found).encode()))
        file.seek(0)
        assert json.loads(zlib.decompress(file.read())) == found
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (n)")
        database.executemany("insert into t values (?)", [(n,) for n in found])
        assert database.execute("select sum(n) from t").fetchone() == (sum(found),)
    one, other = socket.socketpair()
    one.sendall(b"x")
    assert other.recv(1) == b"x"
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
    time.sleep(0.01)
    assert os.cpu_count()
    assert len(os.urandom(8)) == 8
    print("sum", sum(found), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
