"""A placeholder, two versions or another repository's address stop a release; RELEASING.md lists them all."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("check_release", ROOT / "packaging" / "check_release.py")
check_release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_release)


@pytest.fixture
def tree(tmp_path):
    """A copy of what the check reads, with everything filled in, as a maintainer would."""
    named = [path for names in check_release.PLACEHOLDERS for path in ROOT.glob(names)]
    for source in {*named, *check_release.text_files(ROOT), *(ROOT / name for name in check_release.VERSIONS)}:
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for names, pattern in check_release.PLACEHOLDERS.items():
        filled = "(2027-01-31)" if names == "CHANGELOG.md" else "filled in"
        for path in tmp_path.glob(names):
            path.write_text(re.sub(pattern, filled, path.read_text(encoding="utf-8")), encoding="utf-8")
    return tmp_path


def replace(path, old, new):
    """Replace text that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_tree_with_everything_filled_in_may_be_released(tree):
    version = check_release.faults_of(tree, tag="v0")[0].rpartition(" v")[2]
    assert check_release.faults_of(tree, tag=f"v{version}", repository="sklearn-mle/sklearn-mle") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "1@users.noreply.github.com"),
        ("CITATION.cff", '  - name: "The sklearn-mle developers"'),
        ("README.md", "not on PyPI yet"),
        ("README.md", "Version 0.1.0, unreleased"),
        ("docs/support.md", "It is not yet on PyPI"),
        ("CHANGELOG.md", "## 0.2.0 (unreleased)"),
    ],
)
def test_a_placeholder_stops_a_release(tree, name, text):
    path = tree / name
    path.write_text(path.read_text(encoding="utf-8") + f"# {text}\n", encoding="utf-8")
    (fault,) = check_release.faults_of(tree)
    assert fault.startswith(f"{name}:") and "placeholder" in fault


@pytest.mark.parametrize("name", check_release.VERSIONS)
def test_two_versions_stop_a_release(tree, name):
    version = check_release.faults_of(tree, tag="v0")[0].rpartition(" v")[2]
    replace(tree / name, version, "9.9.9")
    assert check_release.faults_of(tree)


def test_another_repository_or_site_stops_a_release(tree):
    assert "the repository is a/b" in check_release.faults_of(tree, repository="a/b")[0]
    replace(tree / "docs/support.md", "# Support", "# https://github.com/someone/sklearn-mle\n\n# Support")
    replace(tree / "docs/glossary.md", "# ", "# https://sklearn-mle-dev.readthedocs.io ")
    assert [fault.partition(":")[0] for fault in check_release.faults_of(tree)] == [
        "docs/glossary.md",
        "docs/support.md",
    ]


def test_the_list_for_maintainers_names_every_file():
    listed = (ROOT / "packaging" / "RELEASING.md").read_text(encoding="utf-8")
    names = {*check_release.PLACEHOLDERS, *check_release.VERSIONS} - {"docs/*.md"}
    assert {name for name in names if f"`{name}`" not in listed} == set()
