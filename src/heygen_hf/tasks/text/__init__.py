"""Tasks on text: language modelling, classification of texts and of their tokens."""
