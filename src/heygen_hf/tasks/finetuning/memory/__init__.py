"""What a step would need of a GPU's memory, computed from shapes."""
