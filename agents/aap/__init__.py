"""The Agent Approval Protocol at `/api/aap`: adapters for many frameworks speak it, so none of ours is needed.

A request is an action like any other, in a standing run of its agent; here it is only translated.
`agents/transitions/aap.py` moves it, `agents/hot/aap.py` answers whoever waits.
"""
