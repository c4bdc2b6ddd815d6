"""Tables of cells as Markdown, HTML and LaTeX."""

from collections.abc import Sequence
from html import escape

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)

Rows = Sequence[Sequence[str]]


def aligned(rows: Rows) -> list[str]:
    """Return rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def markdown(rows: Rows, facts: Rows, notes: Sequence[str]) -> str:
    """Return a table, facts as a list, and notes, in Markdown; the head is the first row."""
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    parts = ["\n".join(lines)]
    if facts:
        parts.append("\n".join(f"- {name}: {', '.join(values)}" for name, *values in facts))
    return "\n\n".join([*parts, *notes]) + "\n"


def html(title: str, rows: Rows, facts: Rows, notes: Sequence[str]) -> str:
    """Return a title, facts, a table whose head is the first row, and notes, in HTML."""
    head, *body = rows
    entries = "".join(_in_html(row) for row in facts)
    lines = "".join(_in_html(row) for row in body)
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f"<div><p><strong>{escape(title)}</strong></p><table>{entries}</table>"
        f"<table><thead>{_in_html(head, 'th')}</thead><tbody>{lines}</tbody></table>{below}</div>"
    )


def _in_html(row: Sequence[str], tag: str = "td") -> str:
    cells = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row[1:])
    return f"<tr><th>{escape(row[0])}</th>{cells}</tr>"


def latex(rows: Rows, facts: Rows, notes: Sequence[str]) -> str:
    """Return a table with rules of booktabs: the head, the body, facts, and notes below."""
    width = len(rows[0])
    head, *body = (_in_latex(row) for row in rows)
    below = [_in_latex([*row, *[""] * (width - len(row))]) for row in facts]
    lines = [rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}", r"\toprule", head, r"\midrule", *body]
    lines += [r"\midrule", *below] if below else []
    lines += [r"\bottomrule"]
    lines += [rf"\multicolumn{{{width}}}{{l}}{{\footnotesize {note.translate(_LATEX)}}} \\" for note in notes]
    return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def _in_latex(row: Sequence[str]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in row) + r" \\"
