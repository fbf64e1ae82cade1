"""The output of ps(1), cut down to a container's processes.  Pure."""

from runtime.errors import OciError


def filter_table(output: str, pids: list[int]) -> str:
    """The header and the lines whose PID column is one of `pids`.  Raises: OciError when there is no such column."""
    header, _, body = output.partition("\n")
    titles = header.split()
    if "PID" not in titles:
        raise OciError("couldn't find PID field in ps output")
    column = titles.index("PID")
    wanted = {str(pid) for pid in pids}
    lines = [header]
    for line in body.split("\n"):
        words = line.split()
        if len(words) > column and words[column] in wanted:
            lines.append(line)
    return "\n".join(lines) + "\n"
