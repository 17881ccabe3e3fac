"""Whether a line of a data set's texts tells of the machine it comes from.

Captions are quotations: nothing in them is changed, a line that tells too much is refused.
"""

import os
import re
from functools import cache
from pathlib import Path

from heygen_hf.hub.card.secrets import remove_secrets

# A path of somebody's machine: a home folder or a disk anywhere, or a value that is nothing but an absolute path.
_LOCAL = re.compile(
    r"(?<![\w.:/])(?:file://|/(?:home|Users|root|mnt|media|scratch|workspace)/)[^\s\"]|[A-Za-z]:\\{1,2}(?:Users|home)\\"
)
_WHOLE_VALUE = re.compile(r'"(?:/(?:[^"/\s]+/)+[^"/\s]*|[A-Za-z]:\\\\[^"]*)"')
# Forty characters may be a key; in a data set they are the hash of something.
_HASHES = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])")


def tells_of_machine(line: str, *, is_data: bool) -> bool:
    """Whether a line names a local path, a folder of this user, or a secret.

    Args:
        is_data: a line of JSON, of which no value may be an absolute path; texts may speak of such.
    """
    if _LOCAL.search(line) or (is_data and _WHOLE_VALUE.search(line)):
        return True
    if any(folder in line for folder in _own_folders()):
        return True
    plain = _HASHES.sub("", line)
    return remove_secrets(plain, named=False) != plain


@cache
def _own_folders() -> tuple[str, ...]:
    found = {str(Path.cwd()), os.path.realpath(Path.cwd()), os.path.expanduser("~")}
    return tuple(f"{folder}/" for folder in found if folder.count("/") > 1)
