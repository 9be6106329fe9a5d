"""Credentials that a URL may carry: apart from it for the libraries, and nowhere in texts."""

import re
from base64 import b64encode
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

_START = r"(?i)(\b[a-z][a-z0-9+.-]+:/+"
_USER = re.compile(_START + r")[^/\s]*@")
_QUERY = re.compile(_START + r"[^\s?'\"<>()]*)\?[^\s'\"<>()]*[^\s'\"<>().,;]")


def without_credentials(text: str) -> str:
    """Return a text whose URLs have neither a user with a password nor a query.

    A query, such as that of a presigned URL, may hold a signature or a token. Records, messages
    and logs show URLs only in this form.
    """
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))


def split_credentials(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL without user and password, and the options of fsspec that stand for them.

    This keeps them out of the messages of libraries, which name the URL. Only the URLs of web
    servers and S3 are split; those of other services, and chains, are left to fsspec.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "s3") or "::" in url or "@" not in parts.netloc:
        return url, {}
    owner, _, host = parts.netloc.rpartition("@")
    user, _, password = (unquote(part) for part in owner.partition(":"))
    clean = urlunsplit(parts._replace(netloc=host))
    if parts.scheme == "s3":
        return clean, {"key": user, "secret": password}
    header = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    return clean, {"client_kwargs": {"headers": {"Authorization": header}}}
