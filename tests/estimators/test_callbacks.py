"""scikit-learn's callbacks: tasks, scores while fitting, and stop requests."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._solvers import Status

SUPPORTED = parse_version(sklearn.__version__) >= parse_version("1.9")
needs_callbacks = pytest.mark.skipif(not SUPPORTED, reason="scikit-learn has callbacks from 1.9 on")

rng = np.random.default_rng(0)
X = rng.standard_normal((200, 3))
LABELS = (X @ [1.0, -1.0, 0.5] + rng.logistic(size=200) > 0).astype(int)
REAL = X @ [1.0, -1.0, 0.5] + np.exp(0.3 * X[:, 0]) * rng.standard_normal(200)
FITS = [(MLELogisticClassifier(), LABELS), (GaussianMLERegressor(scale="log_linear"), REAL)]


class Recorder:
    """Keeps what each hook was given; asks to stop at the end of the given iteration."""

    def __init__(self, stop_at=None, fail_at=None):
        self.events, self.estimators, self.stop_at, self.fail_at = [], [], stop_at, fail_at

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name} {context.task_id}")
        self.X, self.y, self.metadata = X, y, metadata
        if fitted_estimator is not None:
            self.estimators.append(fitted_estimator)
        iteration = context.task_name == "iteration"
        if iteration and context.task_id == self.fail_at:
            raise RuntimeError("the callback failed")
        return iteration and context.task_id == self.stop_at


@pytest.mark.skipif(SUPPORTED, reason="scikit-learn has callbacks")
def test_below_1_9_set_callbacks_says_what_is_needed():
    with pytest.raises(ImportError, match=r"needs scikit-learn >= 1\.9, but 1\."):
        MLELogisticClassifier().set_callbacks(Recorder())


@needs_callbacks
@pytest.mark.parametrize(("estimator", "y"), FITS)
def test_a_fit_is_a_root_task_with_one_task_an_iteration(estimator, y):
    recorder = Recorder()
    estimator.set_callbacks(recorder).fit(X, y)
    n_iter = int(np.max(estimator.n_iter_))
    events = recorder.events
    assert events[:3] == ["setup", "begin fit 0", "begin iteration 0"]
    assert events[-3:] == [events[-3], "end fit 0", "teardown"]
    begun = [event for event in events if event.startswith("begin")]
    ended = [event for event in events if event.startswith("end")]
    assert sorted(event[6:] for event in begun) == sorted(event[4:] for event in ended)
    assert len(recorder.estimators) >= n_iter
    assert not [name for name in vars(estimator) if "callback_fit_ctx" in name]


@needs_callbacks
@pytest.mark.parametrize(("estimator", "y"), FITS)
def test_every_iteration_hands_over_an_estimator_that_predicts(estimator, y):
    recorder = Recorder()
    estimator.set_callbacks(recorder).fit(X, y)
    likelihoods = [model.log_likelihood(X, y) for model in recorder.estimators]
    assert likelihoods[-1] == pytest.approx(estimator.log_likelihood_)
    assert max(likelihoods) == pytest.approx(estimator.log_likelihood_)
    assert all(model.predict(X).shape == (200,) for model in recorder.estimators)


@needs_callbacks
@pytest.mark.parametrize(
    ("estimator", "y", "weight"),
    [
        (GaussianMLERegressor(scale=2.0), REAL, None),
        (MLERegressor("lognormal", predictors={"scale": 1.5}), np.exp(REAL), None),
        (GaussianMLERegressor(weight_type="precision"), REAL, 1 + rng.random(200)),
        (MLERegressor("gamma", weight_type="precision"), np.exp(REAL), 1 + rng.random(200)),
    ],
)
def test_the_dispersion_handed_over_is_the_known_one_or_that_which_weights_divide(estimator, y, weight):
    recorder = Recorder()
    estimator.set_callbacks(recorder).fit(X, y, sample_weight=weight)
    last_iteration = recorder.estimators[-2]
    assert last_iteration.log_likelihood(X, y, sample_weight=weight) == pytest.approx(estimator.log_likelihood_)


@needs_callbacks
@pytest.mark.parametrize(("estimator", "y"), FITS)
def test_a_stop_request_is_honoured(estimator, y):
    full = sklearn.clone(estimator).set_callbacks().fit(X, y)
    stopped = sklearn.clone(estimator).set_callbacks(Recorder(stop_at=0)).fit(X, y)
    assert stopped.status_ is Status.STOPPED
    assert np.max(stopped.n_iter_) < np.max(full.n_iter_)
    assert stopped.log_likelihood_ < full.log_likelihood_
    assert stopped.predict(X).shape == (200,)


@needs_callbacks
@pytest.mark.parametrize(("estimator", "y"), FITS)
def test_a_callback_that_fails_leaves_the_estimator_as_it_was(estimator, y):
    recorder = Recorder(fail_at=0)
    estimator = sklearn.clone(estimator).set_callbacks(recorder)
    before = dict(vars(estimator))
    with pytest.raises(RuntimeError, match="the callback failed"):
        estimator.fit(X, y)
    assert recorder.events[-1] == "teardown"
    assert vars(estimator) == before


@needs_callbacks
def test_callbacks_see_the_user_s_data_and_metadata():
    recorder = Recorder()
    frame, weight = pd.DataFrame(X, columns=["a", "b", "c"]), np.ones(200)
    model = MLELogisticClassifier().set_callbacks(recorder)
    model.fit(frame, LABELS)
    assert recorder.X is frame and recorder.y is LABELS and recorder.metadata is None
    model.fit(X, LABELS, sample_weight=weight, offset=0.0)
    assert recorder.metadata == {"sample_weight": weight, "offset": 0.0}


@needs_callbacks
def test_what_is_shown_has_no_number_of_an_earlier_fit():
    recorder = Recorder()
    model = GaussianMLERegressor().fit(pd.DataFrame(X, columns=["a", "b", "c"]), REAL)
    model.set_callbacks(recorder).fit(X[:100], REAL[:100])
    shown = recorder.estimators[0]
    published = ["feature_names_in_", "log_likelihood_", "gap_", "status_", "n_obs_", "df_resid_"]
    assert [getattr(shown, name) for name in published] == [None] * 6
    assert shown.score(X, REAL) == pytest.approx(model.score(X, REAL))
    assert pickle.loads(pickle.dumps(shown)).status_ is None
    for ask in (shown.aic, shown.bic):
        with pytest.raises(ValueError, match="shown to a callback before its fit ended. Ask after fit"):
            ask()


@needs_callbacks
def test_scoring_monitor_scores_every_iteration():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = MLELogisticClassifier().set_callbacks(monitor)
    # The second fit has no names, and must not be scored with those of the first.
    for given in (pd.DataFrame(X, columns=["a", "b", "c"]), X):
        model.fit(given, LABELS, sample_weight=np.ones(200))
        rows = monitor.get_logs().data
        assert len(rows) >= model.n_iter_[0]
        assert rows[-1]["neg_log_loss"] == pytest.approx(model.log_likelihood_ / 200)


@needs_callbacks
def test_scoring_monitor_scores_a_regressor_with_an_offset():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring={"r2": lambda model, X, y, offset: model.score(X, y, offset=offset)})
    offset = rng.standard_normal(200)
    model = GaussianMLERegressor(scale="log_linear").set_callbacks(monitor).fit(X, REAL + offset, offset=offset)
    assert monitor.get_logs().data[-1]["r2"] == pytest.approx(model.score(X, REAL + offset, offset=offset))


@needs_callbacks
def test_progress_bars_reach_through_a_search(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    MLELogisticClassifier().set_callbacks(ProgressBar()).fit(X, LABELS)
    assert "MLELogisticClassifier - fit" in capsys.readouterr().out
    pipe = make_pipeline(StandardScaler(), MLELogisticClassifier())
    search = GridSearchCV(pipe, {"mlelogisticclassifier__C": [0.1, 1.0]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, LABELS)
    assert "MLELogisticClassifier" in capsys.readouterr().out


@needs_callbacks
def test_callbacks_survive_clone_and_are_no_parameter():
    recorder = Recorder()
    model = MLELogisticClassifier().set_callbacks(recorder)
    assert sklearn.clone(model)._skl_callbacks == [recorder]
    assert "callbacks" not in model.get_params()
