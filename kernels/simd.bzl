"""How files that use kernels/simd.h are compiled."""

# Loops vectorise at -O3; without traps (and errno: .bazelrc), square roots and selections do too.
SIMD_COPTS = ["-O3", "-fno-trapping-math"]
