"""Requests of spans, on their way from the door into the database.

The door (`hot/otlp.py`) knows whose a request is, and no more. `Ingest` chooses a place for it: a child process, or,
while there is none, a thread of the web process. In either `store_next` reads what waits, and stores it together.
"""
