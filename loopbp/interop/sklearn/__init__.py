"""Estimators with scikit-learn's interface, trained by this package's engines.

    from loopbp.interop.sklearn import MLPClassifier, MLPRegressor

Raises `ImportError` where scikit-learn is not installed.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as missing:
    raise ImportError(
        'loopbp.interop.sklearn needs scikit-learn: pip install "loopbp[sklearn]"'
    ) from missing

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
