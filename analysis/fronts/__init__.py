"""Fronts between objectives: who is dominated, what the seeds attain, which figures decide.

Start at `pareto.pareto_front`.

- attainment: Empirical attainment surfaces.
- choice: Which figures decide on the front.
- families: Fronts of each family of schedules alone, beside the front of all.
- pareto: Fronts: non-dominated configurations, their ranks, and hypervolume.
"""
