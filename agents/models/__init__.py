"""Who acts, what they do, and what stops them."""

from .aap import AAPRequest, AAPStatus, Instance, InstanceUpdate, Provisioner
from .action import Action, ActionState
from .agent import Agent, AgentKey, AgentState, AgentVersion
from .breaker import Breaker, BreakerState, Bucket, Condition, Streak, ToolUse, Trip
from .budget import Account, Budget
from .limit import Limit, LimitUse, Permit
from .policy import Policy, PolicyVersion, ToolSchema
from .price import Price, Repricing
from .run import Checkpoint, Directive, Run, RunState

__all__ = [
    "AAPRequest",
    "AAPStatus",
    "Account",
    "Action",
    "ActionState",
    "Agent",
    "AgentKey",
    "AgentState",
    "AgentVersion",
    "Breaker",
    "BreakerState",
    "Bucket",
    "Budget",
    "Checkpoint",
    "Condition",
    "Directive",
    "Instance",
    "InstanceUpdate",
    "Limit",
    "LimitUse",
    "Permit",
    "Policy",
    "PolicyVersion",
    "Price",
    "Provisioner",
    "Repricing",
    "Run",
    "RunState",
    "Streak",
    "ToolSchema",
    "ToolUse",
    "Trip",
]
