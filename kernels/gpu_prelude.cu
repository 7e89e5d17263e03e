// What kernels here take from CUDA beyond its own functions; a test on the processor has its own.
#define SHARED_FLOATS(name) extern __shared__ float name[]

__device__ inline float HalfToFloat(unsigned short bits) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(bits));
  return wide;
}

__device__ inline unsigned short FloatToHalf(float wide) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(wide));
  return bits;
}

// The sum over the threads of a block, in an order of its own; thread 0 has it. Blocks have a
// multiple of 32 threads.
__device__ inline double BlockSum(double value) {
  __shared__ double by_warp[32];
  for (int offset = 16; offset > 0; offset /= 2) {
    value += __shfl_down_sync(0xffffffffu, value, offset);
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) by_warp[threadIdx.x / 32] = value;
  __syncthreads();
  double sum = 0;
  if (threadIdx.x == 0) {
    for (int warp = 0; warp < blockDim.x / 32; ++warp) sum += by_warp[warp];
  }
  return sum;
}
