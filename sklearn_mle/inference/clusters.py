r"""Covariances of estimates from clustered rows: one way, several ways, and with each cluster's own leverage.

With s_g the sum of the gradients of cluster g,

.. math:: M = \sum_g s_g s_g^\top ,\qquad M_{AB} = M_A + M_B - M_{A \cap B}

In the variables that whiten the expected information, S_g is the share of cluster g in it (the shares sum to the
identity), and

.. math:: \text{CR2: } (1 - S_g)^{-1/2} s_g ,\qquad \text{CR3: } (1 - S_g)^{-1} s_g

which for least squares is the residual adjustment :math:`(1 - H_{gg})^{-1/2}`: no matrix of a cluster's rows is formed.

References
----------
Bell and McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage samples, Survey
Methodology 28. Pustejovsky and Tipton (2018), Small-sample methods for cluster-robust variance estimation and
hypothesis testing in fixed effects models, Journal of Business and Economic Statistics 36. Cameron, Gelbach and Miller
(2011), Robust inference with multiway clustering, Journal of Business and Economic Statistics 29.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._curvature import Curvature
from sklearn_mle._numerics.arguments import argument_name, label_codes, refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._numerics.memory import refuse_unless_it_fits
from sklearn_mle._rows import Block
from sklearn_mle.inference.at_estimate import CHUNK, AtEstimate

_MOST_WAYS = 4
# The least of one minus a cluster's share of the information in a direction. Less is rounding: the cluster alone
# determines that direction, so its residuals have no component there.
_LEAST_LEFT = 1e-9


@dataclass(frozen=True)
class Clusters:
    """A partition of the rows of positive weight, and its sign in the sum over all ways of clustering."""

    codes: NDArray[np.intp]
    n_groups: int
    sign: int = 1


def clusters_of(at: AtEstimate, groups: Any) -> tuple[Clusters, ...]:
    """Return the clusters of rows of positive weight, first those of each column and then their intersections."""
    rows = slice(None) if at.prepared.row_numbers is None else at.prepared.row_numbers
    codes, found = codes_of(groups, at.data.y, rows), []
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            both = np.unique(np.stack(chosen), axis=1, return_inverse=True)[1].ravel() if size > 1 else chosen[0]
            found.append(Clusters(both, int(both.max()) + 1, 1 if size % 2 else -1))
    return tuple(found)


def codes_of(groups: Any, y: Array, rows: Any = slice(None)) -> list[NDArray[np.intp]]:
    """Return the clusters of some rows as codes 0, ..., G - 1, for each column of groups, as long as y."""
    refuse_masked(groups=groups)
    with argument_name("groups"):
        shape = np.shape(groups)
        if not (len(shape) == 1 or (len(shape) == 2 and 1 <= shape[1] <= _MOST_WAYS)):
            raise ValueError(
                f"groups must have shape (n,), or (n, m) for clustering in m ways, at most {_MOST_WAYS}; got {shape}."
            )
        if hasattr(groups, "columns"):  # each has its own type
            columns = [np.asarray(groups[name]) for name in groups.columns]
        else:
            columns = list(np.atleast_2d(np.asarray(groups).T))
    codes = [label_codes("groups", column, len(y), rows) for column in columns]
    if not all(each.any() for each in codes):
        raise ValueError("groups: at least two clusters of positive weight are needed, to measure how clusters vary.")
    return codes


def cluster_meat(at: AtEstimate, clusters: tuple[Clusters, ...], small_sample: bool) -> Array:
    """Return M, summed over all ways of clustering; ``small_sample`` gives each its own factor G / (G - 1)."""
    total = np.zeros((at.predictors.size, at.predictors.size))
    for way in clusters:
        sums = cluster_scores(at, way)
        factor = way.n_groups / (way.n_groups - 1) if small_sample else 1.0
        total += way.sign * factor * (sums.T @ sums)
    return total


def cluster_scores(at: AtEstimate, clusters: Clusters) -> Array:
    """Return the sums of the gradients of each cluster, shape (G, size)."""
    n_groups, codes = clusters.n_groups, clusters.codes
    remedy = "groups: use fewer and larger ones, or covariance='HC1' where each row is one"
    refuse_unless_it_fits(n_groups, at.predictors.size, what=f"The gradient of {n_groups:,} groups", remedy=remedy)
    data, predictors, likelihood = at.reweighted(at.weight), at.predictors, at.likelihood

    def block_sum(block: Block, codes: NDArray[np.intp]) -> tuple[Array]:
        assert block.offset is not None
        gradient = block.weighted(likelihood.gradient(block.y, block.offset))
        free = gradient if predictors.contrast is None else predictors.contrast.T @ gradient
        n, width = block.rows.n_rows, predictors.n_columns + 1
        present, members = np.unique(codes, return_inverse=True)
        rows = np.empty((n, width))
        rows[:, :-1], rows[:, -1] = block.rows.standardized, 1
        # One sparse product for each predictor: no row's own gradient is formed.
        ends = np.arange(n + 1)
        parts = [sp.csc_array((own, members, ends), (len(present), n)) @ rows for own in free[: len(predictors.terms)]]
        sums = np.zeros((n_groups, predictors.size))
        sums[present] = np.stack(parts, axis=1).reshape(len(present), -1)[:, predictors.used.ravel()]
        return (sums,)

    found: Array = data.reduce_rows(block_sum, [codes[start:stop] for start, stop in data.blocks])[0]
    return found


@dataclass(frozen=True)
class Shares:
    """Each cluster's share of the information, whitened: vectors (G, k, k) and values (G, k) of S_g."""

    vectors: Array
    values: Array
    power: float  # of 1 - S_g in the adjustment: -1/2 or -1
    # The curvature that maps combinations of coefficients to the whitened variables.
    model: Curvature

    @classmethod
    def of(cls, at: AtEstimate, factor: Factor, clusters: Clusters, power: float) -> "Shares":
        """Return the shares, by a factor of the expected information for weights of mean one."""
        size, n_groups = at.predictors.size, clusters.n_groups
        remedy = "groups: use fewer and larger ones, or covariance='cluster', which corrects no leverages"
        refuse_unless_it_fits(2 * n_groups, size**2, what=f"The information of {n_groups:,} groups", remedy=remedy)
        data, shares = at.objective.data, np.zeros((n_groups, size, size))
        assert data.offset is not None
        step = max(1, min(CHUNK, (1 << 22) // max(1, size * size)))
        for start in range(0, data.n_rows, step):
            rows = np.arange(start, min(start + step, data.n_rows))
            y, eta = data.y[..., rows], data.offset[:, rows]
            information = at.likelihood.information(y, eta) * at.weight[rows] / at.mean_weight
            roots = at.predictors.root_rows(data.rows.take(rows).standardized, information)
            white = factor.whiten(roots.T).T.reshape(-1, len(rows), size)
            squares = np.einsum("rni,rnj->nij", white, white).reshape(len(rows), -1)
            present, inverse = np.unique(clusters.codes[rows], return_inverse=True)
            members = sp.csr_array((np.ones(len(rows)), (inverse, rows - start)), (len(present), len(rows)))
            shares[present] += (members @ squares).reshape(-1, size, size)
        values, vectors = np.linalg.eigh(shares)
        return cls(vectors, np.clip(values, 0, 1), power, at.curvature(factor, at.mean_weight))

    def _left(self, power: float) -> Array:
        """Return (1 - s)^power of the eigenvalues, zero where the cluster alone determines a direction."""
        left = 1 - self.values
        return np.where(left > _LEAST_LEFT, np.power(np.maximum(left, _LEAST_LEFT), power), 0.0)

    def adjusted(self, scores: Array) -> Array:
        """Return the whitened scores of the clusters (G, k), adjusted for their leverages."""
        turned = np.einsum("gij,gi->gj", self.vectors, scores) * self._left(self.power)
        return np.einsum("gij,gj->gi", self.vectors, turned)

    def joint_degrees_of_freedom(self, combinations: Array) -> float:
        r"""Return :math:`\eta` of the approximate Hotelling statistic of q combinations (Pustejovsky and Tipton's HTZ).

        The covariance of the combinations is treated as a Wishart matrix with as much total variance under the model:
        :math:`\eta = q (q + 1) / \sum_{st} \operatorname{var} d_{st}`. For q = 1 it is Satterthwaite's.
        """
        contrast = combinations @ self.model.root()
        q = len(contrast)
        moved = np.einsum("gij,qi->gjq", self.vectors, contrast)  # in each cluster's eigenvectors
        adjusted = np.einsum("gij,gj,gjq->giq", self.vectors, self.values * self._left(self.power), moved)
        lengths = np.einsum("gj,gjs,gjt->gst", self.values * self._left(2 * self.power), moved, moved)
        # The expectation under the model, by which the combinations are standardized.
        total = lengths.sum(axis=0) - np.einsum("gis,git->st", adjusted, adjusted)
        values, turn = np.linalg.eigh(total)
        if not (values > 0).all():
            return float("nan")
        standard = turn / np.sqrt(values)
        adjusted = adjusted @ standard
        lengths = standard.T @ lengths @ standard
        flat = adjusted.reshape(len(adjusted), -1)
        squares = (flat.T @ flat).reshape(-1, q, flat.shape[1] // q, q)
        between = np.square(squares).sum() + np.einsum("isjt,itjs->", squares, squares)
        products = np.einsum("gis,git->gst", adjusted, adjusted)
        within = _sum_of_traces(lengths - products) - _sum_of_traces(products)
        return float(q * (q + 1) / (between + within))


def _sum_of_traces(blocks: Array) -> float:
    """Return the sum of tr(B)^2 + tr(B B) of symmetric blocks (G, q, q)."""
    traces = np.einsum("gss->g", blocks)
    return float(np.square(traces).sum() + np.square(blocks).sum())
