"""The config.json that a real dockerd writes, as the benchmarks' common ground; without one, the tests' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from integration.framework import engines
from integration.framework.bundle import default_config
from integration.framework.runtime import Runtime


def docker_config(scratch: Path, runtime: Runtime) -> tuple[dict[str, Any], str]:
    """The config and the words for where it comes from."""
    try:
        return _cleaned(_from_dockerd(scratch, runtime)), "a container of dockerd, with its default seccomp profile"
    except engines.MissingEngine:
        config = default_config("")
        from tests.runtime.seccomp.samples import read_profile

        config["linux"]["seccomp"] = read_profile("wide_allow")
        return config, "the test suite, with a seccomp profile of the engines' size"


def _from_dockerd(scratch: Path, runtime: Runtime) -> dict[str, Any]:
    directory = scratch / "engine"
    directory.mkdir(mode=0o711)
    engines.program("dockerd")
    containerd = engines.Containerd(directory, runtime)
    try:
        docker = engines.Docker(directory, runtime, containerd, "/bench-docker")
        try:
            docker.import_image(engines.image_archive(directory))
            container = docker("run", "-d", "--network", "none", engines.IMAGE, "/probe", "wait").ok().out.strip()
            path = next(directory.glob(f"**/moby/{container}/config.json"))
            config: dict[str, Any] = json.loads(path.read_text())
            return config
        finally:
            docker.stop()
    finally:
        containerd.stop()
        engines.remove_group("/bench-docker")


def _cleaned(config: dict[str, Any]) -> dict[str, Any]:
    """Without dockerd's own hooks, bind mounts and empty limits: they need its process, its files and v1 controllers."""
    config.pop("hooks", None)
    config["mounts"] = [entry for entry in config["mounts"] if entry["type"] != "bind"]
    linux = config["linux"]
    linux["resources"] = {"devices": linux["resources"]["devices"]}
    for entry in linux["namespaces"]:
        entry.pop("path", None)
    return config
