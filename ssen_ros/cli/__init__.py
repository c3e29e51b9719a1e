"""The command `ssen`."""

from ssen_ros.cli.main import main

__all__ = ["main"]
