"""The package's code as a few self-contained files, for repositories that load where it is not installed."""

from heygen_hf.hub.flat_code.bundle import Bundle, make_bundle

__all__ = ["Bundle", "make_bundle"]
