"""Who watches: persons, teams, roles, and what they arrange among themselves."""

from .calendar import Calendar
from .delegation import Delegation
from .group import Group
from .person import Arrangement, Person, PersonManager
from .team import DECIDES, READS_RECORD, Membership, Role, Team
from .token import PersonalToken, Scope

__all__ = [
    "DECIDES",
    "READS_RECORD",
    "Arrangement",
    "Calendar",
    "Delegation",
    "Group",
    "Membership",
    "Person",
    "PersonManager",
    "PersonalToken",
    "Role",
    "Scope",
    "Team",
]
