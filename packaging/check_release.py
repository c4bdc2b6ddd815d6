"""Test that a commit may be released: one version everywhere, and no placeholder left.

Run as ``python packaging/check_release.py [TAG]`` or ``make check-release``; the workflow that publishes runs it first.
packaging/RELEASING.md says what to write in the place of what it finds.
"""

import os
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What stands in some files only until a release: patterns of paths, and of the text.
PLACEHOLDERS = {
    "pyproject.toml": r"@users\.noreply\.github\.com",
    "CITATION.cff": r'name: "The sklearn-mle developers"',
    "README.md": r"(?i)not (yet )?on PyPI|unreleased",
    "docs/*.md": r"(?i)not (yet )?on PyPI",
    "CHANGELOG.md": r"\(unreleased\)",
}
# The version of each file; that of the package decides.
VERSIONS = {
    "sklearn_mle/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
    "CHANGELOG.md": r"^## (\S+) \(",
    "packaging/conda/recipe.yaml": r'^  version: "(.+)"$',
}
REPOSITORY = re.compile(r"https://github\.com/([\w.-]+/sklearn-mle)\b")
SITE = re.compile(r"https://([\w-]*sklearn-mle[\w-]*)\.readthedocs\.io")


def text_files(root: Path) -> list[Path]:
    """Return the documents and the metadata that may name the repository or the site."""
    patterns = ("*.md", "*.toml", "*.cff", "docs/*.md", "packaging/**/*.*", "paper/*.md", ".github/**/*.y*ml")
    # The estimators' repr links to the site.
    patterns += ("sklearn_mle/estimators/_base.py",)
    return sorted(path for pattern in patterns for path in root.glob(pattern) if path.suffix != ".pyc")


def faults_of(root: Path, *, tag: str = "", repository: str = "") -> list[str]:
    """Return what is in the way of a release, each as one line that names the file."""
    faults = []
    for names, pattern in PLACEHOLDERS.items():
        for path in sorted(root.glob(names)):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if found := re.search(pattern, line):
                    faults.append(f"{path.relative_to(root).as_posix()}:{number}: the placeholder {found[0]!r}")

    versions = {}
    for name, pattern in VERSIONS.items():
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        versions[name] = match[1] if match else "no version"
    expected = versions["sklearn_mle/__init__.py"]
    faults += [f"{name}: {version}, not {expected}" for name, version in versions.items() if version != expected]
    if tag and tag != f"v{expected}":
        faults.append(f"the tag is {tag}, not v{expected}")

    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    own = REPOSITORY.fullmatch(urls["Source"])
    if own is None:
        return [*faults, f"pyproject.toml: Source is {urls['Source']}, not https://github.com/<owner>/sklearn-mle"]
    if repository and repository != own[1]:
        faults.append(f"pyproject.toml: Source is {urls['Source']}, but the repository is {repository}")
    site = SITE.findall(urls["Documentation"])
    for path in text_files(root):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(root).as_posix()
        others = set(REPOSITORY.findall(text)) - {own[1]}
        faults += [f"{name}: names the repository {other}, not {own[1]}" for other in sorted(others)]
        others = set(SITE.findall(text)) - set(site)
        faults += [f"{name}: names the site {other}, which is not {urls['Documentation']}" for other in sorted(others)]
    return faults


def main() -> int:
    """Print what is in the way; the exit code is 1 if anything is."""
    faults = faults_of(ROOT, tag="".join(sys.argv[1:2]), repository=os.environ.get("GITHUB_REPOSITORY", ""))
    for fault in faults:
        print(fault)
    if faults:
        print("packaging/RELEASING.md says what to write instead.")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
