"""Open3D, for the few that ask for it: the extra `open3d` brings it, and nothing else needs it."""

from typing import Any

from ssen_ros.errors import EngineError


def open3d(purpose: str) -> Any:
    """The library. Raises EngineError, with what it is wanted for, where it is missing or does not load."""
    try:
        import open3d  # late: slow to import
    except (ImportError, OSError) as error:  # OSError: a library of the system that it needs is missing
        raise EngineError(
            f"{purpose} needs Open3D, which cannot be imported ({error}): pip install 'ssen-ros[open3d]'"
        ) from error
    return open3d
