"""A plugin of pytest: which test runs which line, and how long each takes, in a file for each worker."""

import json
import os
from pathlib import Path

import coverage
import pytest

OUTPUT = "MUTANTS_OUTPUT"


class Recorder:
    """The lines of each test, as a context of coverage, and its seconds."""

    def __init__(self, output: Path) -> None:
        self.output = output
        output.mkdir(parents=True, exist_ok=True)
        self.worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self.seconds: dict[str, float] = {}
        self.coverage = coverage.Coverage(
            data_file=str(output / f"{self.worker}.coverage"), source_pkgs=["sklearn_mle"], messages=False
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report):
        if not report.failed and not report.skipped:
            self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self):
        self.coverage.stop()
        self.coverage.save()
        (self.output / f"{self.worker}.json").write_text(json.dumps(self.seconds), encoding="utf-8")


def pytest_configure(config):
    """Record in the workers, or where there are none."""
    if OUTPUT in os.environ and not (config.getoption("numprocesses", None) and not hasattr(config, "workerinput")):
        config.pluginmanager.register(Recorder(Path(os.environ[OUTPUT])))
