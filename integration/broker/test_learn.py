"""Learning: what a program did becomes a policy under which it runs as before."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from integration.framework.broker import Broker, wait_until
from integration.framework.container import Container
from integration.framework.flavours import only
from runtime.broker.recording import Recording

pytestmark = only("postern", reason="policies are postern's")

SCRIPT = """
cat /etc/hello
mkdir -p /srv/data
echo result > /srv/data/out
cat /srv/data/out
ls /srv/data
rm /srv/data/out
"""


def learning(container: Container, *command: str) -> tuple[Path, list[str]]:
    """The policy's file, and the words that learn it from the container's bundle."""
    container.bundle.save()
    output = container.bundle.path / "learned.yaml"
    words = [str(container.runtime.path), "--root", str(container.runtime.root), "policy", "learn"]
    return output, [
        *words,
        "--bundle",
        str(container.bundle.path),
        "-o",
        str(output),
        *(["--", *command] if command else []),
    ]


def learn(container: Container, *command: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Learn from the container's bundle; the policy's file and the run."""
    output, words = learning(container, *command)
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return output, done


def test_a_program_passes_unchanged_under_what_was_learned(container: Container) -> None:
    """The same output and exit code; what it did not do is denied now."""
    container.bundle.file("/etc/hello")
    container.bundle.file("/etc/secret")
    container.bundle.file("/srv/keep")
    container.bundle.shell(SCRIPT)
    path, done = learn(container)
    assert done.returncode == 0, done
    policy = yaml.safe_load(path.read_text())
    assert done.stdout.startswith("content\nresult\nout\n")
    assert f"{len(policy['syscalls']['allow'])} system calls" in done.stdout
    assert len(policy["syscalls"]["allow"]) <= 60
    assert policy["filesystem"]["write"] == ["/srv"], policy["filesystem"]
    assert "/etc/hello" in policy["filesystem"]["read"]
    assert "network" not in policy
    replayed = container.run("--policy", str(path))
    assert (replayed.rc, replayed.out, replayed.err) == (0, "content\nresult\nout\n", "")
    container.bundle.shell("cat /etc/secret; echo x > /etc/new; echo end")
    stopped = container.run("--policy", str(path)).ok()
    assert stopped.out == "end\n"
    assert "can't open '/etc/secret': Permission denied" in stopped.err
    assert "can't create /etc/new" in stopped.err


# the reader looks where the link leads a moment after the call: it stays that long
PROBING = """
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cat /opt/$n/app.conf; done
chmod 600 /opt/none
echo x > /opt/missing/file
echo x > /ro/file
mkdir /opt
rm -f /opt/1/../missing/file
ln -s /opt/1/keep /tmp/link
cat /tmp/link
sleep 2
rm /tmp/link
echo end
"""


def test_what_comes_to_nothing_is_no_need(container: Container) -> None:
    """A program that looks for its file in twenty places, and tries what cannot be: it goes on the same way, and gets none of it."""
    for number in range(1, 21):
        container.bundle.file(f"/opt/{number}/keep")
    container.bundle.file("/ro/keep")
    for name in ("ln", "chmod"):
        if not (container.bundle.rootfs / "bin" / name).is_symlink():
            (container.bundle.rootfs / "bin" / name).symlink_to("busybox")
    container.bundle.mount("/ro", "bind", str(container.bundle.rootfs / "ro"), "bind", "ro")
    container.bundle.shell(PROBING)
    path, done = learn(container)
    assert done.returncode == 0, done
    policy = yaml.safe_load(path.read_text())
    assert policy["filesystem"]["write"] == ["/tmp"]
    assert [name for name in policy["filesystem"]["read"] if name.startswith(("/opt", "/ro"))] == ["/opt/1/keep"]
    replayed = container.run("--policy", str(path))
    assert replayed.rc == 0
    assert replayed.out == done.stdout.rpartition(f"{path}:")[0]
    assert replayed.err == done.stderr


def test_mounts_are_looked_at_after_the_end(tmp_path: Path) -> None:
    """What was read-only to a container is so while its last calls are read."""
    script = f"mount -t tmpfs -o ro none {tmp_path} && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        made = Recording(process.pid)
        process.communicate()
    made.add("mkdirat", (0, 0, 0), f"{tmp_path}/x")
    made.close()
    assert made.document()["targets"] == [["mkdirat", "write", f"{tmp_path}/x", "-"]]


def test_sockets_and_addresses_are_learned(container: Container) -> None:
    """Domains, types, the port that was bound and the peer that was connected to; replayed it connects again."""
    # a server without input would close its side at once, and a client that sees that first sends nothing
    server = "sleep 1000 | nc -l -p 7070 >/tmp/got &"
    client = (
        "until echo hi | nc 127.0.0.1 7070; do sleep 0.3; done; until [ -s /tmp/got ]; do sleep 0.1; done; cat /tmp/got"
    )
    script = f"{server} {client}"
    (container.bundle.rootfs / "bin/nc").symlink_to("busybox")
    container.bundle.shell(script)
    path, done = learn(container)
    assert done.stdout.startswith("hi\n"), done
    network = yaml.safe_load(path.read_text())["network"]
    assert "AF_INET" in network["domains"]
    assert network["types"] == ["SOCK_STREAM"]
    assert network["egress"] == [{"allow": "127.0.0.1", "ports": [7070]}]
    assert network["bind"] == [{"ports": [7070]}]
    replayed = container.run("--policy", str(path))
    assert replayed.ok().out == "hi\n"


def test_a_socket_that_is_not_there_is_not_learned(container: Container) -> None:
    """A program that looks for a service finds none under the learned policy either, and goes on in the same way."""
    (container.bundle.rootfs / "bin/logger").symlink_to("busybox")
    container.bundle.shell("logger hello; echo $?")
    path, done = learn(container)
    assert yaml.safe_load(path.read_text())["network"]["unix"] == {"connect": [], "abstract": False}
    assert container.run("--policy", str(path)).ok().out == done.stdout.rpartition(f"{path}:")[0]


def test_a_policy_on_standard_output(container: Container) -> None:
    """Stands there alone: what the program says goes aside."""
    container.bundle.shell("echo hello").save()
    done = container.call("policy", "learn", "--bundle", str(container.bundle.path)).ok()
    assert "execve" in yaml.safe_load(done.out)["syscalls"]["allow"]
    assert "hello" in done.err


def test_another_command_of_the_same_bundle(container: Container) -> None:
    """What follows -- runs in the place of the bundle's own command, and its exit code is ours."""
    container.bundle.shell("echo bundle")
    path, done = learn(container, "/bin/sh", "-c", "echo other; exit 3")
    assert (done.returncode, done.stdout.splitlines()[0]) == (3, "other")
    assert path.exists()


def test_the_site_s_floor_lets_nothing_be_learned(container: Container) -> None:
    """Wherever the site is: what is learned from passes everything."""
    site = container.bundle.directory("site")
    site.chmod(0o755)
    (site / "config.toml").write_text('[policy]\nfloor = ["batch-job"]\n')
    container.bundle.shell("echo ran").save()
    words = ("policy", "learn", "--bundle", str(container.bundle.path))
    done = container.runtime.call(*words, flags=("--policy-dir", str(site)))
    assert done.rc == 1
    assert "lets everything pass, and the site has a floor" in done.err
    assert "ran" not in done.out


def test_an_engine_asks_by_annotation(container: Container, broker: Broker) -> None:
    """The container is recorded while the engine runs it; the policy is made of the recording later."""
    container.bundle.file("/etc/hello")
    container.bundle.config["annotations"] = {"io.postern.policy": "learn"}
    container.bundle.args("/bin/cat", "/etc/hello")
    assert container.run().ok().out == "content\n"
    broker.records(container.id)
    text = container.call("policy", "learn", "--container", container.id).ok().out
    assert "/etc/hello" in yaml.safe_load(text)["filesystem"]["read"]


def test_what_was_denied_is_explained(container: Container) -> None:
    """`run --explain-denials`: each denial with the line that would allow it, on standard error, after the container's own output."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(
        "name: tight\nfilesystem: {read: [/bin, /dev, /proc], write: [/tmp]}\nclone_flags: []\nsyscalls: {default: allow, deny: [mlock]}\n"
    )
    container.bundle.file("/etc/secret")
    (container.bundle.rootfs / "bin/unshare").symlink_to("busybox")
    container.bundle.shell(
        "cat /etc/secret; cat /etc/nothing; unshare -U true; mkdir -p /bin; echo x > /srv; cat /proc/self/status >/dev/null; exit 5"
    )
    done = container.run("--policy", str(path), "--explain-denials")
    assert done.rc == 5
    lines = [line.strip() for line in done.err.splitlines()]
    assert f"would allow it:  filesystem.read: [/etc/secret] in {path}:2" in lines
    assert f"would allow it:  clone_flags: [CLONE_NEWUSER] in {path}:3" in lines
    assert "would allow it:  nothing short of /, which would open everything: use a directory below it" in lines
    assert not [
        line
        for line in lines
        if "[/]" in line or "/etc/nothing: denied" in line or ": mkdir" in line or "/proc/self" in line
    ]
    container.bundle.args("/bin/true")
    done = container.run("--policy", str(path), "--explain-denials").ok()
    assert "policy: no denial was seen" in done.err
    assert "cannot be seen: what a missing capability" in done.err


CHANGES = (
    "cd /tmp; "
    'for word in "mkdir d" "ln -s a l" "touch f" "chmod 4755 e" "rm e" "mv e g" "mknod p p" "truncate -s 1 e"; do '
    "$word 2>/dev/null; echo $word $?; done"
)


@pytest.mark.parametrize("lists", ["write: [/tmp]", "read: [/]", "write: [/tmp]\n  execute: [/bin, /lib]", "write: []"])
def test_what_is_observed_is_denied_alike(container: Container, lists: str) -> None:
    """Calls that are noted on their way, since mounts may deny them, are denied by the default of `syscalls` all the same."""
    for name in ("ln", "chmod", "rm", "mv", "mknod", "truncate", "touch", "mkdir"):
        link = container.bundle.rootfs / "bin" / name
        if not link.exists():
            link.symlink_to("busybox")
    container.bundle.file("/tmp/e")
    calls = '["@basic-io", "@memory", "@process", "@identity", "@signal", "@time", open, openat, newfstatat, fstat, getcwd, readlink]'
    path = container.bundle.path / "policy.yaml"
    path.write_text(f"name: denied\nsyscalls:\n  default: deny\n  allow: {calls}\nfilesystem:\n  {lists}\n")
    container.bundle.shell(CHANGES)
    plain = container.run("--policy", str(path)).ok().out
    observed = container.run("--policy", str(path), "--explain-denials").ok()
    assert observed.out == plain
    assert not [line for line in plain.splitlines() if line.endswith(" 0") and "touch" not in line]
    assert "syscalls.allow: [mkdir]" in observed.err
    assert "syscalls.allow: [symlink" in observed.err


def test_what_the_kernel_denies_is_explained(container: Container) -> None:
    """Programs where nothing may be executed, files that are read-only, peers that the cgroup's programs refuse; with the layer's line."""
    path = container.bundle.path / "policy.yaml"
    path.write_text(
        "name: tight\nfilesystem: {execute: [/bin, /lib, /lib64, /usr], write: [/tmp]}\n"
        "network: {egress: [{allow: 10.9.0.0/16, ports: [80]}]}\nsyscalls: {default: allow, deny: [mount]}\n"
    )
    program = container.bundle.rootfs / "tmp/prog"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (container.bundle.rootfs / "bin/nc").symlink_to("busybox")
    container.bundle.file("/srv/keep")
    container.bundle.shell("/tmp/prog; echo x > /srv/keep; nc 192.0.2.2 81 </dev/null; mount -t tmpfs x /tmp; exit 0")
    lines = [line.strip() for line in container.run("--policy", str(path), "--explain-denials").ok().err.splitlines()]
    assert f"would allow it:  filesystem.execute: [/tmp/prog] in {path}:2" in lines
    assert f"would allow it:  filesystem.write: [/srv/keep] in {path}:2" in lines or (
        f"would allow it:  filesystem.write: [/srv] in {path}:2" in lines
    )
    assert f'would allow it:  network.egress: [{{allow: "192.0.2.2", ports: 81}}] in {path}:3' in lines
    assert any(
        f"take mount out of {path}:4: syscalls.deny: mount; an allow elsewhere cannot help" in line for line in lines
    )


def test_what_the_broker_denies_is_explained(container: Container) -> None:
    """Under wildcards: one line for a file and for a device, which then lets the program pass; a time limit, and audit."""
    path = container.bundle.path / "policy.yaml"
    text = "name: wild\nfilesystem: {{read: [/bin, /lib, /srv/*.py{}], write: [/tmp]}}\nlimits: {{wall_time: {}}}\n{}"
    path.write_text(text.format("", "1m", ""))
    container.bundle.file("/srv/b.txt")
    container.bundle.shell("cat /srv/b.txt; echo x >/dev/null")
    said = container.run("--policy", str(path), "--explain-denials").err
    advised = [line.split() for line in said.splitlines() if "would allow it" in line]
    assert [words[3:] for words in advised] == [
        ["filesystem.read:", f"[{name}]", "in", f"{path}:2"] for name in ("/srv/b.txt", "/dev/null")
    ]
    path.write_text(text.format(", /srv/b.txt, /dev/null", "1m", ""))
    assert container.run("--policy", str(path)).ok().err == ""
    path.write_text(text.format("", "1m", "broker: {mode: audit}\n"))
    said = container.run("--policy", str(path), "--explain-denials").ok().err
    assert ": would be denied" in said
    assert "denied by" not in said
    path.write_text(text.format("", "1s", ""))
    container.bundle.shell("sleep 30")
    said = container.run("--policy", str(path), "--explain-denials").err
    assert f"limits.wall_time: longer than 1s in {path}:3" in said


ENDLESS = "trap 'echo bye; exit 4' INT; : > /tmp/ready; while :; do sleep 0.1; done"


def await_ready(container: Container) -> Path:
    """Until the program runs; the file with which it says so."""
    ready: Path = container.bundle.rootfs / "tmp/ready"
    wait_until(ready.exists, "the program runs")
    return ready


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_ends_the_learning_ends_the_container(container: Container, broker: Broker, number: signal.Signals) -> None:
    """No container, no process of it, no recording and no policy is left, and the exit code names the signal."""
    container.bundle.shell(ENDLESS)
    output, words = learning(container)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    await_ready(container)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number, said
    assert f"policy learn: ended by {number.name}: the container was ended, and nothing is written" in said
    assert not output.exists()
    assert [name for name in os.listdir(container.runtime.root) if name[0] != "@"] == []
    assert broker.ask({"op": "status"})["containers"] == []
    assert [name for name in os.listdir(broker.directory / "log") if f"learn-{process.pid}-" in name] == []


def test_learning_that_ends_before_the_container_is_there(container: Container) -> None:
    """Whenever the signal comes, nothing is left."""
    container.bundle.shell(ENDLESS)
    output, words = learning(container)
    for pause in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            process.wait(pause)
        except subprocess.TimeoutExpired:
            process.terminate()
        process.communicate(timeout=60)
        assert process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)
        assert not output.exists()
        assert [name for name in os.listdir(container.runtime.root) if name[0] != "@"] == []


def test_an_interrupt_from_the_terminal_is_the_programs(container: Container) -> None:
    """It ends as it does on Ctrl-C, and what it did until then is learned."""
    container.bundle.shell(ENDLESS)
    output, words = learning(container)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(words[0], words)
    await_ready(container)
    os.write(terminal, b"\x03")
    wait_until(output.exists, "the policy is written")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert status == 4
    assert yaml.safe_load(output.read_text())["filesystem"]["write"] == ["/tmp"]
