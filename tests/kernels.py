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
# Directories whose results depend on sums and factorizations of many numbers.
PATHS = (
    "tests/rows",
    "tests/numerics",
    "tests/solvers",
    "tests/quantile",
    "tests/fit",
    "tests/inference",
    "tests/estimators",
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
THREADED = ("tests/numerics", "tests/hard_inputs/test_execution.py", "tests/estimators")
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
    failed = [("own kernel", threads) for threads in THREADS if pytest_fails(None, threads, "-m", "alone", *THREADED)]
    parallel = ("-n", "logical", "--maxprocesses=8", "--dist=worksteal", "-m", "not alone", *PATHS)
    for kernel, threads in runs():
        if pytest_fails(kernel, threads, *parallel):
            failed.append((kernel or "own kernel", threads))
    for kernel, threads in failed:
        print(f"Failed: {kernel}, OMP_NUM_THREADS={threads}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
