"""How sure a front is, given few seeds.

Start at `front.front_uncertainty`.

- bootstrap: How often each configuration is on the front when the seeds are drawn again.
- differences: Differences between configurations, how sure each is, and its degrees of freedom.
- front: Fronts with uncertainty.
- hypervolume: Hypervolumes of fronts and their intervals.
- verdicts: Which configurations are shown to be on the front, and which to be dominated, with a family-wise error.
"""
