"""The clock of everything that runs for real; whatever needs a time is given this one."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)
