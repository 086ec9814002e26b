"""Fronts between objectives: who is dominated, what the seeds attain, which figures decide.

Start at `pareto.pareto_front`.

- attainment: Empirical attainment surfaces.
- choice: Which figures decide on the front.
- pareto: Fronts: non-dominated configurations, their ranks, and hypervolume.
- replicates: Finished trials as one array: configurations x seeds x objectives, all costs.
"""
