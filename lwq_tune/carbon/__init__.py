"""Carbon intensity of electricity, in grams of CO2 equivalent per kWh: of countries, of hosts, over time.

Start at `host_intensities.find_intensities`.

- countries: Countries as users write them, ISO 3166-1 codes and English names, and what their electricity emits.
- host_intensities: The carbon intensity of each host, from the flags.
- intensity: Carbon intensity over time, and settings that differ between hosts.
- intensity_file: Carbon intensity files.
"""
