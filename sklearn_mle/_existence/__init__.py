r"""Existence of the maximum: certificates, separating directions, the model in their limit, and vanishing noise.

A change d of the parameters is a separating direction when it lowers the likelihood of no row and raises that of some:
then the likelihood keeps rising along it, and no finite maximum exists. Each row has constraints, linear forms a of d:

* Bernoulli and categorical: the predictor of an outcome that happened must not fall against any rival's, a'd >= 0;
* Poisson, negative binomial, Tweedie: the log mean of a zero must not rise, that of an outcome above zero must stay,
  a'd = 0.

Whether there is a d is a linear program, max sum a'd subject to a'd >= 0 and |d| <= 1. It is solved by constraint
generation: few rows decide, and one pass over all rows tells which others are violated. Rows that the direction
separates (a'd > 0) are then set aside and the program is solved again, until nothing is left to separate: the sum of
the directions, later ones taken small, is *generic*. It separates every row that any direction separates, and the rows
left over are the limiting model, in which the maximum is finite (Geyer 2009).

References
----------
Albert and Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models,
Biometrika 71.
Konis (2007), Linear programming algorithms for detecting separated data in binary logistic regression models, Oxford.
Geyer (2009), Likelihood inference in exponential families and directions of recession, Electronic Journal of
Statistics 3.
Correia, Guimaraes and Zylkin (2019), Verifying the existence of maximum likelihood estimates for generalized linear
models, arXiv:1903.01633.
"""
