import shutil

import pytest

from ssen_ros.jobs import write_missing


@pytest.fixture
def paths(tmp_path):
    sources = [tmp_path / f"{i}.txt" for i in range(4)]
    for source in sources:
        source.write_text(source.stem)
    return {source: tmp_path / "out" / source.name for source in sources}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_missing_is_written_and_the_rest_kept(paths, workers):
    first, *others = paths.values()
    first.parent.mkdir()
    first.write_text("kept")
    assert write_missing(paths, shutil.copyfile, workers, progress=False) == list(paths.values())
    assert first.read_text() == "kept" and [path.read_text() for path in others] == ["1", "2", "3"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_ends_the_run_and_is_the_callers(paths, workers, tmp_path):
    paths = {tmp_path / "missing.txt": tmp_path / "out/missing.txt", **paths}
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        write_missing(paths, shutil.copyfile, workers, progress=False)
