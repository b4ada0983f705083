"""Build steps of the documentation: formulas become MathML, and links out of docs/ become text.

The pages are written for GitHub, which shows formulas between dollar signs and follows links to
sources. Browsers show MathML themselves, without a script.
"""

import re
from typing import Any

from latex2mathml.converter import convert

BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
QUOTED = re.compile(r"\$`(.+?)`\$")
INLINE = re.compile(r"(?<![\w\\$])\$([^$\s`][^$\n]*?)\$(?!\d)")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((?:\.\./[^)]*|[\w/-]+)\)")
"""Links to files and folders that are no pages."""


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401
    """Rewrite one page before MkDocs renders it."""
    markdown = QUOTED.sub(_inline, BLOCK.sub(_display, markdown))
    parts = CODE.split(markdown)  # every second part is code
    return "".join(
        part if at % 2 else OUTSIDE.sub(r"\1", INLINE.sub(_inline, part))
        for at, part in enumerate(parts)
    )


def _inline(found: re.Match[str]) -> str:
    """A span, because Markdown takes a line that begins with `<math>` for a block."""
    return f"<span>{convert(found[1])}</span>"


def _display(found: re.Match[str]) -> str:
    """A formula on a line of its own, which scrolls on narrow screens."""
    formula = convert(found[1].strip(), display="block")
    return f'<div style="overflow-x: auto">{formula}</div>'
