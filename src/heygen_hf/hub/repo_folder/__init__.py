"""The folder of a repository, made from a run's export: what is pushed, and nothing else."""

from heygen_hf.hub.repo_folder.exported import Exported, ExportKind, read_export
from heygen_hf.hub.repo_folder.write import write_repo_folder

__all__ = ["ExportKind", "Exported", "read_export", "write_repo_folder"]
