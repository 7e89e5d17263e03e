"""How files that use kernels/simd.h are compiled."""

# Loops vectorise at -O3; without errno and traps, square roots and selections do too.
SIMD_COPTS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]
