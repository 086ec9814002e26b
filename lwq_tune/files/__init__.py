"""Files that a kill, a full disk or a second process does not damage: whole files, logs, locks, private folders.

Start at `jsonl` for logs and at `atomic` for other files. Nothing here knows what the files hold; what fails is an
`OSError`, and callers say what that means.

- atomic: A file that is written whole or not at all.
- jsonl: Logs of one JSON object per line: append all or nothing, cut off an unfinished line, read from a byte.
- locks: A lock on a file that names the process that holds it.
- private_folder: A folder that belongs to this user alone.
"""
