"""What can go wrong between here and the Hub, each in one line that says what stands there now."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from heygen_hf.hub.card.privacy import scrub

# Whatever HTTP library the client uses, its errors have this base: no connection, no answer, a broken one.
_TRANSPORT_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]


class PushError(ValueError):
    """A push did not happen, or not to its end; the message is one line."""


@contextmanager
def hub_errors(repo_id: str, *, so_far: str) -> Iterator[None]:
    """Turn the client's errors into a `PushError`.

    Args:
        so_far: what is on the Hub if this fails.
    """
    try:
        yield
    except PushError:
        raise
    except HfHubHTTPError as error:
        raise PushError(f"{_reason(error, repo_id)}; {so_far}.") from error
    except OfflineModeIsEnabled as error:
        raise PushError(f"HF_HUB_OFFLINE is set, so the Hub is not asked: unset it to publish; {so_far}.") from error
    except ValueError as error:  # such as a header of the card that the Hub does not take
        raise PushError(f"the Hub does not take it ({_one_line(error)}); {so_far}.") from error
    except (_TRANSPORT_ERROR, OSError, RuntimeError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):  # of an upload, which the client wraps
            raise PushError(f"{_reason(error.__cause__, repo_id)}; {so_far}.") from error
        raise PushError(f"the Hub cannot be reached or broke off ({_one_line(error)}); {so_far}.") from error


def _one_line(error: Exception) -> str:
    return " ".join(scrub(str(error)).split())[:200] or type(error).__name__


def _reason(error: HfHubHTTPError, repo_id: str) -> str:
    response = getattr(error, "response", None)
    status = 0 if response is None else response.status_code
    said = " ".join(scrub(str(getattr(error, "server_message", None) or "")).split())[:200]
    said = f" ({said})" if said else ""
    if status == 401:
        return f"the Hub does not accept the token (401){said}: log in with hf auth login, or set HF_TOKEN"
    if status == 403:
        return f"this token may not write to {repo_id} (403){said}: use one with write access, or another namespace"
    if status == 404:
        return f"there is no {repo_id}, or it is private to others (404){said}"
    if status == 409:
        return f"the Hub refused because of something that is there already (409){said}"
    if status == 412:
        return f"{repo_id} was changed by someone else meanwhile (412){said}: look at it, then publish again"
    if status == 429:
        return f"the Hub asks to wait (429){said}: publish again later"
    if status >= 500:
        return f"the Hub failed ({status}){said}: publish again later"
    return f"the Hub refused ({status or 'no answer'}){said}"
