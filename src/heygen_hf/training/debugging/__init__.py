"""Finding out why a training does not work."""
