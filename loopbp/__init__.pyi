from . import datasets as datasets
from . import examples as examples
from . import graph as graph
from .derivation import Derivation as Derivation
from .derivation import explain as explain
from .gradcheck import GradientCheck as GradientCheck
from .gradcheck import GradientCheckError as GradientCheckError
from .gradcheck import gradcheck as gradcheck
from .network import Network as Network
from .network import load as load
from .optimizers import SGD as SGD
from .optimizers import Adam as Adam
from .report import GradientReport as GradientReport
from .report import gradient_report as gradient_report
from .trace import Trace as Trace
from .training import History as History
from .training import NonFiniteError as NonFiniteError
from .training import TrainingInterrupted as TrainingInterrupted
from .verification import Verification as Verification
from .verification import VerificationError as VerificationError
from .verification import assert_gradients as assert_gradients
from .verification import verify as verify

__version__: str
