"""Pushing a folder to the Hub: all of it in one commit, or nothing."""

from heygen_hf.hub.push.errors import PushError
from heygen_hf.hub.push.push import PushedRevision, check_access, push_folder
from heygen_hf.hub.push.target import PushOptions

__all__ = ["PushError", "PushOptions", "PushedRevision", "check_access", "push_folder"]
