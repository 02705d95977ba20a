"""The PyTorch module that docs/export.md gives."""

import pathlib
import re

DOCUMENT = pathlib.Path(__file__).parents[3] / "docs" / "export.md"


def module():
    """The names that the longest piece of Python in the document defines."""
    pieces = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    names = {}
    exec(compile(max(pieces, key=len), str(DOCUMENT), "exec"), names)
    return names
