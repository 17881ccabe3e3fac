"""Tasks that join video with text and sound: retrieval, classification, captions, answers."""
