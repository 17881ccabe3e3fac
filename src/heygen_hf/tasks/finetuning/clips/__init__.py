"""The clips of a fine-tuning as its family takes them: encoded, controlled, with others beside them."""
