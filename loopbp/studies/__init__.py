"""Studies: sweeps that each leave a frame, a picture, and a page that says what one sees.

    >>> from loopbp import studies
    >>> result = studies.run("vanishing", quick=True, jobs=1, progress=False)
    >>> result.frame["hidden_layers"].unique().tolist()
    [2, 6]

`result.reading` says what the numbers mean, `result.write(folder)` writes the files. Nothing here
loads pandas, matplotlib or jinja2 until a study is run.
"""

from .registry import STUDIES, find, run
from .result import StudyResult
from .runner import StudyInterrupted
from .study import Column, Study

__all__ = ["STUDIES", "Column", "Study", "StudyInterrupted", "StudyResult", "find", "run"]
