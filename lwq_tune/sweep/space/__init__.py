"""From a YAML file to trials: reads it strictly, checks it as a whole, expands it. No torch, no Ray.

Start at `search_space.load_space`.

- candidates: Schedules that a search may train: listed where they are few, else drawn and walked to. No torch, no Ray.
- checks: The search-space file: its form, its reader, and messages that name every problem at once.
- file_models: The parts of a search-space file and their values.
- json_schema: The JSON Schema of a search-space file, for editors: made from the models that check it.
- prerequisites: Which trials others start from: found, added to a sweep, put in order. No torch, no Ray.
- search_space: Search spaces: found by name or file, checked as a whole, expanded into trials.
- selection: Which trials of a space are trained.
- strict_yaml: YAML as a search space may use it.
- trial_list: All trials of a search space on its data set, and their table.
"""
