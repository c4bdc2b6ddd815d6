"""Numbers of twice the precision against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from sklearn_mle._numerics.double_double import DoubleDouble

rng = np.random.default_rng(0)


def wide(*shape, decades=12):
    return rng.standard_normal(shape) * 10.0 ** rng.uniform(-decades, decades, shape)


def double_double(*shape, decades=12):
    high = wide(*shape, decades=decades)
    return DoubleDouble(high, 2.0**-54 * high * rng.uniform(-1, 1, shape))


def exact(numbers):
    pairs = zip(numbers.high.ravel(), numbers.low.ravel(), strict=True)
    return [Fraction(float(high)) + Fraction(float(low)) for high, low in pairs]


def assert_close(found, expected, scale=None, rel=1e-30):
    scale = expected if scale is None else scale
    assert all(abs(f - e) <= Fraction(rel) * abs(s) for f, e, s in zip(exact(found), expected, scale, strict=True))


def test_sums_and_products():
    a, b = double_double(500), double_double(500)
    pairs = list(zip(exact(a), exact(b), strict=True))
    sizes = [abs(x) + abs(y) for x, y in pairs]
    assert_close(a + b, [x + y for x, y in pairs], sizes)
    assert_close(a - b, [x - y for x, y in pairs], sizes)
    assert_close(a * b, [x * y for x, y in pairs])
    plain = [Fraction(float(y)) for y in b.high]
    assert_close(a + b.high, [x + y for (x, _), y in zip(pairs, plain, strict=True)], sizes)
    assert_close(a * b.high, [x * y for (x, _), y in zip(pairs, plain, strict=True)])
    assert_close(-a, [-x for x, _ in pairs])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 1000])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_sum_along_an_axis(n, axis):
    terms = double_double(*((n, 3) if axis == 0 else (3, n)))
    found = terms.sum(axis=axis)
    for k in range(3):
        row = exact(terms[:, k] if axis == 0 else terms[k])
        assert_close(found[k : k + 1], [sum(row)], [sum(map(abs, row))])


@pytest.mark.parametrize("n", [0, 1, 7, 21, 22, 500])
@pytest.mark.parametrize("shape", [(), (3,), (1, 2)])
def test_a_product_with_a_vector(n, shape):
    terms, vector = double_double(*shape, n), wide(n)
    found = (terms * vector).sum()
    assert found.high.shape == found.low.shape == shape
    for k in np.ndindex(shape):
        products = [x * Fraction(float(y)) for x, y in zip(exact(terms[k]), vector, strict=True)]
        assert_close(found[k], [sum(products)], [sum(map(abs, products))])


@pytest.mark.parametrize("terms", [[1e300, 1e300, 1.0], [np.inf, 1.0, 1.0], [np.inf, -np.inf, 1.0], [np.nan, 1.0, 1.0]])
def test_a_product_beyond_float64_is_no_number(terms):
    with np.errstate(all="ignore"):
        found = (DoubleDouble.of(np.array(terms)) * np.array([1e10, 1e10, 1.0])).sum()
    assert not np.isfinite(found.rounded)


def test_a_sum_does_not_depend_on_the_order():
    terms = double_double(3000)
    found, reversed_ = terms.sum(), terms[::-1].sum()
    assert found.high == reversed_.high


def test_what_cancels_is_not_lost():
    x = np.array([1e30, 1.0, 1e-10, -1e30])
    assert DoubleDouble.of(x).sum().rounded == 1.0 + 1e-10


def test_extended_precision_becomes_a_low_part():
    third = np.array([1.0], dtype=np.longdouble) / 3
    assert DoubleDouble.of(third).low[0] == float(third[0] - np.longdouble(1 / 3))
    assert DoubleDouble.of(np.array([1 / 3], dtype=np.float32)).low[0] == 0


def test_arrays_are_joined_and_indexed():
    a, b = double_double(2, 3), double_double(2, 3)
    joined = DoubleDouble.concatenate([a, b], axis=1)
    assert joined.shape == (2, 6)
    np.testing.assert_array_equal(joined[:, 3:].low, b.low)
    np.testing.assert_array_equal(DoubleDouble.stack(list(a)).high, a.high)


def test_infinities_and_nan_stay_no_numbers():
    with np.errstate(invalid="ignore"):
        assert not np.isfinite((DoubleDouble.of(np.array([np.inf, 1.0])) * np.array([2.0, np.nan])).rounded).any()
