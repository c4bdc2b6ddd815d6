"""Run the tests with linear algebra under each of OpenBLAS's kernels the processor can run: ``make test-kernels``.

Kernels sum in different orders, so that results differ in their last digits: a tolerance that holds under one may have
been fitted to it. Wheels of numpy and scipy carry kernels for many processors and choose by what they find;
``OPENBLAS_CORETYPE`` overrules them, even where the processor lacks the instructions, so a child process tries first.
"""

import os
import subprocess
import sys

# One of each width of vectors: 128 bits, 256 with fused multiply-add, 512. Zen is Haswell's in most builds.
KERNELS = ("Nehalem", "Haswell", "Zen", "SkylakeX")
THREADS = ("1", "2")
# Whose results depend on sums and factorizations of many numbers: of the estimators' tests not those of arguments, of
# scikit-learn's checks (their tolerances are its own) and of the cluster (which says what becomes of tasks).
PATHS = (
    "tests/rows",
    "tests/numerics",
    "tests/solvers",
    "tests/quantile",
    "tests/fit",
    "tests/inference",
    "tests/estimators/test_dask_fit.py",
    "tests/estimators/test_firth.py",
    "tests/estimators/test_fitted.py",
    "tests/estimators/test_gaussian.py",
    "tests/estimators/test_logistic.py",
    "tests/estimators/test_null_models.py",
    "tests/estimators/test_predictors_argument.py",
    "tests/estimators/test_regressor.py",
    "tests/estimators/test_stored.py",
    "tests/existence",
    "tests/test_certified.py",
    "tests/test_curvature.py",
    "tests/test_rank_probe.py",
    "tests/test_hessian_factors.py",
    "tests/test_predictors.py",
    "tests/test_objective.py",
    "tests/test_penalties.py",
    "tests/test_rank.py",
)
# What watches threads, run alone: under the machine's own kernel, with each number of threads.
THREADED = ("tests/numerics/test_threads.py", "tests/hard_inputs/test_execution.py")
TRIAL = """
import numpy as np, scipy.linalg, threadpoolctl
for dtype in (np.float32, np.float64):
    X = np.random.default_rng(0).standard_normal((500, 200)).astype(dtype)
    scipy.linalg.cho_factor(X.T @ X), X @ X[0], X.T @ X[:, 0], X[0] @ X[0], scipy.linalg.qr(X), np.linalg.svd(X)
print(*sorted({library.get("architecture", "") for library in threadpoolctl.threadpool_info()} - {""}))
"""


def environment(kernel: str | None, threads: str) -> dict[str, str]:
    chosen = {} if kernel is None else {"OPENBLAS_CORETYPE": kernel}
    return {**os.environ, **chosen, "OMP_NUM_THREADS": threads}


def loaded(kernel: str | None) -> str | None:
    """Return the kernel that BLAS uses when asked for this one, or None where the processor cannot run it."""
    trial = subprocess.run([sys.executable, "-c", TRIAL], env=environment(kernel, "1"), capture_output=True, text=True)
    return trial.stdout.strip() if trial.returncode == 0 else None


def runs() -> list[tuple[str | None, str]]:
    """Return the (kernel, threads) to run under, but for the machine's own kernel and one thread: ``make test``'s.

    Threads divide the work before a kernel sees it, so more than one is tried under the own kernel alone.
    """
    own = loaded(None)
    chosen: list[tuple[str | None, str]] = [(None, threads) for threads in THREADS if threads != "1"]
    print(f"{own or 'not OpenBLAS'}: this machine's own")
    seen = {own}
    for kernel in KERNELS if own else ():
        name = loaded(kernel)
        if name is None:
            print(f"{kernel}: left out, this processor cannot run it")
        elif name in seen:
            print(f"{kernel}: left out, it is {name} here")
        else:
            seen.add(name)
            chosen.append((kernel, "1"))
    return chosen


def pytest_fails(kernel: str | None, threads: str, *arguments: str) -> bool:
    print(f"\n==> OPENBLAS_CORETYPE={kernel or ''} OMP_NUM_THREADS={threads} pytest {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return bool(subprocess.run(command, env=environment(kernel, threads), check=False).returncode)


def main() -> int:
    # With a thread per processor make test runs them.
    others = [threads for threads in THREADS if threads != str(os.cpu_count())]
    failed = [("own kernel", threads) for threads in others if pytest_fails(None, threads, "-m", "alone", *THREADED)]
    parallel = ("-n", "logical", "--maxprocesses=8", "--dist=worksteal", *PATHS)
    for kernel, threads in runs():
        # With more threads the daily tests: further settings sum in no other order than with one, as make test-all has.
        if pytest_fails(kernel, threads, *parallel, "-m", "not alone and not slow" if kernel is None else "not alone"):
            failed.append((kernel or "own kernel", threads))
    for kernel, threads in failed:
        print(f"Failed: {kernel}, OMP_NUM_THREADS={threads}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
