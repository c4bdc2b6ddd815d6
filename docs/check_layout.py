"""Test the layout of a built site with Chromium: nothing is cut off on a desktop, no page is wider than a telephone.

Run as ``python docs/check_layout.py docs/_build/html``; ``make layout`` does. It needs the package playwright, and a
Chromium: that of ``playwright install chromium``, or the one that CHROMIUM or the path names.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DESKTOP, TELEPHONE = 1280, 400  # the widths of the windows, in CSS pixels
# Blocks that scroll by themselves: at the desktop's width there must be nothing to scroll.
CUT_OFF = """() => [...document.querySelectorAll(
    ".bd-article pre, .bd-article table, .bd-article div.math, .bd-article dt.sig, .bd-article img")]
    .filter(block => block.scrollWidth > block.clientWidth + 1 && block.clientWidth > 0)
    .map(block => `${block.tagName.toLowerCase()} of ${block.scrollWidth} px in ${block.clientWidth} px: `
        + block.innerText.trim().slice(0, 60).replace(/\\s+/g, " "))"""
# What holds the text must not scroll to the side, nor the page itself; the block in it that reaches furthest is named.
TOO_WIDE = """() => [document.scrollingElement,
    ...document.querySelectorAll(".bd-main, .bd-content, .bd-article-container, .bd-article")]
    .filter(holder => holder.scrollWidth > holder.clientWidth + 1)
    .map(holder => {
        const right = block => block.getBoundingClientRect().right;
        const last = [...holder.querySelectorAll(".bd-article > section *, .bd-article > *")]
            .reduce((a, b) => right(a) >= right(b) ? a : b, holder);
        return `${holder.className || "page"} of ${holder.scrollWidth} px in ${holder.clientWidth} px, by `
            + `${last.tagName.toLowerCase()}.${last.className}: `
            + (last.innerText || "").trim().slice(0, 60).replace(/\\s+/g, " ");
    })"""


def faults_of(site: Path) -> list[str]:
    """Return what does not fit, page by page; in the dark theme as in the light one the widths are the same."""
    paths = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    faults = [] if paths else [f"{site}: no pages"]
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        for path in paths:
            name = path.relative_to(site)
            page.set_viewport_size({"width": DESKTOP, "height": 900})
            page.goto(path.resolve().as_uri(), wait_until="load")
            faults += [f"{name}, {DESKTOP} px: {fault}" for fault in page.evaluate(CUT_OFF)]
            page.set_viewport_size({"width": TELEPHONE, "height": 900})
            faults += [f"{name}, {TELEPHONE} px: {fault}" for fault in page.evaluate(TOO_WIDE)]
        browser.close()
    return faults


if __name__ == "__main__":
    found = faults_of(Path(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"Layout: {len(found)} faults.")
    sys.exit(bool(found))
