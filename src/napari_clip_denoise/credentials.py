"""Text without the credentials that a URL may carry."""

import re

_START = r"(?i)(\b[a-z][a-z0-9+.-]+:/+"
_USER = re.compile(_START + r")[^/\s]*@")
_QUERY = re.compile(_START + r"[^\s?'\"<>()]*)\?[^\s'\"<>()]*[^\s'\"<>().,;]")


def without_credentials(text: str) -> str:
    """Return a text whose URLs have neither a user with a password nor a query.

    A query, such as that of a presigned URL, may hold a signature or a token. Records, messages
    and logs show URLs only in this form.
    """
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))
