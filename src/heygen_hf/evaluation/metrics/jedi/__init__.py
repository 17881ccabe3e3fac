"""JEDi: 100 times the squared maximum mean discrepancy of clip features under a polynomial kernel of degree 2."""

from heygen_hf.evaluation.metrics.jedi.jedi import JEDi, jedi

__all__ = ["JEDi", "jedi"]
