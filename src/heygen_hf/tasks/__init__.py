"""One file a task: data, model, trainer, export, evaluation and card, read from top to bottom."""
