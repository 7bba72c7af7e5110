"""The benchmark's call through other gateways; `measure` is what t/bench/run asks for with --peers."""
from .peers import NAMES, measure

__all__ = ["NAMES", "measure"]
