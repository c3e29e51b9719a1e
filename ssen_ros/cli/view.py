"""`ssen view`: a map in the browser, of a running node, a file or a saved map; corrected there by hand."""

import argparse
import logging
import os
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssen_ros.cli.options import (
    CLOUD_HELP,
    add_bag_topic,
    add_pipeline_options,
    add_up,
    command,
    config_of,
    require_ros,
)
from ssen_ros.errors import MapFileError

if TYPE_CHECKING:
    from ssen_ros.view.desk import Desk
    from ssen_ros.view.file_desk import FileDesk
    from ssen_ros.view.viewer import Viewer

log = logging.getLogger(__name__)

TOKEN_VARIABLE = "SSEN_VIEW_TOKEN"


def add_view(commands: Any) -> None:
    text = (
        "Show a map in the browser, and correct its objects there: the running node's, that of a file, which "
        "is segmented first, or one that was saved."
    )
    parser = command(commands, "view", _view, text, reads_files=True)
    parser.add_argument(
        "map", type=Path, nargs="?", metavar="MAP", help=f"{CLOUD_HELP}; or a map that ~/save_map wrote"
    )
    parser.add_argument("--node", default="/ssen", metavar="NAME", help="without MAP: the node to look at")
    parser.add_argument(
        "--out", type=Path, default=Path("out/view"), metavar="DIR",
        help="folder for what is exported, and for the map with its corrections where MAP is a cloud",
    )  # fmt: skip
    add_bag_topic(parser)
    add_up(parser)
    add_address(parser)
    add_pipeline_options(parser)


def add_view_option(parser: argparse.ArgumentParser) -> None:
    """--view of a command that has other things to do."""
    parser.add_argument("--view", action="store_true", help="show the map in the browser meanwhile")
    add_address(parser)


def add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H",
        help=f"address to listen on; others than this machine's own need a token, from {TOKEN_VARIABLE} or "
        "made up and printed",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="the next free one from here on")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open nothing")


def _view(args: argparse.Namespace) -> int:
    if args.map is not None:
        return view_desk(_file_desk(args), args)
    require_ros()
    from ssen_ros.ros.commands.view import view_node

    with suppress(KeyboardInterrupt):  # the way to end it
        view_node(args.node, args.out, partial(open_viewer, args=args))
    return 0


def view_desk(desk: "FileDesk", args: argparse.Namespace) -> int:
    """Show what is on the desk, until interrupted."""
    viewer = open_viewer(desk, args)
    desk.changed = viewer.show
    viewer.show(desk.labelled)
    with suppress(KeyboardInterrupt):
        viewer.wait()
    return 0


def open_viewer(desk: "Desk", args: argparse.Namespace) -> "Viewer":
    import webbrowser

    from ssen_ros.view.gate import is_loopback
    from ssen_ros.view.viewer import Viewer

    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token and not is_loopback(args.host):
        token = secrets.token_urlsafe(16)
    viewer = Viewer(desk, args.host, args.port, token)
    print(f"the map is at {viewer.url} (Ctrl-C ends)", flush=True)
    if not args.no_browser:
        webbrowser.open(viewer.url)
    return viewer


def _file_desk(args: argparse.Namespace) -> "FileDesk":
    from ssen_ros.io.clouds import read_cloud
    from ssen_ros.io.saved_map import SavedMap, is_map, read_map
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.structures import Memory
    from ssen_ros.view.file_desk import FileDesk
    from ssen_ros.voxel_map import VoxelMap

    pipeline = SsenPipeline.from_config(config_of(args))
    segmenter = pipeline.segmenter
    size, class_names = segmenter.voxel_size, tuple(segmenter.class_names)
    voxel_map = VoxelMap(size)
    if is_map(args.map):
        path, saved = args.map, read_map(args.map)
        saved.check_fits(size, class_names)
        voxel_map.restore(saved.state)
    else:
        cloud = read_cloud(args.map, args.bag_topic).turned(args.up)
        voxel_map.integrate(cloud.points, cloud.colors_or_grey)
        path, memory = args.out / f"{args.map.stem}.npz", Memory()
        if path.exists():
            before = read_map(path)
            before.check_fits(size, class_names)
            memory = before.memory
            if before.state.voxels != voxel_map.state.voxels:
                raise MapFileError(
                    f"{path} has {before.state.voxels} voxels, {args.map} {voxel_map.state.voxels}: it is of "
                    "another cloud; move it away, or choose another --out"
                )
            print(f"going on with the {len(memory.corrections)} corrections in {path}")
        saved = SavedMap(cloud.frame_id, cloud.stamp_ns, size, class_names, voxel_map.state, memory)
    print(f"segmenting {len(voxel_map)} voxels")
    result = pipeline.step(voxel_map.snapshot(), saved.stamp_ns, saved.memory)
    return FileDesk(pipeline, result, saved, path)
