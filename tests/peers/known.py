"""Why tests of scikit-learn fail with our estimators: (part of the test's name, part of the message, reason).

The first line whose parts are found decides; an outcome that no line explains is a fault.
"""

KNOWN: tuple[tuple[str, str, str], ...] = (
    ("dtype_match", "float64", "results are float64 whatever X is"),
    ("", "dtype('float64')", "results are float64 whatever X is"),
    ("", "no attribute 'solver_'", "no attribute solver_"),
    ("sparsify", "no attribute 'sparsify'", "no sparsify(): without an L1 penalty no coefficient is zero"),
    ("", "_predict_proba_lr", "a private method of scikit-learn's"),
    ("tweedie_link", "_base_loss", "a private attribute of scikit-learn's"),
    ("tweedie_score", "assert", "score is R2, deviance's share is d2_score"),
    ("wrong_y_range", "Regex", "another text of the same error"),
    ("sample_weights_greater_than_1d", "Regex", "the adapter's, not ours"),
    ("linalg_warning", "rank deficient", "dependent columns: a RankDeficiencyWarning, not one of scipy's"),
    ("shapes_type", "has no attribute 'shape'", "intercept_ of one target is a float"),
    ("intercept_sparse_sag", "DID NOT WARN", "scikit-learn's solver warns that it is inexact; ours is exact"),
    ("intercept_sparse_error", "", "sparse X with an intercept is fitted, whatever the solver is called"),
    ("penalty_none", "DID NOT WARN", "no warning that C is ignored: the adapter has no penalty"),
    ("penalty_deprecated", "", "deprecations of scikit-learn's own arguments"),
    ("l1_ratio", "DID NOT WARN", "deprecations of scikit-learn's own arguments"),
    ("n_jobs", "DID NOT WARN", "deprecations of scikit-learn's own arguments"),
    ("test_check_solver_option", "", "which of scikit-learn's solvers takes which of its arguments"),
    ("test_elasticnet_l1_ratio_err", "", "which of scikit-learn's solvers takes which of its arguments"),
    ("test_max_iter", "", "the warning has a text of its own"),
    ("newton_cholesky_fallback", "", "another number of iterations: no fallback is needed"),
    ("", "The data are separated", "separated classes: a SeparationWarning where scikit-learn is silent"),
    ("warm_start_newton_solver", "Not equal", "few iterations go along another path to the same maximum"),
    ("zero_max_iter", "Not equal", "with max_iter=0 the estimate is a start that has seen the data, not zero"),
    ("callback", "assert", "callbacks: another number of tasks"),
    ("callback", "has no attribute", "callbacks: another number of tasks"),
)


def reason(name: str, message: str) -> str | None:
    """Return why a test fails, or None where that is a fault of ours."""
    return next((why for part, words, why in KNOWN if part in name and words in message), None)
