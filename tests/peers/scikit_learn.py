"""Run scikit-learn's own tests, of the installed version, against our estimators: ``make peers``.

Before pytest imports the test modules, the names in ``sklearn.linear_model`` are replaced by adapters; scikit-learn's
own code imports from its modules and is not affected. A test counts if one of our estimators was fitted in it.
"""

import sys
from collections import Counter
from typing import Any

import pytest
import sklearn
from sklearn import linear_model

from tests.peers.adapters import SUBSTITUTES, AbsentError, Translated
from tests.peers.known import reason

MODULES = ("tests.test_logistic", "_glm.tests.test_glm", "tests.test_ridge")


class Collector:
    """Sort every outcome: passed, absent by design, a known difference, or a fault."""

    def __init__(self) -> None:
        self.outcomes: dict[str, tuple[str, str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        if call.when == "setup":
            item.fits_before = Translated.n_fits
        if call.when == "call" or report.failed:
            self.outcomes[item.nodeid.rpartition("/")[2]] = self._sorted(item, call, report)
        return report

    def _sorted(self, item: pytest.Item, call: pytest.CallInfo[None], report: Any) -> tuple[str, str]:
        if Translated.n_fits == item.fits_before:
            return "without ours", ""
        if report.passed or report.skipped:
            return ("passed" if report.passed else "without ours"), ""
        error = call.excinfo.value
        while error is not None:
            if isinstance(error, AbsentError):
                return "absent", str(error)
            error = error.__cause__ or error.__context__
        if "AbsentError" in str(call.excinfo.value):
            return "absent", "in a search or an ensemble"
        message = str(call.excinfo.value).strip()
        known = reason(item.name, message)
        return ("known", known) if known else ("fault", message.split("\n")[0])


def main(arguments: list[str]) -> int:
    for substitute in SUBSTITUTES:
        setattr(linear_model, substitute.__name__, substitute)
    collector = Collector()
    modules = [f"sklearn.linear_model.{name}" for name in MODULES]
    options = ["-q", "--tb=no", "--no-summary", "-p", "no:cacheprovider", "-c", "/dev/null", "--import-mode=prepend"]
    # No estimator here chooses its penalty by cross-validation, or computes with other arrays than NumPy's.
    options += ["-k", "not array_api and not cv"]
    pytest.main([*options, "--pyargs", *modules, *arguments], plugins=[collector])
    print(f"\nscikit-learn {sklearn.__version__}: its own tests with our estimators in the place of its own\n")
    print("| tests | passed | absent by design | known difference | fault |\n|---|---|---|---|---|")
    for module in MODULES:
        found = Counter(kind for name, (kind, _) in collector.outcomes.items() if module.rpartition(".")[2] in name)
        print(f"| {module} | " + " | ".join(str(found[kind]) for kind in ("passed", "absent", "known", "fault")) + " |")
    for kind in ("absent", "known", "fault"):
        for words, number in Counter(why for found, why in collector.outcomes.values() if found == kind).most_common():
            print(f"{kind}: {number} x {words}")
    faults = sorted(name for name, (kind, _) in collector.outcomes.items() if kind == "fault")
    print("\n".join(["", *(f"{name}: {collector.outcomes[name][1]}" for name in faults)]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
