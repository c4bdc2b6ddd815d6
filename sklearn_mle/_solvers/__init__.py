"""Layer 1: functions of theta in, a Solution out; smooth solvers are called by ``scipy.optimize.minimize``."""

from sklearn_mle._solvers.newton import newton
from sklearn_mle._solvers.newton_cg import newton_cg
from sklearn_mle._solvers.problem import Callback, Solution, Status, callback_of
from sklearn_mle._solvers.whitened_lbfgs import whitened_lbfgs

__all__ = ["Callback", "Solution", "Status", "callback_of", "newton", "newton_cg", "whitened_lbfgs"]
