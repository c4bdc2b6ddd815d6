"""The parts of what DistributionalRegressor learns: rounding, scales of any container, choice, calibration."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, Ridge, TweedieRegressor
from sklearn.model_selection import KFold, PredefinedSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import DistributionalRegressor
from sklearn_mle.exceptions import NotSupportedError, PerfectFitWarning, PITWarning, WorkingMemoryError
from sklearn_mle.likelihoods import Tweedie, likelihood_names
from sklearn_mle.meta_estimators._noise import resolution_of
from sklearn_mle.meta_estimators._recalibration import PITMap, Recalibrated, miscalibration
from sklearn_mle.meta_estimators._scale_model import NumericTable, with_prediction
from sklearn_mle.metrics import coverage

RNG = np.random.default_rng(0)
CV = KFold(4, shuffle=True, random_state=0)


def data(noise, n=600):
    """Return two columns and a y that is linear in them, with this noise."""
    X = np.random.default_rng(1).uniform(-1, 1, size=(n, 2))
    return X, X @ [2.0, -1.0] + noise


@pytest.mark.parametrize("unit", [1.0, 0.01, 0.25, 1 / 3, 1e-9, 2.54e6])
def test_the_unit_of_rounding_is_found_whatever_it_is(unit):
    y = unit * np.round(RNG.normal(size=200) * 30)
    assert resolution_of(y) == pytest.approx(unit, rel=1e-6)
    assert resolution_of(y + 1000 * unit) == pytest.approx(unit, rel=1e-6)


def test_numbers_that_are_not_rounded_have_no_unit():
    assert resolution_of(RNG.normal(size=500)) == 0
    assert resolution_of(np.append(np.arange(50.0), np.pi)) == 0
    assert resolution_of(np.full(5, 2.0)) == 0
    assert resolution_of(np.array([0.0, 6.0, 10.0, 10.0])) == 2


def test_tables_of_text_and_categories_become_numbers():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"a": [1.5, 2.5, np.nan], "b": ["x", "y", "x"], "c": pd.Categorical(["u", "v", "u"]), "d": [True, False, True]}
    )
    frame["e"] = pd.array([1, None, 3], dtype="Int64")
    table = NumericTable(frame)
    expected = np.array([[1.5, 0, 0, 1, 1, 7], [2.5, 1, 1, 0, np.nan, 8], [np.nan, 0, 0, 1, 3, 9]])
    np.testing.assert_array_equal(table(frame, np.array([7.0, 8.0, 9.0])), expected)
    new = frame.iloc[:1].assign(b="never seen")
    np.testing.assert_array_equal(table(new, np.array([7.0])), [[1.5, np.nan, 0, 1, 1, 7]])


def test_missing_text_and_values_of_several_types_become_numbers():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    text, prediction = ["x", None, "y"], np.zeros(3)
    columns = [pd.array(text, dtype="string"), pd.array(text, dtype="object"), pd.Categorical(text)]
    frames = [pl.DataFrame({"a": text}), *(pd.DataFrame({"a": column}) for column in columns)]
    for frame in frames:
        np.testing.assert_array_equal(NumericTable(frame)(frame, prediction)[:, 0], [0, np.nan, 1])
    mixed = pd.DataFrame({"a": pd.Series(["x", 1, "y"], dtype="object")})
    np.testing.assert_array_equal(NumericTable(mixed)(mixed, prediction)[:, 0], [1, 0, 2])
    with pytest.raises(TypeError, match=r"X: scale='auto'.*one holds \[1\].*scale='constant'"):
        NumericTable(pd.DataFrame({"a": [[1], [2]]}))


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_scale_of_categories_does_not_depend_on_the_output_of_transformers(output):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"a": RNG.normal(size=120), "b": pd.Categorical(np.tile(["u", "v"], 60))})
    y = X["a"] + RNG.normal(size=120) * np.where(X["b"] == "u", 1, 5)
    base = make_pipeline(ColumnTransformer([("numbers", StandardScaler(), ["a"])]), Ridge())
    model = DistributionalRegressor(base, "gaussian", cv=CV)
    expected = model.fit(X, y).predict_interval(X)
    with config_context(transform_output=output):
        np.testing.assert_array_equal(model.fit(X, y).predict_interval(X), expected)
    assert np.ptp(expected[1]) > 2 * np.ptp(expected[0])


def test_the_prediction_is_the_last_column_of_every_container():
    prediction = np.array([5.0, 6.0])
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    assert list(with_prediction(pd.DataFrame({"prediction": [1, 2]}), prediction).columns) == [
        "prediction",
        "prediction_",
    ]
    assert with_prediction(pl.DataFrame({"a": [1, 2]}), prediction).columns == ["a", "prediction"]
    np.testing.assert_array_equal(with_prediction(np.eye(2), prediction), [[1, 0, 5], [0, 1, 6]])
    sparse = with_prediction(csr_array(np.eye(2)), prediction)
    np.testing.assert_array_equal(sparse.toarray(), [[1, 0, 5], [0, 1, 6]])


def test_text_that_is_no_table_leaves_the_scale_to_the_prediction():
    texts = ["many words " * k for k in range(1, 121)]
    y = np.arange(1.0, 121) * (1 + 0.1 * np.random.default_rng(0).normal(size=120))
    base = make_pipeline(CountVectorizer(), LinearRegression())
    model = DistributionalRegressor(base, "gaussian", cv=CV).fit(texts, y)
    scale = model.predict_parameters(texts)["scale"]
    assert scale[-20:].mean() > 2 * scale[:20].mean()


def test_sparse_rows_that_would_fill_the_memory_are_refused():
    X = csr_array((np.ones(400), (np.arange(400), np.arange(400) % 3)), shape=(400, 20_000))
    y = np.random.default_rng(0).normal(size=400)
    with config_context(working_memory=1), pytest.raises(WorkingMemoryError, match="Give scale='constant'"):
        DistributionalRegressor(Ridge(), cv=2).fit(X, y)
    assert DistributionalRegressor(Ridge(), scale="constant", cv=2).fit(X, y).predict_interval(X).shape == (400, 2)


def test_few_rows_have_a_constant_scale():
    X, y = data(np.random.default_rng(0).normal(size=30), n=30)
    model = DistributionalRegressor(LinearRegression(), "gaussian", cv=CV).fit(X, y)
    assert model.noise_.parameters_["scale"] == model.noise_.scale_


def test_the_units_of_y_and_of_weights_are_no_part_of_the_modelled_scale():
    # Boosting splits no node whose sum of weighted sizes is below a constant.
    rng = np.random.default_rng(0)
    X, y = data(np.exp(np.linspace(-1, 1, 200)) * rng.normal(size=200), n=200)
    base = DistributionalRegressor(LinearRegression(), cv=CV)
    expected = base.fit(X, y).predict_interval(X)
    assert np.ptp(expected[:, 1] - expected[:, 0]) > 0.5
    for unit in (2.0**-40, 2.0**40):
        np.testing.assert_allclose(clone(base).fit(X, y * unit).predict_interval(X) / unit, expected, rtol=1e-6)
        if unit < 1:  # a weight of more than one is that many rows, by which a small error of the PIT is none of chance
            weighted = clone(base).fit(X, y, sample_weight=np.full(200, unit))
            np.testing.assert_allclose(weighted.predict_interval(X), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", ["auto", Ridge()])
def test_rows_of_weight_zero_are_no_part_of_the_modelled_scale(scale):
    rng = np.random.default_rng(0)
    X, y = data(np.exp(np.linspace(-1, 1, 260)) * rng.normal(size=260), n=260)
    y = np.round(4 * y) / 4
    y[200:] = np.geomspace(0.0123, 1e12, 60)
    weight = (np.arange(260) < 200).astype(float)
    folds = [np.arange(k, 200, 4) for k in range(4)]
    of_present = [(np.setdiff1d(np.arange(200), test), test) for test in folds]
    of_all = [(np.append(train, np.arange(200, 260)), test) for train, test in of_present]
    of_all[0] = of_all[0][0], np.append(of_all[0][1], np.arange(200, 260))
    found = DistributionalRegressor(LinearRegression(), scale=scale, cv=of_all).fit(X, y, sample_weight=weight)
    expected = DistributionalRegressor(LinearRegression(), scale=scale, cv=of_present).fit(X[:200], y[:200])
    np.testing.assert_allclose(found.predict_interval(X), expected.predict_interval(X), rtol=1e-6)


def test_weights_are_copies_in_the_bound_of_the_modelled_scale():
    # A straight line predicts negative sizes in some rows, where the bound takes their place.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    y = X[:, 0] + np.exp(0.8 * X[:, 1]) * rng.standard_t(4, size=150)
    weight, fold = rng.integers(0, 4, 150), np.arange(150) % 3
    rows = np.repeat(np.arange(150), weight)
    found, expected = (
        DistributionalRegressor(LinearRegression(), scale=LinearRegression(), cv=PredefinedSplit(of_rows))
        for of_rows in (fold, fold[rows])
    )
    found.fit(X, y, sample_weight=weight.astype(float))
    expected.fit(X[rows], y[rows])
    scale, table = found._learnt.scale, np.column_stack([X, found.predict(X)])
    assert any((one.predict(table) < scale.least).any() for one in scale.models)
    assert scale.least == pytest.approx(expected._learnt.scale.least, rel=1e-12)
    np.testing.assert_allclose(found.predict_interval(X), expected.predict_interval(X), rtol=1e-6)


def test_a_modelled_scale_of_the_wrong_sign_is_not_used():
    class Wrong(LinearRegression):
        def predict(self, X):
            return np.exp(-X[:, 1])

    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(400, 2))
    y = X[:, 0] + np.exp(X[:, 1]) * rng.normal(size=400)
    model = DistributionalRegressor(LinearRegression(), "student_t", scale=Wrong(), cv=CV).fit(X, y)
    assert np.ptp(model.predict_parameters(X)["scale"]) == 0


def test_auto_chooses_by_held_out_likelihood_and_keeps_the_table():
    rng = np.random.default_rng(0)
    X, y = data(rng.gamma(1.0, size=300), n=300)
    model = DistributionalRegressor(LinearRegression(), "auto", scale="constant", cv=CV).fit(X, y)
    names = [name for name in ("gaussian", "student_t", "skew_t", "gaussian_mixture") if name in likelihood_names()]
    assert sorted(model.comparison_.names) == sorted(names)
    assert type(model.likelihood_).__name__ in ("SkewT", "GaussianMixture")
    assert model.comparison_.difference(model.comparison_.names[0], "gaussian").standard_error > 0
    X, y = data(rng.gamma(1.0, size=200), n=200)
    tables = DistributionalRegressor(LinearRegression(), "auto", scale=Ridge(), cv=2).fit(X, y).comparison_.names
    assert len(tables) == 2 * len(names)


def test_auto_prefers_what_the_noise_is():
    X, y = data(np.random.default_rng(0).standard_t(2, size=600))
    model = DistributionalRegressor(LinearRegression(), "auto", scale="constant", cv=CV).fit(X, y)
    assert model.likelihood_.parameter_names[-1] == "df"
    assert np.isfinite(model.log_likelihood(X, y))


def test_a_likelihood_that_is_far_off_is_warned_of_by_name():
    X, y = data(np.random.default_rng(0).standard_t(1.5, size=1000), n=1000)
    model = DistributionalRegressor(LinearRegression(), "gaussian", scale="constant", cv=CV)
    with pytest.warns(PITWarning, match="likelihood='.*' is better by cross-validated likelihood; recalibrate=True"):
        model.fit(X, y)


@pytest.mark.parametrize("likelihood", ["student_t", pytest.param("logistic", marks=pytest.mark.slow)])
def test_what_the_warning_names_and_recalibration_both_mend_the_coverage(likelihood):
    # Half of the errors lie in a narrow peak: 50% intervals of a bell-shaped noise hold a quarter of them.
    rng = np.random.default_rng(0)
    noise = np.where(rng.random(4000) < 0.5, rng.normal(1, 1, size=4000), rng.normal(-1, 0.1, size=4000))
    X, y = data(noise, n=4000)
    model = DistributionalRegressor(LinearRegression(), likelihood, scale="constant", cv=CV)
    with pytest.warns(PITWarning, match="likelihood='gaussian_mixture' is better by cross-validated likelihood"):
        model.fit(X[:2000], y[:2000])
    assert coverage(y[2000:], model.predict_interval(X[2000:], 0.5)) < 0.3
    for remedy in ({"likelihood": "gaussian_mixture"}, {"recalibrate": True}):
        mended = clone(model).set_params(**remedy).fit(X[:2000], y[:2000])  # without a warning
        for level in (0.5, 0.9):
            # Four standard errors of the shares in which the map is estimated, and in which it is judged.
            bound = 4 * np.sqrt(level * (1 - level) * (1 / 2000 + 1 / 2000))
            assert abs(coverage(y[2000:], mended.predict_interval(X[2000:], level)) - level) < bound


def test_miscalibration_is_the_largest_error_and_zero_where_it_may_be_chance():
    u = (np.arange(2000) + 0.5) / 2000
    weight = np.ones(2000)
    assert miscalibration(u, u, weight) == (0, 0)
    # F(u) = u^2: the level u is off by u - u^2 at most 1/4; too narrow intervals, of |2 u - 1| squared.
    of_quantiles, _ = miscalibration(np.sqrt(u), np.sqrt(u), weight)
    assert of_quantiles == pytest.approx(0.25, abs=1e-3)
    narrow = 0.5 + 0.5 * np.sign(u - 0.5) * np.sqrt(np.abs(2 * u - 1))
    assert miscalibration(narrow, narrow, weight) == pytest.approx((0.125, 0.25), abs=1e-3)
    assert miscalibration(np.sqrt(u[::100]), np.sqrt(u[::100]), np.ones(20)) == (0, 0)
    # Mass that is spread over its bounds: two halves, uniform together.
    assert miscalibration(np.array([0.0, 0.5]), np.array([0.5, 1.0]), np.full(2, 1e4)) == (0, 0)


def test_the_map_of_the_pit_is_its_distribution_function_and_has_an_inverse():
    u = np.sqrt((np.arange(8000) + 0.5) / 8000)
    pit_map = PITMap.of(u, u, np.ones(8000))
    at = np.linspace(0, 1, 101)
    # Twenty bins, each linear: off by (1/20)^2 / 4 between knots, and by a row per bin.
    np.testing.assert_allclose(pit_map(at), at**2, atol=0.05**2 / 4 + 20 / 8000)
    np.testing.assert_allclose(pit_map.inverse(pit_map(at)), at, atol=1e-12)
    np.testing.assert_allclose(np.exp(pit_map.log_slope(u)).mean(), (4 / 3), rtol=0.01)  # E 2 u = 4/3 under u^2
    copies = PITMap.of(u[:100], u[:100], np.full(100, 3.0))
    np.testing.assert_allclose(copies.values, PITMap.of(*[np.repeat(u[:100], 3)] * 2, np.ones(300)).values, rtol=1e-12)


def test_a_recalibrated_distribution_is_one():
    values = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    one = Recalibrated(stats.norm(np.zeros(3), [1.0, 2.0, 3.0]), PITMap(values), 3)
    q = np.array([[0.01], [0.3], [0.5], [0.95]])
    np.testing.assert_allclose(one.cdf(one.ppf(q)), np.broadcast_to(q, (4, 3)), rtol=1e-12)
    np.testing.assert_allclose(one.sf(one.isf(q)), np.broadcast_to(q, (4, 3)), rtol=1e-12)
    np.testing.assert_allclose(one.cdf(1.3) + one.sf(1.3), 1, rtol=1e-14)
    x = np.linspace(-40, 40, 400_001)[:, None]
    density = one.pdf(x)
    # Jumps at four knots: an error of a step of 2e-4 times the jump.
    np.testing.assert_allclose(density.sum(axis=0) * 2e-4, 1, atol=1e-3)
    np.testing.assert_allclose(np.log(density[150_000:-150_000]), one.logpdf(x[150_000:-150_000]), rtol=1e-12)
    draws = one.rvs(size=(20_000, 3), random_state=0)
    np.testing.assert_allclose((draws < one.ppf(0.3)).mean(axis=0), 0.3, atol=5 * np.sqrt(0.21 / 20_000))
    np.testing.assert_array_equal(np.array(one.interval(0.5)), [one.ppf(0.25), one.isf(0.25)])
    np.testing.assert_array_equal(one.median(), one.ppf(0.5))


def test_recalibration_mends_coverage_and_leaves_the_prediction():
    X, y = data(np.random.default_rng(0).standard_t(1.5, size=4000), n=4000)
    model = DistributionalRegressor(LinearRegression(), "laplace", scale="constant", cv=CV, recalibrate=True)
    model.fit(X[:2000], y[:2000])
    bounds = model.predict_interval(X[2000:], 0.5)
    inside = ((bounds[:, 0] <= y[2000:]) & (y[2000:] <= bounds[:, 1])).mean()
    assert abs(inside - 0.5) < 4 * 0.5 / np.sqrt(2000)
    raw = model.set_params(recalibrate=False)
    with pytest.warns(PITWarning):
        plain = DistributionalRegressor(LinearRegression(), "laplace", scale="constant", cv=CV).fit(X[:2000], y[:2000])
    np.testing.assert_array_equal(raw.predict(X), plain.predict(X))
    assert model.log_likelihood(X[2000:], y[2000:]) > plain.log_likelihood(X[2000:], y[2000:]) + 20
    np.testing.assert_allclose(
        model.log_likelihood(X[:5], y[:5]), model.predict_distribution(X[:5]).logpdf(y[:5]).sum(), rtol=1e-10
    )
    with pytest.raises(NotSupportedError, match="return_std"):
        model.predict(X, return_std=True)
    with pytest.raises(NotSupportedError, match="recalibrate=True is for continuous y"):
        DistributionalRegressor(DummyRegressor(), "poisson", recalibrate=True).fit(X, np.abs(y))


def test_auto_takes_the_gaussian_where_nothing_is_left_to_choose_by():
    X, y = data(np.zeros(60), n=60)
    with pytest.warns(PerfectFitWarning):
        model = DistributionalRegressor(LinearRegression(), "auto", cv=CV).fit(X, y)
    assert type(model.likelihood_).__name__ == "Gaussian" and model.comparison_ is None
    np.testing.assert_allclose(model.predict_interval(X), np.column_stack([y, y]), atol=1e-12)


def amounts(n):
    """Return rows and Tweedie's amounts of a log-linear mean, about a fifth of them zeros."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 1))
    mean, dispersion = np.exp(0.4 * X[:, 0]), 1.2
    events = rng.poisson(2 * np.sqrt(mean) / dispersion)
    return X, np.where(events > 0, rng.gamma(np.maximum(events, 1)) * 0.5 * dispersion * np.sqrt(mean), 0.0)


@pytest.mark.parametrize("recalibrate", [False, True])
def test_the_probability_of_a_zero_is_spread_as_that_of_counts(recalibrate):
    X, y = amounts(1500)
    base = TweedieRegressor(power=1.5, alpha=0)
    # Without recalibration a PITWarning would be an error here: the likelihood is right.
    model = DistributionalRegressor(base, Tweedie(1.5), scale="constant", cv=3, recalibrate=recalibrate).fit(X, y)
    of_zero = model.predict_distribution(X).cdf(np.zeros(1500))
    assert of_zero.mean() == pytest.approx(np.mean(y == 0), abs=0.02)
    row = np.repeat(X[:1], 4000, axis=0)
    u = (np.arange(4000) + 0.5) / 4000
    # An integral over y = 30 u^3; the density jumps at the knots.
    density = np.exp(model.predict_distribution(row).logpdf(30 * u**3))
    mass = np.exp(model.log_likelihood(X[:1], [0.0]))
    assert mass == pytest.approx(of_zero[0], rel=1e-9)
    assert np.exp(model.predict_distribution(X[:1]).logpdf(np.zeros(1)))[0] == pytest.approx(mass, rel=1e-9)
    assert mass + np.mean(density * 90 * u**2) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("n_rows", [2, 200])
def test_advice_that_cannot_be_given_loses_no_fit(n_rows):
    # Two rows are too few to fit to one of them; of 200 the weights are all in one of the folds.
    X, y = data(RNG.exponential(size=n_rows) ** 3, n_rows)
    weight = np.full(2, 1000.0) if n_rows == 2 else np.repeat([0.0, 10.0], 100)
    model = DistributionalRegressor(KNeighborsRegressor(1), "gumbel", scale="constant", cv=KFold(2))
    with (
        pytest.warns(UserWarning, match="takes no sample_weight"),
        pytest.warns(PITWarning, match="far from uniform"),
    ):
        model.fit(X, y, sample_weight=weight)
    assert np.isfinite(model.predict_interval(X)).all()
    if n_rows == 200:
        with (
            pytest.warns(UserWarning, match="takes no sample_weight"),
            pytest.raises(ValueError, match="likelihood='auto'.*one fold holds all rows of positive weight"),
        ):
            model.set_params(likelihood="auto").fit(X, y, sample_weight=weight)
