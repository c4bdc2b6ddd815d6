"""Sphinx configuration: `make docs` builds the site, offline, with warnings as errors."""

import importlib
import inspect
import os
import shutil
import warnings
from pathlib import Path

import matplotlib
from docutils import nodes

import sklearn_mle

matplotlib.use("Agg")
# The examples run in this process: what they warn of is a fault of theirs.
warnings.filterwarnings("error", module=r"sklearn_mle(\..*)?|__main__")

project = "sklearn-mle"
author = "The sklearn-mle developers"
project_copyright = author
release = version = sklearn_mle.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", ".venv", "images/README.md"]
templates_path = ["_templates"]

# Every reference must lead somewhere; other projects' names are not looked up, for that needs their inventories.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(sklearn|scipy|numpy|pandas|matplotlib|statsmodels)\..*"),
    (r"py:.*", r"(abc\.ABC|sklearn_mle\.(\w+\.)*_\w+\.\w+)"),  # base classes that are not public
]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

mathjax_path = "mathjax/tex-chtml.js"  # the copy that sphinx-mathjax-offline brings

# `make docs-quick` leaves the examples out: their pages exist, without figures.
sphinx_gallery_conf = {
    "examples_dirs": ["../examples/exercises", "../examples/gallery"],
    "gallery_dirs": ["exercises", "gallery"],
    "filename_pattern": os.sep,
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "write_computation_times": False,  # its page loads scripts from a network
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "abort_on_example_error": True,
    "doc_module": ("sklearn_mle",),
    "backreferences_dir": "api/examples",
    "reference_url": {"sklearn_mle": None},
    "thumbnail_size": (400, 280),
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-mle"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def write_reference(directory: Path) -> None:
    """Write the API reference's pages from the packages' ``__all__``, so that no public name can be missing."""
    shutil.rmtree(directory, ignore_errors=True)  # a page of a name that is gone would stay
    directory.mkdir()
    # The estimators are listed where users import them from: the package itself.
    listed = {"estimators", "meta_estimators"}
    modules = ["sklearn_mle", *(f"sklearn_mle.{package}" for package in sorted(sklearn_mle._PACKAGES - listed))]
    for module in modules:
        names = [name for name in importlib.import_module(module).__all__ if name != "__version__"]
        lines = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
        lines += [f".. currentmodule:: {module}", "", ".. autosummary::", "   :toctree:", "   :nosignatures:", ""]
        (directory / f"{module}.rst").write_text("\n".join([*lines, *(f"   {name}" for name in names), ""]))
    title = "API reference"
    lines = [title, "=" * len(title), "", "Every public name, by the module it is imported from.", ""]
    lines += [".. toctree::", "   :maxdepth: 2", "", *(f"   {module}" for module in modules), ""]
    (directory / "index.rst").write_text("\n".join(lines))


write_reference(Path(__file__).parent / "api")


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out what an estimator inherits from scikit-learn: it is described there."""
    function = inspect.unwrap(obj) if callable(obj) else obj
    module = getattr(function, "__module__", None) or ""
    return True if module.startswith(("sklearn.", "abc")) else None


def relink(app, relative_path, parent_docname, content):
    """Let the links of a file that stands above docs/ lead to the pages of the site."""
    content[0] = content[0].replace("](docs/", "](").replace("](CHANGELOG.md", "](changelog.md")


def strip_code(app, doctree):
    """Drop the empty line that ends a doctest in Markdown (without it the fence would be taken for output)."""
    for block in doctree.findall(nodes.literal_block):
        code = block.astext().rstrip()
        block.rawsource = code
        block.children = [nodes.Text(code)]


def setup(app):
    """Register the hooks."""
    app.connect("doctree-read", strip_code)
    app.connect("include-read", relink)
    app.connect("autodoc-skip-member", skip_foreign_members)
