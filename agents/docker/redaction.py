"""Secrets leave here as ``<redacted>``: by the name they stand under, and by what they look like.

Pure.  Rather too much than too little, but what is plainly no secret (a port, a path, a switch, a digest) stays
readable, since it is what drift is about.  A changed secret is therefore no visible change.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

REDACTED = "<redacted>"
_LONGEST = 2048

_STRONG = (
    r"passw(?:or)?d|passphrase|pass_?phrase|secret|token|credential|requirepass|masterauth|basicauth|digestauth"
    r"|(?:api|access|private|secret|signing|encryption|master|license|account|shared|ssh)[_.-]?key|connection[_.-]?string"
)
_WEAK = frozenset(
    {"pass", "pwd", "psw", "pw", "auth", "authorization", "jwt", "bearer", "cookie", "dsn", "key", "salt", "pin"}
    | {"private", "htpasswd", "otp", "totp", "sas", "webhook", "psk", "seed"}
)
_STRONG_NAME = re.compile(_STRONG, re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NO_SECRET_NAMES = frozenset({"PWD", "OLDPWD"})
_DIGEST_NAME = re.compile(r"(?i)sha\d*|commit|digest|checksum|hash|revision|version|uuid|fingerprint|(?:^|[_.-])id$")
_SWITCH = re.compile(r"(?i)true|false|yes|no|on|off|none|null|enabled?|disabled?|0|1")
_FILE_NAME = re.compile(r"(?i)[_.-](?:file|path|dir|directory)$")

_USERINFO = re.compile(r"(://[^\s:/?#@\"']*):(?!\d+(?:/|$))[^\s\"'<>]*@")
_BARE_USERINFO = re.compile(r"(://)[^\s:/?#@\"']{16,}@")
_ASSIGNED = re.compile(
    rf"""(?ix)( (?:[\w.-]*(?:{_STRONG})[\w.-]*|\b(?:pwd|pass|auth|authorization)) ["']? \s*[=:]\s* ["']? )
         (?! <redacted> | // ) ([^\s"',;&]+)"""
)
_FLAG = re.compile(rf"""(?ix)( (?:^|\s) --?[\w-]*(?:{_STRONG})[\w-]* \s+ ["']? ) (?! - | <redacted> ) ([^\s"']+)""")
_USER_FLAG = re.compile(r"""((?:^|\s)(?:-u|--user)[=\s]["']?[^\s:"']+):[^\s"']+""")
_SHAPES = re.compile(
    r"""eyJ[\w-]{8,}\.[\w-]+\.[\w-]*                                        # a JSON web token
      |\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|sk_live_|rk_live_|AKIA|ASIA|AIza|hvs\.|dckr_pat_|npm_
           |tskey-|pypi-|SG\.|AGE-SECRET-KEY-)[\w.-]{8,}                   # what providers begin their tokens with
      |\$(?:apr1|1|2[abxy]?|5|6|y|argon2\w*|scrypt|pbkdf2[\w-]*)\$[^\s"',:]+ # a password's hash
      |(?<=[Bb]earer\s)[\w.~+/=-]{8,} | (?<=[Bb]asic\s)[\w+/=-]{8,}""",
    re.VERBOSE,
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*(?:PRIVATE KEY|CERTIFICATE|MESSAGE)")
_LONG = re.compile(r"(?<![\w:/.@+=-])[A-Za-z0-9+/_=-]{32,}(?![\w/.@+=-])")
_HEX = re.compile(r"[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MIN_ENTROPY = 3.3
"""bits per character; 32 random hexadecimal digits have about 3.7, a sentence of words without spaces about 3."""


def names_a_secret(name: str) -> bool:
    """Say whether a variable, flag or label of this name holds one: by its words, `AUTHOR` is not `AUTH`."""
    if name in _NO_SECRET_NAMES:
        return False
    if _STRONG_NAME.search(name):
        return True
    last = name.rsplit(".", 1)[-1]
    return any(word.lower() in _WEAK for word in _WORD.findall(last))


def value(name: str, content: str) -> str:
    """Return what may be published of the value that stands under ``name``."""
    if not content or _SWITCH.fullmatch(content):
        return content
    if _FILE_NAME.search(name) and content.startswith("/"):
        return content
    if names_a_secret(name):
        return REDACTED
    return text(content, digests=bool(_DIGEST_NAME.search(name)))


def text(content: str, *, digests: bool = False) -> str:
    """Return ``content`` with every part that looks like a secret replaced.  ``digests``: long codes are expected."""
    if _PEM.search(content):
        return REDACTED
    for pattern in (_USERINFO, _USER_FLAG):
        content = pattern.sub(rf"\1:{REDACTED}{'@' if pattern is _USERINFO else ''}", content)
    content = _BARE_USERINFO.sub(rf"\1{REDACTED}@", content)
    content = _SHAPES.sub(REDACTED, content)
    for pattern in (_ASSIGNED, _FLAG):
        content = pattern.sub(_unless_a_switch, content)
    if not digests:
        content = _LONG.sub(lambda found: REDACTED if _is_random(found[0]) else found[0], content)
    return content if len(content) <= _LONGEST else f"{content[:_LONGEST]}<{len(content) - _LONGEST} more characters>"


def mapping(pairs: Mapping[str, str]) -> dict[str, str]:
    """Redact labels, driver options and the like."""
    return {name: value(name, content) for name, content in sorted(pairs.items())}


def environment(entries: Iterable[str]) -> dict[str, str]:
    """Redact ``NAME=value`` entries."""
    pairs = (entry.partition("=") for entry in entries)
    return mapping({name: content for name, _, content in pairs})


def command(words: Iterable[str]) -> list[str]:
    """Redact a command line: `--password=x`, `--password x`, and the short flags of programs known to take one."""
    shown: list[str] = []
    secret_next = False
    program = ""
    for word in words:
        program = program or word.rsplit("/", 1)[-1]
        if secret_next and not word.startswith("-"):
            shown.append(REDACTED)
            secret_next = False
            continue
        secret_next = _announces(program, word)
        shown.append(_argument(program, word))
    return shown


_SHORT_FLAGS = {
    "-p": ("mysql", "mariadb", "mysqldump", "mysqladmin", "mongo", "mongosh", "mongodump", "sshpass", "mosquitto_sub"),
    "-P": ("mosquitto_sub", "mosquitto_pub"),
    "-a": ("redis-cli", "valkey-cli"),
    "-w": ("ldapsearch", "ldapadd"),
}


def _announces(program: str, word: str) -> bool:
    """Say whether the argument after ``word`` is a secret."""
    if program in _SHORT_FLAGS.get(word, ()):
        return True
    bare = word.lstrip("-")
    return word.startswith("-") and "=" not in word and names_a_secret(bare) and not _FILE_NAME.search(bare)


def _argument(program: str, word: str) -> str:
    name, equals, content = word.partition("=")
    if equals and re.fullmatch(r"-{0,2}[\w.-]+", name) and not re.search(r"\s", content):
        return f"{name}={value(name.lstrip('-'), content)}"
    if word[:2] in _SHORT_FLAGS and len(word) > len("-p") and program in _SHORT_FLAGS[word[:2]]:
        return f"{word[:2]}{REDACTED}"
    return text(word)


def _unless_a_switch(found: re.Match[str]) -> str:
    return found[0] if _SWITCH.fullmatch(found[2]) else f"{found[1]}{REDACTED}"


def _is_random(word: str) -> bool:
    if _UUID.fullmatch(word):
        return False
    mixed = all(any(test(c) for c in word) for test in (str.isdigit, str.islower, str.isupper))
    return (mixed or _HEX.fullmatch(word) is not None) and _entropy(word) >= _MIN_ENTROPY


def _entropy(word: str) -> float:
    """Shannon's, in bits per character."""
    counts = Counter(word).values()
    return -sum(count / len(word) * math.log2(count / len(word)) for count in counts)
