"""Runs a whole floor on one machine: servers, web, worker, beat and example agents, from start to stop."""
