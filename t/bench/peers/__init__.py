"""The benchmark's call through other gateways; `measure` is what t/bench/run asks for with --peers."""
from .odd import table as odd_calls
from .peers import NAMES, PEERS, measure
from .processes import Unavailable

__all__ = ["NAMES", "PEERS", "Unavailable", "measure", "odd_calls"]
