"""Read the y of a classifier, class labels or rows of class probabilities (soft labels), and class weights."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from sklearn_mle._numerics.arguments import argument_name, refuse_missing_labels
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.frames import column_names, column_order
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle.estimators._validation import check_class_offset, check_offset, check_target

# Integer labels within a range of this size (or of n) are coded by a table in O(n); others are sorted.
_TABLE_SIZE = 4096
# Rows of probabilities may miss a sum of one by this much; they are then normalized.
_SUM_TOLERANCE = 1e-6


def is_soft(y: Any) -> bool:
    """Tell whether y is (n, K) class probabilities; (n,) and (n, 1) are labels."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def classes_of_columns(y: Any) -> Array:
    """Return the classes of soft labels: the names of a frame's columns, else 0, ..., K - 1."""
    if column_names(y) is None:
        return np.arange(np.shape(y)[1])
    classes = np.asarray(y.columns)
    if len(set(classes.tolist())) < len(classes):
        raise ValueError(f"The columns of y name the classes, so each must be unique; got {classes.tolist()}.")
    return classes


def read_classes(y: Any) -> tuple[Array, Array]:
    """Return the classes of a fit's labels or soft labels, and each row's code, or its probabilities (n, K)."""
    with argument_name("y"):
        if is_soft(y):
            return classes_of_columns(y), read_soft_labels(check_target(y, several_columns=True))
        return encode_labels(check_target(y))


def read_known_classes(y: Any, classes: Array) -> Array:
    """Return each row's code among the classes of a fit, or its probabilities of these (n, K).

    The columns of a frame are found by name.
    """
    with argument_name("y"):
        if not is_soft(y):
            return codes_of(check_target(y), classes)
        fitted = classes.tolist()
        order = column_order(y, fitted, "y")
        rows = check_target(y, several_columns=True)
        probabilities = read_soft_labels(rows if order is None else rows[:, order])
        if probabilities.shape[1] != len(fitted):
            raise ValueError(
                f"y of class probabilities must have one column per class, {fitted}, but it has "
                f"{probabilities.shape[1]} columns."
            )
        return probabilities


def encode_labels(y: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return the sorted classes of (n,) labels, and the code of each row."""
    y = plain_numbers(y)
    if y.dtype.kind in "mM" and np.isnat(y).any():
        raise ValueError("y must not hold missing labels, but it holds NaT; drop or repair such rows.")
    integers = _as_integers(y)
    if integers is not None:
        low = int(integers.min())
        span = int(integers.max()) - low + 1
        if span <= max(_TABLE_SIZE, integers.size):
            present = np.bincount(integers - low, minlength=span) > 0
            classes = (np.flatnonzero(present) + low).astype(y.dtype.newbyteorder("="))
            return classes, (np.cumsum(present) - 1)[integers - low]
    # Any strings are labels; scikit-learn's check would sort them all to find that out.
    encoder = LabelEncoder()
    try:
        if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
            raise TypeError
        if y.dtype.kind not in "UTO":
            with np.errstate(invalid="ignore"):  # whether they are whole numbers is found by a cast
                check_classification_targets(y)
        codes = encoder.fit_transform(y)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(
            f"y must hold class labels of one kind that can be sorted, but it holds {', '.join(kinds)}. Drop rows "
            "without a label (None, NaN), or convert the labels to strings."
        ) from None
    return encoder.classes_, codes


def plain_numbers(y: Array) -> Array:
    """Return labels that are numbers, all of them, in an array of objects as an array of numbers."""
    if y.dtype.kind != "O" or not all(isinstance(label, Real | np.bool_) for label in y):
        return y
    try:
        numbers = np.array(y.tolist())
    except OverflowError:
        return y
    return numbers if numbers.dtype.kind in "biuf" else y


def _as_integers(y: Array) -> NDArray[np.int64] | None:
    """Return labels that are whole numbers as int64, None where some are not."""
    kind = y.dtype.kind
    if kind in "bi" or (kind == "u" and y.dtype.itemsize < 8):
        return y.astype(np.int64, copy=False)
    if kind == "f":
        with np.errstate(invalid="ignore"):
            integers = y.astype(np.int64)
        return integers if np.array_equal(integers, y) else None
    return None


def codes_of(y: Array, classes: Array) -> NDArray[np.intp]:
    """Return the code of each label among the classes of a fit; raise ValueError for a label that is none of them."""
    y = plain_numbers(y)
    order = np.argsort(classes)
    try:
        position = np.searchsorted(classes, y, sorter=order)
    except TypeError:
        refuse_missing_labels("y", y)
        raise ValueError(f"y holds labels of a different kind than classes_ = {classes.tolist()}.") from None
    codes = order[np.minimum(position, len(classes) - 1)]
    unseen = classes[codes] != y
    if np.any(unseen):
        raise ValueError(
            f"y holds labels that fit did not see: {np.unique(y[unseen]).tolist()}; classes_ is {classes.tolist()}."
        )
    return codes


def read_soft_labels(y: Array) -> Array:
    """Return (n, K) class probabilities whose rows sum to one; refuse those that miss it by more than rounding."""
    try:
        probabilities = y.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise ValueError(
            f"y of shape {y.shape} is read as class probabilities, one column per class, but its {y.dtype} entries are "
            "not numbers. Pass labels as a 1-D y."
        ) from None
    if probabilities.min() < 0:
        row = int(np.argmax(probabilities.min(axis=1) < 0))
        raise ValueError(f"Class probabilities must be >= 0, but row {row} of y has {probabilities[row].min():g}.")
    totals = probabilities.sum(axis=1)
    wrong = np.abs(totals - 1) > _SUM_TOLERANCE
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"y of shape {y.shape} is read as class probabilities, whose rows must sum to 1 within {_SUM_TOLERANCE:g}, "
            f"but row {row} sums to {totals[row]:.9g}. Normalize the rows, y / y.sum(axis=1, keepdims=True); where the "
            "sums are counts or weights, also pass them as sample_weight. (Multilabel targets are not supported.)"
        )
    return probabilities if (totals == 1).all() else probabilities / totals[:, None]


def mass_of_classes(target: Array, weight: Array | None, n_classes: int) -> Array:
    """Return the total weight of each class, of codes or class probabilities."""
    if target.ndim == 2:
        return target.sum(axis=0) if weight is None else weight @ target
    return np.bincount(target, weight, minlength=n_classes).astype(np.float64)


def class_weights(class_weight: Any, classes: Array, mass: Array) -> Array | None:
    """Return one weight per class, or None where classes are not weighted; ``mass`` is the total weight of their rows.

    ``"balanced"`` gives every class the same total: W / (K w_k), with w_k the mass of class k, W their sum and K the
    number of classes with any mass (those of weight zero are absent).

    Raises
    ------
    ValueError
        If there is one class only, or none has any weight left; if a dict names a class that y does not have, or holds
        a negative or non-finite weight.
    """
    if len(classes) < 2:
        raise ValueError(
            f"y must have at least 2 classes, but it has one class only: {classes.tolist()[0]!r}. A class whose "
            "rows all have weight zero is allowed; its probability stays near zero."
        )
    weights = None
    if class_weight == "balanced":
        weights = np.ones(len(classes))
        seen = mass > 0
        weights[seen] = mass.sum() / (np.count_nonzero(seen) * mass[seen])
    elif class_weight is not None:
        weights = compute_class_weight(class_weight, classes=classes, y=classes).astype(np.float64)
        bad = ~((weights >= 0) & (weights < np.inf))
        if bad.any():
            k = int(np.argmax(bad))
            raise ValueError(
                f"class_weight must be finite and >= 0, but class {classes.tolist()[k]!r} has {weights[k]:g}."
            )
    if not ((mass if weights is None else mass * weights) > 0).any():
        raise ValueError(
            "class_weight leaves no row with a positive weight: it is zero for every class that has rows of "
            f"positive sample_weight (the classes of y: {classes.tolist()})."
        )
    return weights


def weighted_target(
    target: Array, weight: Array | None, per_class: Array | None, n_classes: int
) -> tuple[Array, Array | None]:
    """Return codes or class probabilities as the likelihood reads them, and row weights, with those of classes applied.

    The likelihood of two classes reads the probability of the second.
    """
    if per_class is not None:
        if target.ndim == 1:
            of_row = per_class[target]
        else:
            # A soft row stands for K weighted rows, one per class: p_k cw_k is a row weight and a distribution again.
            target = target * per_class
            of_row = target.sum(axis=1)
            empty = of_row == 0
            target[empty] = 1 / len(per_class)
            target /= np.where(empty, 1, of_row)[:, None]
        weight = of_row if weight is None else weight * of_row
    if n_classes == 2:
        target = np.ascontiguousarray(target[:, 1] if target.ndim == 2 else target, dtype=np.float64)
    return target, weight


@dataclass(frozen=True)
class ClassReader:
    """Reads a partition's class labels, as codes once the classes are known, or class probabilities."""

    classes: Array | None = None
    per_class: Array | None = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, rows last, and the rows' weights."""
        assert self.classes is not None
        codes = read_known_classes(y, self.classes)
        target, weight = weighted_target(codes, weight, self.per_class, len(self.classes))
        return target.T, weight

    def check_offset(self, offset: Any, weight: Array | None, n: int) -> Array | None:
        """Return a partition's offset, shape (n,) or (n, K); K may be any number while the classes are not known."""
        if self.classes is not None:
            return check_class_offset(offset, weight, n, self.classes)
        several = np.ndim(offset) == 2 and offset.shape[1] > 1
        return check_offset(offset_of_present(offset, weight), (n, offset.shape[1]) if several else (n,))

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return the labels of a partition, the number of each row's, the rows' weights, and the mass of each class.

        Rows of class probabilities are one group; of labels the mass is the groups' weights.
        """
        if not is_soft(y):
            return *encode_labels(check_target(y, warn=False)), weight, None
        probabilities = read_soft_labels(check_target(y, several_columns=True))
        weighted = weight if self.per_class is None else weight * (probabilities * self.per_class).sum(axis=1)
        return np.zeros(1), np.zeros(len(weight), dtype=np.intp), weighted, weight @ probabilities
