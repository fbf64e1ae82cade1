"""A container whose plan the test changes before the executor gets it: for operations that no config asks for by itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable

from integration.framework.container import Container
from integration.framework.runtime import CALL_TIMEOUT_S, CLEAN_ENV, Result
from oci_schemas.validate import load_config
from runtime.host.probe import probe_facts
from runtime.launch.spawn import EXECUTOR_NAME, seal_plan
from runtime.plan.compile import compile_create
from runtime.plan.encode import encode_plan
from runtime.plan.launch_plan import LaunchPlan
from runtime.plan.options import CreateOptions, Gate

Edit = Callable[[LaunchPlan], None]
CREATED = "2026-01-02T03:04:05.123456789Z"


def _image(container: Container, mode: str, edit: Edit, gate: Gate | None) -> bytes:
    config = load_config(json.dumps(container.bundle.config).encode())
    options = CreateOptions(
        mode=mode,
        container_id=container.id,
        bundle=str(container.bundle.path),
        root=str(container.runtime.root),
        created=CREATED,
        pid_file=str(container.pid_file),
        config_json=json.dumps(container.bundle.config).encode(),
        gate=gate,
    )
    plan = compile_create(config, options, probe_facts(config, terminal=False), None)
    edit(plan)
    return encode_plan(plan)


def execute(container: Container, edit: Edit, mode: str = "RUN", gate: Gate | None = None) -> Result:
    """Make the container from its bundle's config with the plan as `edit` leaves it; `run` in the foreground, or CREATE.

    `gate` is what a policy adds to the plan.  A container that was created so is deleted by the test.
    """
    container.bundle.save()
    plan_fd = seal_plan(_image(container, mode, edit, gate))
    out, err = container.bundle.path / "edited.out", container.bundle.path / "edited.err"
    try:
        with out.open("wb") as out_file, err.open("wb") as err_file:
            done = subprocess.run(
                [EXECUTOR_NAME, str(plan_fd)],
                executable=container.runtime.path,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                env=CLEAN_ENV,
                cwd=container.bundle.path,
                pass_fds=[plan_fd],
                timeout=CALL_TIMEOUT_S,
                check=False,
            )
    finally:
        os.close(plan_fd)
    return Result([EXECUTOR_NAME], done.returncode, out.read_text(errors="replace"), err.read_text(errors="replace"))
