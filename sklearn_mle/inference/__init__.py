"""Inference on fitted models: standard errors, tests, intervals, existence."""

from sklearn_mle.inference.bootstrap import Bootstrap, bootstrap
from sklearn_mle.inference.comparisons import likelihood_ratio_test, score_test
from sklearn_mle.inference.effects import average_effects, average_predictions, contrasts
from sklearn_mle.inference.effects_result import Effects
from sklearn_mle.inference.hypotheses import DeltaMethod, HypothesisTest
from sklearn_mle.inference.infer import infer, wald_test
from sklearn_mle.inference.influence import Influence, influence
from sklearn_mle.inference.marginal_effects import to_marginaleffects
from sklearn_mle.inference.penalized_ratio import penalized_likelihood_ratio_test
from sklearn_mle.inference.predictions import mean_interval, probability_interval
from sklearn_mle.inference.profile import ProfileLikelihood, profile_interval
from sklearn_mle.inference.quantities import Above, Probability, Quantile
from sklearn_mle.inference.residuals import residuals
from sklearn_mle.inference.result import Inference
from sklearn_mle.inference.separation import Separation, detect_separation
from sklearn_mle.inference.summaries import SummaryComparison, compare_summaries
from sklearn_mle.inference.summary import Summary
from sklearn_mle.inference.term_tests import anova, drop_one

__all__ = [
    "Above",
    "Bootstrap",
    "DeltaMethod",
    "Effects",
    "HypothesisTest",
    "Inference",
    "Influence",
    "Probability",
    "ProfileLikelihood",
    "Quantile",
    "Separation",
    "Summary",
    "SummaryComparison",
    "anova",
    "average_effects",
    "average_predictions",
    "bootstrap",
    "compare_summaries",
    "contrasts",
    "detect_separation",
    "drop_one",
    "infer",
    "influence",
    "likelihood_ratio_test",
    "mean_interval",
    "penalized_likelihood_ratio_test",
    "probability_interval",
    "profile_interval",
    "residuals",
    "score_test",
    "to_marginaleffects",
    "wald_test",
]
