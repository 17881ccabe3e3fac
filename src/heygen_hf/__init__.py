"""Train, evaluate and publish video generators with the Hugging Face tools you already know."""

__version__ = "0.1.0"
