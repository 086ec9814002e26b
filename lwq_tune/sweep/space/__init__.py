"""A YAML file to trials: read strictly, checked as a whole, expanded. No torch, no Ray.

Start at `search_space.load_space`.

- checks: The search-space file: its form, its reader, and messages that name every problem at once.
- file_models: The parts of a search-space file and what they may say.
- prerequisites: Which trials others start from: found, added to a sweep, put in order. No torch, no Ray.
- search_space: Search spaces: found by name or file, checked as a whole, expanded into trials.
- selection: Which trials of a space are trained.
- strict_yaml: YAML as a search space may use it.
- trial_list: A search space on its data set: all that a sweep trains, and the list of it.
"""
