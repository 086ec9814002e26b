"""The paper that this project starts from: its figures as data, and ours beside them.

Start at `table3.compare_with_paper`.

- published: What Ikram et al. 2025 print, as data.
- table3: The paper's Table 3, in its own convention (spread over epochs) and over seeds, and the paper's figures
  beside it.
"""
