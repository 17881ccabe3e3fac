"""Fewer sampling steps: a student that learns from a finished generator."""
