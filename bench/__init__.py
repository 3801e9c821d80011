"""How fast each hop of an event is, as a ratio against a floor: ``python -m bench.run``."""

import sys
from pathlib import Path

# The servers and the world of the tests serve here too; pytest puts their folder on the path for itself
# (`pythonpath` in pyproject.toml), `python -m bench.run` has only the repository's root there.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
