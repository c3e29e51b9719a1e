"""Files that packages install beside their code, found with and without a sourced ROS distribution."""

import sys
from pathlib import Path


def shared_file(package: str, relative: str) -> Path | None:
    """`share/PACKAGE/RELATIVE` of the workspace, else of this environment, else of the checkout."""
    folders = [Path(sys.prefix) / "share" / package]
    if package == "ssen_ros":
        folders.append(Path(__file__).resolve().parents[2])
    try:
        from ament_index_python.packages import get_package_share_directory

        folders.insert(0, Path(get_package_share_directory(package)))
    except (ImportError, LookupError, OSError):  # no ament index, or one without this package
        pass
    return next((path for path in (folder / relative for folder in folders) if path.is_file()), None)
