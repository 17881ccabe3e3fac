"""A page to try a model on: served here, or written as a Space."""

from heygen_hf.tasks.demo.serving import serve_demo
from heygen_hf.tasks.demo.space_publishing import PublishedSpace, check_space_possible, publish_space

__all__ = ["PublishedSpace", "check_space_possible", "publish_space", "serve_demo"]
