"""The gate: what a repository's folder has to pass before it is pushed."""

from heygen_hf.hub.gate.clean_process import LoadingWays, load_in_clean_process, run_in_clean_process
from heygen_hf.hub.gate.finding import Check, GateError, require_all
from heygen_hf.hub.gate.manifest import Manifest, hash_model_files, take_manifest
from heygen_hf.hub.gate.static_checks import check_folder
from heygen_hf.hub.gate.ways import promised_ways

__all__ = [
    "Check",
    "GateError",
    "LoadingWays",
    "Manifest",
    "check_folder",
    "hash_model_files",
    "load_in_clean_process",
    "promised_ways",
    "require_all",
    "run_in_clean_process",
    "take_manifest",
]
