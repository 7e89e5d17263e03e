"""How files that use kernels/simd.h are compiled."""

# Loops vectorise at -O3; without traps (and errno: .bazelrc), square roots and selections do too.
# Products are fused with what is added to them: periodic activations lose digits without it, and gcc does so from
# -O2 on, or with -fexpensive-optimizations.
SIMD_COPTS = ["-O3", "-fno-trapping-math", "-ffp-contract=fast", "-fexpensive-optimizations"]
