"""An end to the answers of a server that speaks a protocol of AWS, and may be anybody's.

botocore reads an answer whole, however large it is: so it is read here before it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from walkdown.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator


def bound(client: Any, most_bytes: int) -> None:
    """Have a client of boto3 read no more of any answer: a larger one raises `ModelError`."""
    session = client._endpoint.http_session  # noqa: SLF001 - boto3 has no other way to it

    def sent(request: Any, **_: object) -> Any:
        # As if it were to be read piece by piece: else it is read before it comes back.
        request.stream_output = True
        answer = session.send(request)
        answer.raw = _Bounded(answer.raw, most_bytes)
        _ = answer.content  # kept by the answer, and read from there by botocore
        return answer

    client.meta.events.register_last("before-send", sent)


class _Bounded:
    """What comes from the network, as far as botocore asks for it."""

    def __init__(self, raw: Any, most_bytes: int) -> None:
        self._raw, self._most = raw, most_bytes

    def stream(self) -> Iterator[bytes]:
        """Piece by piece. Raises botocore's own error where the connection breaks."""
        from botocore.exceptions import HTTPClientError

        size = 0
        try:
            for piece in self._raw.stream():
                size += len(piece)
                if size > self._most:
                    self._raw.close()
                    raise ModelError(
                        f"the answer is larger than {self._most:,} bytes; check what runs there"
                    )
                yield piece
        except HTTPError as e:
            raise HTTPClientError(error=e) from e
