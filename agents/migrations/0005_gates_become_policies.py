"""Tool lists and gates become the first version of each agent's policy; the facts are read from there."""

import json

from django.db import migrations


def rule_of(tool, gate):
    rule = {"name": f"{tool} needs a person"[:80], "tools": [tool], "then": "approve"}
    if "argument" not in gate:
        return rule
    stake = f"double(args[{json.dumps(gate['argument'])}])"
    return rule | {"when": f"!({stake} >= 0.0 && {stake} <= {float(gate['over'])})"}


def gates_to_rules(apps, schema_editor):
    Agent = apps.get_model("agents", "Agent")
    Policy = apps.get_model("agents", "Policy")
    Version = apps.get_model("agents", "PolicyVersion")
    for agent in Agent.objects.all():
        policy = Policy.objects.create(team_id=agent.team_id, agent=agent)
        policy.current = Version.objects.create(
            policy=policy,
            number=agent.policy_version,
            document={
                "tools": agent.tools,
                "rules": [rule_of(tool, gate) for tool, gate in agent.gates.items()],
            },
            author="migration",
            why="Its tools and gates, as they were.",
        )
        policy.save(update_fields=["current"])


class Migration(migrations.Migration):
    dependencies = [("agents", "0004_policies")]

    operations = [migrations.RunPython(gates_to_rules, migrations.RunPython.noop, elidable=True)]
