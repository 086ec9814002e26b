"""Rules that end a trial, or the sweep, early. A new rule is a file here and a line in `rules`.

Start at `controller.StopController`.

- asha: Asynchronous successive halving.
- controller: Ends trials and sweeps early: stop rules, a carbon budget, an error of the records. No Ray.
- dominance: Dominance stopping: a trial ends when its configuration can no longer reach the front.
- front: The front of finished configurations, kept while a sweep runs.
- history: What the stopping rules know of a trial and of a configuration.
- marginal: The marginal stop: a sweep ends when its last configurations have added little to the front per kg CO2eq.
- rules: The rules that stop trials and sweeps early; they receive each epoch and each end. Pure.
- settings: The ``stopping`` section of a search-space file. No torch, no Ray.
"""
