"""What a token or a password looks like."""

import os
import re

REMOVED = "[removed]"

_SECRETS = re.compile(
    r"(?:hf|api_org)_[A-Za-z0-9]{16,}"  # Hugging Face
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"  # GitHub, GitLab
    r"|(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,}|[srp]k_(?:live|test)_[A-Za-z0-9]{12,}"  # several API vendors
    r"|(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}(?![0-9A-Za-z])"  # AWS
    r"|AIza[\w-]{30,}|xox[abeprs]-[\w-]{10,}|npm_[A-Za-z0-9]{30,}|wandb_v1_\w{16,}"  # Google, Slack, npm, W&B
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web tokens
    r"|Bearer\s+[A-Za-z0-9._~+/=-]{8,}"
    r")"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    flags=re.DOTALL,
)
# A W&B key is 40 hexadecimal digits, and so is a commit: what says that it is one keeps it. 64 are a hash of a file.
_FORTY_HEX = re.compile(r"[0-9a-f]{40,}")
_SAYS_COMMIT = re.compile(r"(?i)(?:revision|commit|sha|hash|git|@)\W*$")
# An AWS secret key has no mark of its own: 40 characters of base 64, of every kind.
_FORTY_MIXED = re.compile(
    r"(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]{0,39}[a-z])(?=[A-Za-z0-9/+]{0,39}[A-Z])(?=[A-Za-z0-9/+]{0,39}[0-9])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)
# `token: abc`, `--api-key=abc`, `WANDB_API_KEY=abc`: the value goes, the name stays. Names that only contain
# such a word (`max_caption_tokens: 16`, `eos_token: <eos>`) keep their values.
_SECRET_NAME = (
    r"(?:(?i:(?:[a-z0-9_]+[_-])?(?:access[_-]?token|auth[_-]?token|hf[_-]?token|hub[_-]?token|api[_-]?key"
    r"|secret[_-]?access[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key"
    r"|secret(?:[_-]?key)?|password|passwd|credentials?)|(?<!\w)token)"
    r"|[A-Z][A-Z0-9_]*_(?:TOKEN|KEY|SECRET|PASSWORD))"
)
_SECRET_VALUE = r"(?!null\b|none\b|true\b|false\b|\[removed\])[^\s'\",}]{4,}"
_NAMED_SECRETS = re.compile(
    rf"(?P<name>\b{_SECRET_NAME}['\"]?\s*[:=]\s*|--{_SECRET_NAME}\s+)(?P<quote>['\"]?){_SECRET_VALUE}(?P=quote)"
)
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")
_SECRET_VARIABLE = re.compile(r"(?i)token|secret|password|passwd|api_?key|credential")


def remove_secrets(text: str, *, named: bool = True) -> str:
    """`[removed]` in place of tokens, keys, passwords and the values of this machine's secret variables.

    Args:
        named: also what is written behind a name such as `password:`.
    """
    text = _CREDENTIALS_IN_URL.sub(lambda m: m[0] if m[0] == f"{REMOVED}@" else f"{REMOVED}@", text)
    text = _SECRETS.sub(REMOVED, text)
    text = _FORTY_HEX.sub(_unless_a_commit, text)
    text = _FORTY_MIXED.sub(REMOVED, text)
    for value in _secret_values():
        text = text.replace(value, REMOVED)
    if named:
        text = _NAMED_SECRETS.sub(lambda m: f"{m['name']}{m['quote']}{REMOVED}{m['quote']}", text)
    return text


def is_commit(text: str) -> bool:
    """Whether it looks like one, as some keys do."""
    return len(text) == 40 and bool(_FORTY_HEX.fullmatch(text))


def _unless_a_commit(found: re.Match[str]) -> str:
    if len(found[0]) == 64:
        return found[0]
    return found[0] if _SAYS_COMMIT.search(found.string[max(0, found.start() - 16) : found.start()]) else REMOVED


def _secret_values() -> list[str]:
    values = {v for name, v in os.environ.items() if _SECRET_VARIABLE.search(name) and len(v) >= 8}
    return sorted(values, key=len, reverse=True)
