"""What anybody's service is sent and what it answers, as a card declares both.

`InputCard` and `body` make the bytes of a request of a photograph; `OutputCard` and `mapped` make a
prediction of the parsed JSON that came back. No service is known here, and none is called.
"""

from walkdown.models.mapping.inputs import InputCard, Sent, body, sent
from walkdown.models.mapping.outputs import OutputCard, mapped, parsed

__all__ = ["InputCard", "OutputCard", "Sent", "body", "mapped", "parsed", "sent"]
