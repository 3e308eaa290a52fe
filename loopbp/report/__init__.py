"""Gradient reports: statistics of each layer's gradient, alarms with what helps, files to send.

Nothing here loads pandas, matplotlib or jinja2 until a frame, a picture or a page is asked for.
"""

from .alarms import Alarm, alarms
from .compare import Comparison, compare_reports
from .gradient import GradientReport, gradient_report
from .presets import PRESETS, Rule
from .statistics import LayerGradient
from .verdict import Finding
from .writing import prepare_folder

__all__ = [
    "PRESETS",
    "Alarm",
    "Comparison",
    "Finding",
    "GradientReport",
    "LayerGradient",
    "Rule",
    "alarms",
    "compare_reports",
    "gradient_report",
    "prepare_folder",
]
