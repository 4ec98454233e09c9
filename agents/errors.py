"""Why a source could not be read.  Four reasons, because there are four reactions."""

from datetime import timedelta
from typing import ClassVar

from schemas.events import Trouble


class AgentError(Exception):
    """Base; a concrete reason is always raised.  The text is shown to people: say what and what to do.

    ``why`` is the reason alone, without what was asked and where: the same of all that fails alike.
    """

    trouble: ClassVar[Trouble]

    def __init__(self, message: str, *, why: str = "") -> None:
        super().__init__(message)
        self.why = why or message


class Unreachable(AgentError):
    """Nobody answered, or the answer was "not now".  Try again, slower and slower."""

    trouble = Trouble.UNREACHABLE


class Throttled(AgentError):
    """The source told us when to come back."""

    trouble = Trouble.THROTTLED

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthorized(AgentError):
    """A person has to mend the credentials; trying faster locks accounts.  The text names the missing privilege."""

    trouble = Trouble.UNAUTHORIZED


class Malformed(AgentError):
    """The source answered what this version cannot read.  A defect here, or a new API."""

    trouble = Trouble.MALFORMED
