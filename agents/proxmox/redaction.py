"""Secrets leave here as ``<redacted>``: by the name they stand under, and by what they look like.

Pure.  Configurations hold few secrets (arguments of QEMU, environments, mount options), people put more into
descriptions.  Most texts are plainly none, which one look decides: there are thousands of them.
"""

import re

REDACTED = "<redacted>"

_STRONG = (
    r"passw(?:or)?d|passphrase|secret|token|credential|keyring"
    r"|(?:api|access|private|signing|encryption|master|license|account|shared|ssh)[_.-]?key"
)
_WEAK = r"pass|pwd|pw|auth|authorization|jwt|bearer|cookie|key|psk|pin|otp|seed|salt"
_NAME = re.compile(rf"(?i)(?:{_STRONG})|(?:^|[_.-])(?:{_WEAK})(?:$|[_.-]|\d)")
_SHAPE = (
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JSON web token
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|AKIA|ASIA|AIza|hvs\.|dckr_pat_|npm_|tskey-|AGE-SECRET-KEY-)"
    r"[\w.-]{8,}"  # what providers begin their tokens with
    r"|\$(?:apr1|1|2[abxy]?|5|6|y|argon2\w*|scrypt)\$[^\s\"',:]+"  # a password's hash
    r"|(?<=[Bb]earer\s)[\w.~+/=-]{8,}|(?<=[Bb]asic\s)[\w+/=-]{8,}"
)
_SHAPES = re.compile(_SHAPE)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_USERINFO = re.compile(r"(://[^\s:/?#@\"']*):(?!\d+(?:/|$))[^\s\"'<>/]*@")
_ASSIGNED = re.compile(
    rf"""(?ix)( (?:[\w.-]*(?:{_STRONG})[\w.-]* | \b(?:{_WEAK})) ["'*`]{{0,3}} \s* [=:] [\s"'*`]{{0,6}} )
         (?! <redacted> | // ) ([^\s"',;&`*]+)"""
)
_FLAG = re.compile(rf"""(?ix)( (?:^|\s) --?[\w-]*(?:{_STRONG})[\w-]* \s+ ["']? ) (?! - | <redacted> ) ([^\s"']+)""")
_QEMU = re.compile(r"(\bsecret,\S*?\bdata=|\bfw_cfg\s+\S*?\bstring=)([^\s,]+)")
"""``-object secret,id=a,data=...`` and what is handed to a guest by ``-fw_cfg name=...,string=...``."""
_SWITCH = re.compile(r"(?i)true|false|yes|no|on|off|none|null|enabled?|disabled?|0|1")
_MARKS = (
    "pass", "secret", "token", "credential", "key", "pwd", "pw", "auth", "jwt", "bearer", "basic", "cookie", "psk",
    "pin", "otp", "seed", "salt", "://", "-----begin", "eyj", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_",
    "glpat-", "xox", "sk-", "akia", "asia", "aiza", "hvs.", "dckr_pat_", "npm_", "fw_cfg", "$",
)  # fmt: skip
"""In lower case; a text that has none of them is left as it is."""


def names_a_secret(name: str) -> bool:
    return _NAME.search(name) is not None


def value(name: str, content: str) -> str:
    """Return what may be published of the value that stands under ``name``."""
    if not content or _SWITCH.fullmatch(content):
        return content
    return REDACTED if names_a_secret(name) else text(content)


def text(content: str) -> str:
    """Return ``content`` with every part that looks like a secret replaced."""
    lower = content.lower()
    if not any(mark in lower for mark in _MARKS):
        return content
    content = _PEM.sub(REDACTED, content)
    content = _USERINFO.sub(rf"\1:{REDACTED}@", content)
    content = _SHAPES.sub(REDACTED, content)
    for pattern in (_ASSIGNED, _FLAG, _QEMU):
        content = pattern.sub(_unless_a_switch, content)
    return content


def _unless_a_switch(found: re.Match[str]) -> str:
    return found[0] if _SWITCH.fullmatch(found[2]) else f"{found[1]}{REDACTED}"
