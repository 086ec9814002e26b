"""The command line: from flags to a call to an exit code; a module with `add_arguments(parser)` and
`run(arguments)` for each command.

Start at `main.main`.

- completion: ``python -m lwq_tune completion``.
- deploy: ``python -m lwq_tune deploy``: what trained networks cost where they run, measured.
- exit_codes: Exit codes of the command line.
- export: ``python -m lwq_tune export``: the network of a finished trial as a file, ONNX or NumPy.
- main: The command line: flags to calls to exit codes. A command's module is imported once the command is known.
- messages: Messages at the end of a session: statuses, energies, and the command to resume.
- options: Flags that are derived from settings, and flags that commands share.
- resume: ``python -m lwq_tune resume``: train the unfinished trials of a run folder.
- spaces: ``python -m lwq_tune spaces``: the search spaces that come along, and the JSON Schema of such files.
- status: ``python -m lwq_tune status``.
- sweep: ``python -m lwq_tune sweep``: every trial of a search space, each trained once.
- train: ``python -m lwq_tune train``: one trial, without Ray.
"""
