"""Columns of any frame, with missing values of any kind, are read and replaced alike."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from sklearn_mle import MLERegressor
from sklearn_mle.displays import EffectsDisplay
from sklearn_mle.inference import average_predictions, drop_one, infer
from sklearn_mle.inference.tables import Table

PLAIN = pd.DataFrame(
    {
        "number": [1.5, None, 2.5, 3.0, 1.0, 2.0],
        "truth": pd.array([True, None, False, True, True, False], dtype="boolean"),
        "text": pd.array(["v", "u", None, "v", "u", "v"], dtype="string"),
    }
)
FRAMES = {
    "pandas": PLAIN,
    "objects": PLAIN.astype({"truth": object, "text": object}),
    "arrow": PLAIN.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas(PLAIN),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=list(FRAMES))
def test_missing_values_are_no_levels(frame):
    table, weight = Table.of(frame), np.array([1.0, 1, 1, 1, 3, 1])
    assert [table.is_numeric(name) for name in table.names] == [True, False, False]
    assert table.levels("truth") == [False, True] and table.levels("text") == ["u", "v"]
    assert table.commonest("text", np.ones(6)) == "v" and table.commonest("text", weight) == "u"
    assert table.commonest("truth", weight) is True
    typical = table.typical(weight)
    assert [typical.column(name)[0] for name in table.names] == [12 / 7, True, "u"]


@pytest.mark.parametrize("frame", FRAMES.values(), ids=list(FRAMES))
def test_columns_with_missing_values_beside_those_of_a_model(frame):
    y = np.array([1.0, 3, 2, 5, 4, 3])
    only_number = make_column_transformer((SimpleImputer(), ["number"]))
    if hasattr(frame, "with_columns"):
        frame = frame.with_columns(pl.col("number").fill_null(2.0))  # scikit-learn's imputer sees no null
    model = make_pipeline(only_number, MLERegressor()).fit(frame, y)
    assert list(drop_one(model, frame, y).to_frame().index)[-1] == "number"
    EffectsDisplay.from_estimator(model, frame, y, column="truth")
    with pytest.raises(ValueError, match="by: 'text': row 2 has no label"):
        average_predictions(infer(model, frame, y), frame, by="text")
