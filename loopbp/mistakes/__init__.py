"""The classic wrong backprops, and finding which one somebody made.

`diagnose` compares what somebody computed with the right numbers and with those of every mistake
of the `CATALOGUE`, alone and in pairs.
"""

from .catalogue import CATALOGUE, Mistake
from .diagnosis import Departure, Diagnosis
from .examine import Examiner, diagnose
from .search import Finding

__all__ = ["CATALOGUE", "Departure", "Diagnosis", "Examiner", "Finding", "Mistake", "diagnose"]
