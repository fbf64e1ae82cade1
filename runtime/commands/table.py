"""Columns of text as runc prints them (Go's tabwriter with a least width of 12 and 3 blanks between columns).  Pure."""

_LEAST, _GAP = 12, 3


def format_table(rows: list[tuple[str, ...]]) -> str:
    """Lines of aligned columns; the last column is not padded."""
    columns = len(rows[0]) - 1
    widths = [max(_LEAST, _GAP + max(len(row[column]) for row in rows)) for column in range(columns)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("".join(cells) + row[-1] + "\n")
    return "".join(lines)
