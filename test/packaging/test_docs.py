"""README.md and docs/ agree with the code and each other: links, commands, parameters, figures, locks."""

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
MEASURED = [CHECKOUT / "docs" / "results.md", CHECKOUT / "docs" / "speed.md"]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Without what stands in blocks of code."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Links to files that do not exist, or to headings that the page they name does not have."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page):
    assert broken_links(page) == []


def test_the_check_sees_a_broken_link(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b` (c), d\n[1](#a-b-c-d) [2](page.md#b) [3](other.md) [4](https://x.org/#y)\n")
    assert broken_links(page) == ["page.md#b", "other.md"]


def test_readme_is_short():
    text = text_of(README)
    assert len(text.splitlines()) <= 180 and len(text.split()) <= 1500


def test_every_page_is_linked_in_the_readme():
    for page in (CHECKOUT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in text_of(README), page.name


# --- what a reader types -----------------------------------------------------------------------------


def snippets(page: Path) -> list[str]:
    """Commands: the lines of the shell's blocks, continued lines joined, and code within the text."""
    text = text_of(page)
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]
    return [re.sub(r"\s#.*", "", line).replace("\\|", "|") for line in lines] + spans


def help_of(command: list[str]) -> tuple[int, str]:
    """Exit code and text of `ssen COMMAND --help`."""
    from ssen_ros.cli import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    return end.value.code, said.getvalue()


def wrong_ssen_commands(snippets: list[str]) -> list[str]:
    """Calls of `ssen` with a command or an option that it does not have."""
    wrong = []
    for snippet in snippets:
        called = re.search(r"(?:^| )(?:\S+/bin/)?ssen ((?:[a-z]+(?:-[a-z]+)* ?\b)+)(.*)", snippet)
        if not called:
            continue
        command = called[1].split()
        code, help_text = help_of(command)
        options = re.findall(r"(?<!\S)\[?(--[a-z][a-z-]*)", called[2])
        if code != 0 or any(not re.search(rf"{option}\b(?!-)", help_text) for option in options):
            wrong.append(snippet)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_ssen_exist_with_their_options(page):
    assert wrong_ssen_commands(snippets(page)) == []


def test_the_check_sees_a_wrong_command():
    good = [
        "ssen simulate --rooms 3 --out DIR",
        "ros2 run ssen_ros ssen doctor --topic /t",
        "ssen import ply a.ply",
        "ssen train-objects runs/rooms --out F",
        "ros2 lifecycle set /ssen configure",
    ]
    bad = [
        "ssen simulat",
        "ssen train-things runs/rooms",
        "ssen train-objects runs/rooms --into F",
        "ssen simulate --room 3",
        ".venv/bin/ssen import plys",
        "torchrun --no-python ssen train semantic --config-file F",
    ]
    assert wrong_ssen_commands(good + bad) == bad


def test_commands_are_found_in_the_pages():
    commands = [s for page in PAGES for s in snippets(page) if re.search(r"(^|[ /])ssen [a-z]", s)]
    assert len(commands) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_scripts_launch_files_and_executables_exist(page):
    makefile = text_of(CHECKOUT / "Makefile")
    cmake = text_of(CHECKOUT / "CMakeLists.txt")
    for snippet in snippets(page):
        for target in re.findall(r"^make ((?:[a-z-]+ ?)+)", snippet):
            for name in target.split():
                assert re.search(rf"^{name}:", makefile, re.MULTILINE), snippet
        for script in re.findall(r"python3? (\S+\.py)", snippet):
            assert (CHECKOUT / script).exists(), snippet
        for name in re.findall(r"ros2 launch ssen_ros (\S+\.py)", snippet):
            assert any((CHECKOUT / folder / name).exists() for folder in ("launch", "examples")), snippet
        for name in re.findall(r"ros2 run ssen_ros ([a-z_]+)", snippet):
            assert re.search(rf"install_program\({name}\b|foreach\(.*\b{name}\b", cmake), snippet


def test_every_command_of_ssen_has_a_row():
    page = text_of(CHECKOUT / "docs" / "command_line.md")
    commands = re.findall(r"^    ([a-z]+)\b", help_of([])[1], re.MULTILINE)
    assert "segment" in commands
    for command in commands:
        assert re.search(rf"^\|.*`{command}\b.*\|", page, re.MULTILINE), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_parameters_that_are_named_exist(page):
    pytest.importorskip("rclpy", reason="NodeConfig belongs to the ROS side")
    from ssen_ros.config import parameters
    from ssen_ros.ros.parameters import NodeConfig

    names = {leaf.name for leaf in parameters(NodeConfig())}
    groups = {name.partition(".")[0] for name in names if "." in name}
    for snippet in snippets(page):
        for name in re.findall(r"(?<![\w/.])[a-z_]+\.[a-z_.]*[a-z_](?!\()\b", snippet):
            if name.partition(".")[0] in groups and not name.endswith((".py", ".json", ".png")):
                assert name in names or any(known.startswith(name + ".") for known in names), snippet


@pytest.mark.slow
def test_the_readmes_example_finds_objects(capsys):
    from ssen_ros.simulation import SimulatedSlam

    (example,) = re.findall(r"^```python\n(.*?)^```", text_of(README), re.MULTILINE | re.DOTALL)
    slam = SimulatedSlam(seed=0)
    slam.advance(frames=8)
    points, colors = slam.cloud()
    exec(example, {"points": points, "colors": colors})
    printed = capsys.readouterr().out.splitlines()
    assert printed and all(re.match(r"\d+ [a-z ]+ 0?\.\d+.* Box\(", line) for line in printed)


# --- figures -----------------------------------------------------------------------------------------


def test_a_figure_of_the_readme_stands_where_its_link_leads():
    section = text_of(README).split("\n## How good it is\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| [^|]*[a-z][^|]* \| ([\d.]+) \S+ \| \[.*\]\((.+?)#.+\) \|$", section, re.MULTILINE)
    assert len(rows) >= 3
    for figure, page in rows:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", text_of(CHECKOUT / page)), figure


def unexplained_tables(text: str) -> list[str]:
    """First rows of tables before whose end, from the heading on, their section has no command or no date."""
    found = []
    for section in re.split(r"^#+ .*\n", text, flags=re.MULTILINE):
        for table in re.finditer(r"(?:^\|.*\n)+", section, re.MULTILINE):
            told = section[: table.end()]
            if not (re.search(r"`(ssen|make) [^`]+`", told) and re.search(r"\b20\d\d-\d\d-\d\d\b", told)):
                found.append(table[0].splitlines()[0])
    return found


@pytest.mark.parametrize("page", MEASURED, ids=lambda page: page.name)
def test_tables_of_measurements_name_command_and_date(page):
    assert unexplained_tables(text_of(page)) == []


def test_the_check_sees_a_table_without_command_or_date():
    table = "| a |\n| --- |\n| 1 |\n"
    assert not unexplained_tables(f"# A\nBy `ssen bench engine`, 2026-11-24:\n\n{table}")
    without = f"# A\nBy `ssen bench engine`:\n\n{table}# B\n2026-11-24:\n\n{table}"
    assert unexplained_tables(without) == ["| a |", "| a |"]


def test_every_figure_of_the_paper_stands_with_its_command_and_date_and_is_small():
    page, files = text_of(CHECKOUT / "docs" / "figures.md"), CHECKOUT / "docs" / "figures"
    numbers = sorted(files.glob("figure*.json"))
    assert [file.stem for file in numbers] == [f"figure{n}" for n in (1, 3, 4, 5, 6)]
    for file in numbers:
        told = json.loads(text_of(file))
        section = page.split(f"\n## F{file.stem[1:6]} {file.stem[6]}: ")[1].split("\n## ")[0]
        assert f"`{told['command']}`, {told['date']}" in " ".join(section.split())
        assert f"(figures/{file.stem}.webp)" in section
        assert file.with_suffix(".webp").stat().st_size < 400_000
    assert (files / "figure6_moving.webp").stat().st_size < 2_000_000


# --- docs/architecture.md ----------------------------------------------------------------------------


def locks() -> set[str]:
    """`Class._attribute` of every lock or condition in the package."""
    found = set()
    sources = [text_of(path) for path in (CHECKOUT / "ssen_ros").rglob("*.py")]
    for source in (source for source in sources if "threading." in source):
        for owner in ast.walk(ast.parse(source)):
            if isinstance(owner, ast.ClassDef):
                made = re.findall(
                    r"self\.(\w+)(?:: [^=\n]+)? = threading\.(?:R?Lock|Condition)\(", ast.unparse(owner)
                )
                found |= {f"{owner.name}.{name}" for name in made}
    return found


def test_the_order_of_locks_knows_every_lock():
    page = text_of(CHECKOUT / "docs" / "architecture.md")
    section = page.split("\n### Order of locks\n")[1].split("\n## ")[0]
    rows = "\n".join(line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+\.\w+)`", rows)) == locks()
    ordered = re.findall(r"\w+\.\w+", re.findall(r"```\n(.*?)```", section, re.DOTALL)[0])
    assert ordered and set(ordered) <= locks()


# --- files -------------------------------------------------------------------------------------------

# Named in the texts, and of somebody else: of MinkowskiEngine, of a run's folder, of a submission.
NOT_OURS = ("examples/indoor.py", "config.yaml", "instance/predicted_masks/")


def missing_files(page: Path) -> list[str]:
    """Files and folders named in the text that are in neither the checkout nor the package.

    A bare name may lie anywhere in the folders of code and configuration.
    """
    roots = [CHECKOUT, CHECKOUT / "ssen_ros"]
    folders = ("ssen_ros", "config", "examples", "launch", "scripts", "src", "test")
    missing = []
    for name in re.findall(r"`([\w./]+\.(?:py|cpp|yaml|rviz|xml|md)|[\w./]+/)`", prose(page)):
        there = any((root / name).exists() for root in roots) or (
            "/" not in name and any(path for folder in folders for path in (CHECKOUT / folder).rglob(name))
        )
        if not there and name not in NOT_OURS:
            missing.append(name)
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    assert missing_files(page) == []
