"""YAML files that hold a mapping, such as parameters: plain values, no aliases, no more than a megabyte."""

from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 1_000_000
MOST_LEVELS = 50


class _Plain(yaml.SafeLoader):
    """Without aliases: nine lines of them, each of nine of the one before, are a billion values."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(
                f"{self.peek_event().start_mark}: aliases (*name) are not read; repeat the value"
            )
        if self._depth > MOST_LEVELS:
            raise yaml.YAMLError(f"nested more than {MOST_LEVELS} levels deep")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def read_mapping(path: Path | str) -> dict[str, Any]:
    """The mapping of a file; an empty one where the file is empty.

    Raises OSError for a file that cannot be read, ValueError for one that is no such mapping.
    """
    path = Path(path)
    with open(path, "rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path.stat().st_size:,} bytes; expected {MOST_BYTES:,} at most")
    try:
        content = yaml.load(data.decode("utf-8"), _Plain)
    except (yaml.YAMLError, RecursionError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ValueError(f"a {type(content).__name__}, expected a mapping of names")
    return content
