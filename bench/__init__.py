"""What Watchfloor's promises cost, measured over real HTTP against a real PostgreSQL with fsync on."""
