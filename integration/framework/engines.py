"""Container engines, started by the suite in its private namespace with directories of their own, and ended by pid."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from integration.framework import leftovers
from integration.framework.bundle import Bundle
from integration.framework.hierarchy import CGROUP_MOUNT, mounts_under, unmount
from integration.framework.runtime import Result, Runtime, kill_quietly

START_TIMEOUT_S = 30
CALL_TIMEOUT_S = 60
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = "box:latest"
NAME = "under-test"
POLICED = "under-test-"  # and a policy's name: the same with a policy of the daemon's choice


class MissingEngine(LookupError):
    """A program of the engine is not installed here."""


def program(name: str) -> str:
    """Absolute path of a program; MissingEngine names what is missing."""
    found = shutil.which(name, path=PATH)
    if found is None:
        message = f"{name} is not installed"
        raise MissingEngine(message)
    return found


def image_archive(directory: Path) -> Path:
    """A root file system with busybox and the probe as a tar archive, plus the files the exit-code tests need."""
    bundle = Bundle(directory / "image", "")
    bundle.file("not-executable", "#!/bin/sh\n", 0o644)
    bundle.file("bad-format", "\x01\x02\x03", 0o755)
    archive = directory / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(bundle.rootfs, arcname=".")
    return archive


class Daemon:
    """A long-running process with a log; `stop` ends it and everything that carries its directory's name."""

    def __init__(self, directory: Path, argv: list[str], ready: Path) -> None:
        """Starts it and waits until `ready`, a socket, is there."""
        self.directory, self.log = directory, directory / f"{Path(argv[0]).name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": PATH, "TMPDIR": str(directory)}
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready.is_socket():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                message = f"{argv[0]} did not start:\n{self.log.read_text()[-3000:]}"
                raise RuntimeError(message)
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def clear(directory: Path) -> None:
    """End the shims and monitors that an engine left under its directory, and take its mounts away."""
    for line in leftovers.processes_of(str(directory)):
        kill_quietly(int(line.split()[1].rstrip(":")))
    leftovers.reap_orphans()
    for point in reversed(mounts_under(directory)):
        unmount(point)


class Engine:
    """What every engine here can do: one command-line client and its results."""

    client: list[str]
    env: dict[str, str]

    def __call__(self, *words: str, stdin: bytes | None = None, timeout: float = CALL_TIMEOUT_S) -> Result:
        """Call the client; the result is not checked."""
        argv = [*self.client, *words]
        done = subprocess.run(
            argv, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, env=self.env,
            timeout=timeout, check=False,
        )  # fmt: skip
        return Result(argv, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def spawn(self, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Start the client and leave it running."""
        return subprocess.Popen([*self.client, *words], env=self.env, **streams)


class Containerd(Engine):
    """containerd with its own root, state and socket, driven by ctr."""

    def __init__(self, directory: Path, runtime: Runtime) -> None:
        """Start it and import the image."""
        self.directory, self.socket = directory, directory / "c.sock"
        self.runtime = runtime
        config = directory / "containerd.toml"
        config.write_text(
            f'version = 2\nroot = "{directory}/croot"\nstate = "{directory}/cstate"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]\n'
            f'[grpc]\naddress = "{self.socket}"\n[ttrpc]\naddress = "{self.socket}.ttrpc"\n'
        )
        self.env = {"PATH": PATH}
        self.client = [program("ctr"), "--address", str(self.socket)]
        self.daemon = Daemon(directory, [program("containerd"), "-c", str(config)], self.socket)

    def import_image(self, archive: Path) -> None:
        """Make an OCI image of the root file system archive, by hand: ctr imports no plain tar archives."""
        layout = oci_archive(archive, self.directory / "oci.tar")
        self("images", "import", "--snapshotter", "overlayfs", str(layout)).ok()

    def run_words(self, *flags: str) -> tuple[str, ...]:
        """`run` with the runtime under test; needs the cpu controller, as ctr always asks for shares."""
        return (*self._run(), "--snapshotter", "overlayfs", *flags)

    def run_bundle(self, bundle: Bundle, *flags: str) -> tuple[str, ...]:
        """`run` with a config of our own, whose root file system is the bundle's."""
        bundle.config["root"]["path"] = str(bundle.rootfs)
        bundle.save()
        return (*self._run(), "--config", str(bundle.path / "config.json"), *flags)

    def _run(self) -> tuple[str, ...]:
        return (
            "run", "--runtime", "io.containerd.runc.v2", "--runc-binary", str(self.runtime.path),
            "--runc-root", str(self.directory / "runc"),
        )  # fmt: skip

    def stop(self) -> None:
        """End the daemon and what it left."""
        self.daemon.stop()
        clear(self.directory)


class Docker(Engine):
    """dockerd on a containerd of the suite's own, with the runtime under test registered by its path."""

    def __init__(
        self,
        directory: Path,
        runtime: Runtime,
        containerd: Containerd,
        cgroup_parent: str,
        policies: Sequence[str] = (),
    ) -> None:
        """Start it, with a further runtime for each of the policies; the image is imported by the caller."""
        self.directory, socket = directory, directory / "d.sock"
        config = directory / "daemon.json"
        runtimes: dict[str, dict[str, Any]] = {NAME: {"path": str(runtime.path)}}
        for policy in policies if runtime.flavour == "postern" else ():
            runtimes[POLICED + policy] = {"path": str(runtime.path), "runtimeArgs": ["--policy", policy]}
        config.write_text(json.dumps({"runtimes": runtimes, "default-runtime": NAME}))
        argv = [
            program("dockerd"), "--config-file", str(config), "--data-root", str(directory / "data"), "--exec-root",
            str(directory / "exec"), "--pidfile", str(directory / "d.pid"), "-H", f"unix://{socket}", "--bridge=none",
            "--iptables=false", "--ip6tables=false", "--storage-driver", "overlay2", "--containerd", str(containerd.socket),
            "--cgroup-parent", cgroup_parent, "--containerd-namespace", "moby", "--exec-opt", "native.cgroupdriver=cgroupfs",
        ]  # fmt: skip
        self.env = {"PATH": PATH, "HOME": str(directory), "DOCKER_CONFIG": str(directory), "TERM": "xterm"}
        self.client = [program("docker"), "-H", f"unix://{socket}"]
        self.daemon = Daemon(directory, argv, socket)

    def import_image(self, archive: Path) -> None:
        """docker import."""
        self("import", str(archive), IMAGE).ok()

    def stop(self) -> None:
        """Remove the containers, end the daemon and what it left."""
        ids = self("ps", "-aq").out.split()
        if ids:
            self("rm", "-f", *ids)
        self.daemon.stop()
        clear(self.directory)


class Podman(Engine):
    """podman, which has no daemon: directories of its own on every call."""

    def __init__(self, directory: Path, runtime: Runtime, cgroup_parent: str) -> None:
        """Only sets the words of each call."""
        self.directory, self.cgroup_parent = directory, cgroup_parent
        policy = directory / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        configuration = directory / "containers.conf"
        configuration.write_text(
            '[engine]\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n[containers]\npids_limit = 0\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nlog_driver = "k8s-file"\n'
        )
        self.env = {"PATH": PATH, "HOME": str(directory), "CONTAINERS_CONF": str(configuration), "TERM": "xterm"}
        self.client = [
            program("podman"), "--root", str(directory / "proot"), "--runroot", str(directory / "prun"), "--tmpdir",
            str(directory / "ptmp"), "--runtime", str(runtime.path), "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay",
        ]  # fmt: skip

    def run_words(self, *flags: str) -> tuple[str, ...]:
        """`run` without network and limits, which need more than the runtime."""
        return ("run", "--network", "none", "--cgroup-parent", self.cgroup_parent, *flags)

    def import_image(self, archive: Path) -> None:
        """podman import."""
        self("import", str(archive), "localhost/box:latest").ok()

    def stop(self) -> None:
        """Remove every container and what is left."""
        self("rm", "-f", "-t", "0", "-a")
        clear(self.directory)


def oci_archive(rootfs: Path, target: Path) -> Path:
    """An OCI image archive with the one layer given."""
    blobs: dict[str, bytes] = {}

    def blob(data: bytes) -> tuple[str, int]:
        name = hashlib.sha256(data).hexdigest()
        blobs[name] = data
        return f"sha256:{name}", len(data)

    def described(kind: str, data: bytes) -> dict[str, Any]:
        digest, size = blob(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": size}

    layer = rootfs.read_bytes()
    platform = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux"}
    layer_entry = described("layer.v1.tar", layer)
    config = {
        **platform,
        "config": {"Env": [f"PATH={PATH}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer_entry["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", json.dumps(config).encode()),
        "layers": [layer_entry],
    }
    entry = described("manifest.v1+json", json.dumps(manifest).encode())
    entry.update(
        platform=platform,
        annotations={"io.containerd.image.name": IMAGE, "org.opencontainers.image.ref.name": "latest"},
    )
    layout = target.with_suffix(".d")
    (layout / "blobs/sha256").mkdir(parents=True)
    for name, data in blobs.items():
        (layout / "blobs/sha256" / name).write_bytes(data)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with tarfile.open(target, "w") as tar:
        tar.add(layout, arcname=".")
    return target


def containers_cgroup(parent: str) -> Path:
    """Directory of a cgroup parent."""
    return CGROUP_MOUNT / parent.lstrip("/")


def remove_group(parent: str) -> None:
    """Remove a cgroup parent with everything in it."""
    leftovers.remove_cgroup(containers_cgroup(parent))
