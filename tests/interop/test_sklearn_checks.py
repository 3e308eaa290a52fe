"""scikit-learn's own checks of an estimator: all of them, none expected to fail."""

from __future__ import annotations

import unittest

import numba
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.utils.estimator_checks import parametrize_with_checks

from loopbp.interop.sklearn import MLPClassifier, MLPRegressor

#: What a check says where it has nothing to check.
NOTHING_TO_CHECK = ("SCIPY_ARRAY_API is not set", "does not have a decision_function method")


@pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="too large for loops that are not compiled"
)
@pytest.mark.filterwarnings("ignore:max_iter")
@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_scikit_learns_own_checks(estimator, check):
    try:
        check(estimator)
    except unittest.SkipTest as reason:
        assert any(known in str(reason) for known in NOTHING_TO_CHECK)
