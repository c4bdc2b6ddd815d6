"""What a library does with the cases, watched from another process: one that hangs or dies is started anew."""

import multiprocessing
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.reliability.cases import Case, cases
from benchmarks.reliability.judge import Seen
from benchmarks.reliability.libraries import LIBRARIES

__all__ = ["observe", "seen_of"]


def observe(library: str, case: Case) -> Seen:
    """Return what a library does with a case; numpy's complaints are no warnings of the library's."""
    data = case.given()
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            means, error = np.asarray(LIBRARIES[library](case.kind, data.X, data.y, data.weight)).tolist(), None
        except Exception as raised:
            means, error = None, f"{type(raised).__name__}: {raised}"
    said = tuple(
        f"{one.category.__name__}: {one.message}"
        for one in caught
        if not issubclass(one.category, DeprecationWarning | FutureWarning | PendingDeprecationWarning)
    )
    return Seen(means, error, said)


def work(library: str, kind: str, first: int, pipe: Any) -> None:
    """Answer the cases of a kind, from the first asked for, one after the other; say first that all is imported."""
    observe(library, cases(kind)[0])
    pipe.send("ready")
    for case in cases(kind)[first:]:
        pipe.send(observe(library, case))


def seen_of(library: str, kind: str, timeout: float) -> Iterator[Seen | str]:
    """Yield what a library does with every case of a kind; a process that hangs or dies is started anew after it."""
    context, done = multiprocessing.get_context("spawn"), 0
    while done < len(cases(kind)):
        mine, others = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(library, kind, done, others), daemon=True)
        process.start()
        others.close()
        try:
            mine.recv()
            while done < len(cases(kind)):
                if not mine.poll(timeout):
                    yield "hang"
                    done += 1
                    break
                answer = mine.recv()
                yield answer
                done += 1
        except EOFError:
            yield "crash"
            done += 1
        process.kill()
        process.join()
