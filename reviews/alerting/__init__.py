"""Telling people outside: what is told of, what it says, and sending it through Apprise, guarded."""
