"""`python -m ssen_ros.cli`."""

import sys

from ssen_ros.cli.main import main

sys.exit(main())
