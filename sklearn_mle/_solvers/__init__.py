"""Floor 1: a Problem in, a Solution out. ``scipy.optimize.minimize`` does the minimizing."""

from sklearn_mle._solvers.newton import solve_newton
from sklearn_mle._solvers.newton_cg import solve_newton_cg
from sklearn_mle._solvers.problem import Problem, Solution, Status
from sklearn_mle._solvers.whitened_lbfgs import solve_whitened_lbfgs

__all__ = ["Problem", "Solution", "Status", "solve_newton", "solve_newton_cg", "solve_whitened_lbfgs"]
