"""Who used what: pure arithmetic on readings, no clocks and no files.

Start at `split`.

- cpu_accounts: CPU seconds per account.
- gpu_accounts: Which account owns which GPU, and what each GPU did between two readings.
- idle_power: What a host draws when it does nothing.
- memory_shares: The share of a host's memory that each account's processes hold.
- split: Splits what a host used in an interval between those who used it. Pure arithmetic in joules.
"""
