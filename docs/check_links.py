"""Test the links of a built site: every local target and every anchor exists, and nothing is loaded from a network.

Run as ``python docs/check_links.py docs/_build/html``; ``make docs`` does.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads by itself, as against what a reader may click.
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}


class Page(HTMLParser):
    """Anchors and links of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.update(given[key] for key in ("id", "name") if given.get(key))
        # rel="canonical" and the like are not loaded.
        loaded_by_link = given.get("rel") in {"stylesheet", "icon", "preload"}
        for key in ("href", "src"):
            if given.get(key):
                loaded = (tag, key) in LOADED and (tag != "link" or loaded_by_link)
                self.links.append((given[key], loaded))


def faults_of(site: Path) -> list[str]:
    """Return what is wrong with the links of all pages of a site."""
    # The theme keeps templates of its own beside its scripts.
    found = (path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts)
    pages = {path.resolve(): Page(path) for path in found}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for link, loaded in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if loaded and parts.scheme != "data":
                    faults.append(f"{name}: loads {link} from a network")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                faults.append(f"{name}: {link} leads nowhere")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                faults.append(f"{name}: {link} names an anchor that {target.name} lacks")
    if not pages:
        faults.append(f"{site}: no pages")
    return faults


if __name__ == "__main__":
    found = faults_of(Path(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"Links: {len(found)} faults.")
    sys.exit(bool(found))
