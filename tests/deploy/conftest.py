"""The deployment's tools are no package of the product: they are imported from the root."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
