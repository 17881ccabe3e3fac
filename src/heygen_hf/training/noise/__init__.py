"""Noise, timesteps and given frames as functions of (seed, step, position), and the validation loss at fixed ones."""
