import os

import pytest
from hypothesis import settings

# No deadline: a busy machine is not a failure. Fewer examples than the default 100: the suite stays quick.
settings.register_profile("ssen_ros", deadline=None, max_examples=60)
settings.load_profile("ssen_ros")

NODES = "test/ros"
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ  # of `pytest -n`
if IS_WORKER:  # the others have the other cores
    os.environ["OMP_NUM_THREADS"] = "1"


def company(nodeid: str) -> str:
    """The tests that one worker takes together: those of a file, which share what takes long to make, and all
    that start nodes, for two of these at a time keep each other waiting."""
    path = nodeid.split("::")[0]
    return NODES if path.startswith(f"{NODES}/") else path


def pytest_collection_modifyitems(items):
    if IS_WORKER:  # the largest company first: else its worker would still be at it when the others are done
        items.sort(key=lambda item: company(item.nodeid) != NODES)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class InCompany(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return company(nodeid)

    config.option.loadscopereorder = False  # as collected
    return InCompany(config, log)


def pytest_terminal_summary(terminalreporter):
    if os.environ.get("SSEN_SKIP_ROS_TESTS", "0") != "0":
        terminalreporter.write_line(f"{NODES} SKIPPED: SSEN_SKIP_ROS_TESTS is set", red=True)
