"""A page to try a model on: served here, or written as a Space."""
