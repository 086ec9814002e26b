"""Who used what: pure arithmetic on readings, no clocks and no files.

Start at `split`.

- cpu_accounts: CPU seconds per account.
- gpu_accounts: Which account has reserved which GPU, and what each GPU used between two readings.
- idle_power: Idle power of the CPUs of a host.
- memory_shares: The share of a host's memory that each account's processes use.
- split: Splits the energy of a host in an interval between accounts. Pure arithmetic in joules.
"""
