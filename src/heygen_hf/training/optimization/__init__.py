"""What moves the weights: optimisers, schedules, the average, compiled blocks."""
