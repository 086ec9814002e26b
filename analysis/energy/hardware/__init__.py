"""Published costs of hardware by weight and activation bits: tables in YAML, and the reader that checks them.

Start at `reader.find_hardware`, which takes the name of a table of this folder or a file of one's own. Every table says
where its figures come from, under which conditions, whether they were measured or simulated, and what they leave out.

- reader: Strict reading of a table, and the tables that are shipped.
- table: Costs of a multiply-accumulate and of a moved byte, bits that are given and bits between them.
- horowitz45nm-qkeras.yaml: 45 nm arithmetic and memory, the model of the recorded column; the default.
- mpic.yaml: A RISC-V core with dot products of 2, 4 and 8 bits, as PLiNIO records it.
- bit-fusion.yaml: An array of multipliers that fuse 2-bit units, as its authors' simulator records it.
"""
