"""The lowest objective ever seen on each workload, kept in best_known.json."""

import json
import math
from pathlib import Path
from typing import Any

__all__ = ["STORE", "lowest"]

STORE = Path(__file__).parent / "best_known.json"


def lowest(name: str, facts: dict[str, Any], store: Path | None = STORE) -> dict[str, Any]:
    """Return the lowest total of this run and of the store, and put it into the store when it is new.

    Parameters
    ----------
    name : str
        Name of the workload.
    facts : dict
        The workload's "fingerprint" and "results".
    store : Path or None
        A JSON file, created when absent; None for this run alone (small data).

    Returns
    -------
    dict
        total, by (solver and setting), and fingerprint. A value stored for other data is not believed.
    """
    known = json.loads(store.read_text()) if store and store.exists() else {}
    best = {"total": math.nan, "by": "nobody", "fingerprint": facts["fingerprint"]}
    done = [
        r for r in facts["results"] if r["status"] == "ok" and not math.isnan(r["total"]) and not r.get("objective")
    ]
    if done:
        first = min(done, key=lambda r: r["total"])
        best |= {"total": first["total"], "by": f"{first['solver']}, {first['setting']}"}
    stored = known.get(name)
    if stored and stored["fingerprint"] == best["fingerprint"] and not stored["total"] > best["total"]:
        return stored
    if store and done:
        store.write_text(json.dumps({**known, name: best}, indent=1, sort_keys=True) + "\n")
    return best
