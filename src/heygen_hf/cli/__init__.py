"""The `heygen-hf` command line: one small file a command, no logic."""
