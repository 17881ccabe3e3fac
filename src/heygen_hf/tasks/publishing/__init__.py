"""A run's model to the Hub: its folder, the gate, the push, and loading what was pushed."""

from heygen_hf.tasks.publishing.publish import Published, publish_run

__all__ = ["Published", "publish_run"]
