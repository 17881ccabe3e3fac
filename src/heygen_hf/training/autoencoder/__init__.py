"""Training of diffusers' video autoencoders."""
