"""Text messages: a row in the transaction that causes them, sent afterwards by a job.

The trial's messenger sends nothing: it puts the message on the page /outbox and says so.
"""

from __future__ import annotations

from typing import Protocol

import httpx

from notary.models import Message, MessageState


class Messenger(Protocol):
    insecure: bool
    """True where messages are shown on a page instead of sent; ENV=production refuses that."""

    def send(self, message: Message) -> MessageState:
        """Delivers one message; the state says what truly was done. Raises OSError to be tried again."""
        ...


class OutboxMessenger:
    insecure = True

    def send(self, message: Message) -> MessageState:
        return MessageState.SHOWN


class WebhookMessenger:
    """Posts {id, to, text} to the office's own SMS gateway; any 2xx means that the gateway took it."""

    insecure = False

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, message: Message) -> MessageState:
        try:
            answer = httpx.post(
                self.url, json={"id": str(message.id), "to": message.to, "text": message.text}, timeout=10
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise OSError(f"SMS gateway: {type(error).__name__}") from error
        return MessageState.SENT
