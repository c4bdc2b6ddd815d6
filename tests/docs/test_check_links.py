"""The test of the site's links finds what is wrong with them; links of documents above docs/ lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("check_links", ROOT / "docs" / "check_links.py")
check_links = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_links)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="b.html#there">', None),
        ('<a href="folder/">', None),
        ('<a href="https://example.org/">', None),
        ('<link rel="canonical" href="https://example.org/">', None),
        ('<img src="data:image/png;base64,AAAA">', None),
        ('<a href="c.html">', "a.html: c.html leads nowhere"),
        ('<a href="#nowhere">', "a.html: #nowhere names an anchor that a.html lacks"),
        ('<a href="b.html#nowhere">', "a.html: b.html#nowhere names an anchor that b.html lacks"),
        ('<script src="https://example.org/x.js">', "a.html: loads https://example.org/x.js from a network"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "a.html: loads //example.org/x.css from a network"),
    ],
)
def test_faults_of_links(tmp_path, body, fault):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("")
    (tmp_path / "b.html").write_text('<p id="there">')
    (tmp_path / "a.html").write_text(body)
    assert check_links.faults_of(tmp_path) == ([] if fault is None else [fault])


def test_a_site_without_pages_is_a_fault(tmp_path):
    assert check_links.faults_of(tmp_path) == [f"{tmp_path}: no pages"]


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "benchmarks/NOTES.md"]
)
def test_local_links_above_the_site_lead_somewhere(name):
    document = ROOT / name
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        assert "://" in target or (document.parent / target).exists(), target
