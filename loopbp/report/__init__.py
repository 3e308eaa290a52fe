"""Gradient reports: statistics of each layer's gradient, one sentence on them, and files to send.

Nothing here loads pandas, matplotlib or jinja2 until a frame, a picture or a page is asked for.
"""

from .gradient import GradientReport, gradient_report
from .statistics import LayerGradient
from .verdict import THRESHOLDS, Finding
from .writing import prepare_folder

__all__ = [
    "THRESHOLDS",
    "Finding",
    "GradientReport",
    "LayerGradient",
    "gradient_report",
    "prepare_folder",
]
