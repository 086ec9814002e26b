"""The quantizers, a file for each method; `lwq_tune.quantization.scheme` says which is used where.

Start at `base.Quantizer`, which all share.

- base: What all quantizers share: their integer range, and how their values are written as integers.
- dorefa: DoReFa-Net quantizers (Zhou et al. 2016).
- least_squares: The scale whose grid lies nearest to some values.
- lsq: Learned step size quantization (LSQ; Esser et al. 2020).
- minmax: Affine quantization between observed extremes (Jacob et al. 2018, section 3).
- pact: PACT: activations clipped at a learned level (Choi et al.
"""
