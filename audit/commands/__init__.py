"""What `manage.py record …` can do: one file a subcommand, named as the subcommand (`rotate_key` is `rotate-key`).

Each has `HELP`, a sentence's beginning; `run(command, **options)`, where `command.stdout` is written to and `Refused`
is told in words; and, where it takes any, `arguments(parser)`.
"""
