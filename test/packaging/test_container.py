"""The Dockerfile and the workflow, which cannot run here, at least name what there is."""

import re
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")


def test_everything_that_is_copied_exists():
    copied = [words for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M) if (words := line.split())]
    assert copied
    for *sources, target in copied:
        assert target.startswith("src/ssen_ros/")
        assert all((CHECKOUT / source).exists() for source in sources), sources


def test_the_groups_of_requirements_and_the_launch_file_exist():
    groups = re.search(r"requirements\.py ([\w ]+) >", DOCKERFILE)[1].split()
    pyproject = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    assert groups[0] == "run" and all(re.search(rf"^{group} = \[", pyproject, re.M) for group in groups[1:])
    assert (CHECKOUT / "launch" / re.search(r'"(\w+\.launch\.py)"\]', DOCKERFILE)[1]).is_file()


def test_the_image_leaves_out_what_is_built_and_keeps_what_is_installed():
    left_out = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "build", "install"} <= set(left_out)
    cmake = (CHECKOUT / "CMakeLists.txt").read_text(encoding="utf-8")
    (folders,) = re.findall(r"install\(DIRECTORY ([\w ]+) DESTINATION share", cmake)
    assert not set(folders.split()) & set(left_out)


def test_the_workflow_runs_targets_of_the_makefile_and_tests_that_exist():
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"make .*\" ([a-z ]+)", "\n".join(commands))
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets.split())
    tests = re.findall(r"\btest/\S+", "\n".join(commands).replace('"', " "))
    assert len(tests) == 3 and all((CHECKOUT / path).exists() for path in tests)
