"""Text of the running Python itself: documents to model, with no download."""

from heygen_hf.data.python_text.documents import load_python_documents

__all__ = ["load_python_documents"]
