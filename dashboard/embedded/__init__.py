"""PostgreSQL and Valkey from wheels, for one machine. Production names its own servers instead."""
