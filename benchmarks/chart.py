"""A small SVG bar chart: groups of horizontal bars on a linear scale, one colour a series."""

from __future__ import annotations

from html import escape

COLOURS = ("#1b6ac9", "#c9541b", "#4b8b3b", "#777777", "#8c6bb1")
WIDTH, LABEL, BAR, GAP = 860, 190, 14, 14


def bars(title: str, values: dict[str, dict[str, float]], groups: list[str]) -> str:
    """SVG text for `values[series][group]`; every bar carries its number."""
    longest = max(series[group] for series in values.values() for group in groups)
    scale = (WIDTH - LABEL - 90) / longest
    lines, top = [], 64
    for number, name in enumerate(values):
        x = LABEL + number * 130
        lines.append(f'<rect x="{x}" y="34" width="12" height="12" fill="{COLOURS[number]}"/>')
        lines.append(f'<text x="{x + 18}" y="45">{escape(name)}</text>')
    for group in groups:
        middle = top + BAR * len(values) / 2 + 4
        lines.append(f'<text x="{LABEL - 10}" y="{middle:.0f}" text-anchor="end">{escape(group)}</text>')
        for number, series in enumerate(values.values()):
            length, y = max(1.0, series[group] * scale), top + number * BAR
            lines.append(
                f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{COLOURS[number]}"/>'
            )
            lines.append(
                f'<text x="{LABEL + length + 6:.1f}" y="{y + BAR - 4}" font-size="11">{series[group]:.2f}</text>'
            )
        top += BAR * len(values) + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" font-family="sans-serif" font-size="13">'
    background = f'<rect width="{WIDTH}" height="{top}" fill="white"/>'
    return "\n".join(
        [head, background, f'<text x="12" y="22" font-size="16">{escape(title)}</text>', *lines, "</svg>\n"]
    )
