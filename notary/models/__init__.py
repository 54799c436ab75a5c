"""Tables and constraints, no verbs."""

from notary.models.base import Base, UtcTime
from notary.models.cases import Case, Channel, Event, Exhibit, Party, Series
from notary.models.people import (
    Applicant,
    Bank,
    Code,
    CodePurpose,
    Failure,
    Link,
    LinkPurpose,
    Login,
    Message,
    MessageState,
    Office,
    Passkey,
    Person,
    Recovery,
)

__all__ = [
    "Applicant",
    "Bank",
    "Base",
    "Case",
    "Channel",
    "Code",
    "CodePurpose",
    "Event",
    "Exhibit",
    "Failure",
    "Link",
    "LinkPurpose",
    "Login",
    "Message",
    "MessageState",
    "Office",
    "Party",
    "Passkey",
    "Person",
    "Recovery",
    "Series",
    "UtcTime",
]
