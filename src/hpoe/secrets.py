"""Logins inside addresses, which are never printed, recorded or sent."""

import re

_LOGIN = re.compile(r"(?<=://)[^\s/?#]+(?=@)")
_PARAMETER = re.compile(r"(?i)(?<=[?&;])((?:\w*password|pwd|\w*token|\w*secret)=)[^&;\s]+")


def without_secrets(text: str) -> str:
    """Replace the logins of all addresses in a text, and their secret parameters, by `***`."""
    return _PARAMETER.sub(r"\1***", _LOGIN.sub("***", text))
