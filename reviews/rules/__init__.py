"""Judgement about what people are told: pure functions over plain data, time is an argument."""
