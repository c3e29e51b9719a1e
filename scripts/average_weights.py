"""Average a fine-tuned network with the one that it was started from; see ssen_ros/training/averaging.py."""

import argparse
from pathlib import Path

from ssen_ros.models import load_checkpoint, save_checkpoint
from ssen_ros.training.averaging import average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tuned", type=Path, metavar="TUNED", help="checkpoint of the training")
    parser.add_argument("start", type=Path, metavar="START", help="checkpoint that it was started from")
    parser.add_argument("--share", type=float, default=0.75, metavar="A", help="of the tuned weights [0.75]")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    if not 0.0 <= args.share <= 1.0:
        parser.error(f"--share {args.share}: expected a value in [0, 1]")
    save_checkpoint(args.out, average(load_checkpoint(args.tuned), load_checkpoint(args.start), args.share))


if __name__ == "__main__":
    main()
