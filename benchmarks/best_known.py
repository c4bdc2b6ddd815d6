"""The lowest objective ever seen on each workload, kept in best_known.json."""

import json
from pathlib import Path
from typing import Any

__all__ = ["update"]

STORE = Path(__file__).parent / "best_known.json"
ROUNDING = 1e-15  # relative: what the judge's own sums may be off by


def update(name: str, quick: bool, facts: dict[str, Any], store: Path = STORE) -> dict[str, Any]:
    """Return the lowest total of this run and of the store, and put it into the store when it is new.

    Parameters
    ----------
    name : str
        Name of the workload.
    quick : bool
        Small data are kept apart.
    facts : dict
        The workload's "fingerprint" and "results".
    store : Path
        A JSON file; created when absent.

    Returns
    -------
    dict
        total, by (solver and setting), and fingerprint; a stored value for other data is not believed.
    """
    known = json.loads(store.read_text()) if store.exists() else {}
    key = f"{name}/quick" if quick else name
    candidates = [r for r in facts["results"] if r["status"] == "ok" and r["total"] == r["total"]]
    stored = known.get(key)
    if stored and stored["fingerprint"] != facts["fingerprint"]:
        stored = None
    if not candidates:
        return stored or {"total": float("nan"), "by": "nobody", "fingerprint": facts["fingerprint"]}
    best = min(candidates, key=lambda r: r["total"])
    new = {
        "total": best["total"],
        "by": f"{best['solver']}, {best['setting']}",
        "fingerprint": facts["fingerprint"],
    }
    if stored and stored["total"] <= new["total"] + ROUNDING * abs(new["total"]):
        return {**stored, "total": min(stored["total"], new["total"])}
    known[key] = new
    store.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    return new
