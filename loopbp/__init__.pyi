from . import datasets as datasets
from . import examples as examples
from . import graph as graph
from . import studies as studies
from .derivation import Derivation as Derivation
from .derivation import explain as explain
from .gradcheck import GradientCheck as GradientCheck
from .gradcheck import GradientCheckError as GradientCheckError
from .gradcheck import gradcheck as gradcheck
from .network import Network as Network
from .network import load as load
from .optimizers import SGD as SGD
from .optimizers import Adam as Adam
from .per_example import PerExampleGradients as PerExampleGradients
from .per_example import per_example_gradients as per_example_gradients
from .recording import Recording as Recording
from .report import Comparison as Comparison
from .report import GradientReport as GradientReport
from .report import compare_reports as compare_reports
from .report import gradient_report as gradient_report
from .sensitivity import Sensitivity as Sensitivity
from .sensitivity import sensitivity as sensitivity
from .trace import Trace as Trace
from .training import History as History
from .training import NonFiniteError as NonFiniteError
from .training import TrainingInterrupted as TrainingInterrupted

__version__: str
