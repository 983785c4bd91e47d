"""farthing: one elastic pre-training run, a family of language models, and a checkable bill.

The command line is `farthing.cli`; what it calls, and what a script should call, is
`farthing.flow`. Here stands only what every caller needs: the errors and the numbers.
"""

from farthing.errors import FarthingError
from farthing.quantity import Provenance, Quantity

__all__ = ["FarthingError", "Provenance", "Quantity", "__version__"]

__version__ = "0.1.0"
