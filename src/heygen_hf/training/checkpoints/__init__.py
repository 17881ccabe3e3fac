"""Checkpoints that are whole or absent, and going on from them exactly."""
