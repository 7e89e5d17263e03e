// The losses of a fusion that are means over pixels, and their gradient, in one pass over the
// logits: the source of a GPU's kernels, which PixelSource (pixel_gpu.h) completes for the fusion at
// hand. The arithmetic is that of block_softmax.cc and block_gradient.cc, pixel by pixel.
//
// Defined before: CLASSES, TERMS, USES_DP, USES_LOGS, LOGS (place of the classes' weights among the
// parameters) and MOST (the number of parameters). FORMS stands for the losses' own statements.

constexpr float kLeastLogit = -80;
constexpr float kDistant = 1.7e-28f;

struct Parameters {
  float values[MOST];
};

struct Layout {
  long long pixels;        // in all
  long long inner;         // of an image
  long long image_stride;  // in floats, as the others
  long long pixel_stride;
  long long class_stride;
};

extern "C" __global__ void Fuse(const float* logits, const long long* labels, const float* weights,
                                const double* amount, float* gradient, double* sums, Layout layout,
                                Parameters parameters) {
  float totals[TERMS] = {};
  const float* const log_weights = parameters.values + LOGS;
  const float over = *amount > 0 ? (float)(1 / *amount) : 0.0f;
  const long long round = (long long)gridDim.x * blockDim.x;
  long long pixel = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  for (; pixel < layout.pixels; pixel += round) {
    const long long first = pixel / layout.inner * layout.image_stride +
                            pixel % layout.inner * layout.pixel_stride;
    const float* const z = logits + first;
    const float weight = weights == nullptr ? 1.0f : weights[pixel];
    const long long label = labels[pixel];
    const int y = label < 0 ? 0 : label < CLASSES ? (int)label : CLASSES - 1;
    float p[CLASSES];
    int top = 0;
    float most = z[0];
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      p[c] = z[c * layout.class_stride];
      if (p[c] > most) {
        most = p[c];
        top = c;
      }
    }
    float log_sum = 0, own = 0;
    if (USES_LOGS) {
#pragma unroll
      for (int c = 0; c < CLASSES; ++c) own = y == c ? p[c] : own;
#pragma unroll
      for (int c = 0; c < CLASSES; ++c) log_sum += log_weights[c] * (p[c] - own);
    }
    float sum = 0;
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      const float x = p[c] - most;
      p[c] = expf(x < kLeastLogit ? kLeastLogit : x);
      sum += p[c];
    }
    float rest = 0, p_y = 0, excess = 0;
    const float inverse = 1 / sum;
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      p[c] *= inverse;
      rest += p[c] > 0.5f ? 0 : p[c];
      p_y += y == c ? p[c] : 0;
    }
    const float rest_y = p_y > 0.5f ? rest : 1 - p_y;
    float log_y = rest_y < 0.29f ? log1pf(-rest_y) : logf(p_y);
    if (p_y <= kDistant) {
      // Farther apart than floats hold: from the logits.
      double all = 0, second = z[y * layout.class_stride];
      for (int c = 0; c < CLASSES; ++c) {
        const double logit = z[c * layout.class_stride];
        all += exp(logit - most);
        if (c != top && logit > second) second = logit;
      }
      log_y = (float)(z[y * layout.class_stride] - (double)most - log(all));
      const double raised = fmax(0.0, kLeastLogit + (double)most - second);
      if (rest <= kDistant && raised < 1e30) {
        excess = (float)raised;
        rest = 0;
#pragma unroll
        for (int c = 0; c < CLASSES; ++c) {
          if (c == top) continue;
          p[c] = (float)exp(z[c * layout.class_stride] - (double)most + raised);
          rest += p[c];
        }
      }
    }
    float total_log = 0;
    if (USES_LOGS) {
      for (int c = 0; c < CLASSES; ++c) total_log += log_weights[c];
      log_sum += total_log * log_y;
    }
    float dp[CLASSES] = {};
    float dlog = 0, dtop = 0, dlog_sum = 0, value = 0, scale = 0;
    // Statements of one term: P(i) is its i-th parameter.
#define TERM(k, at, ...)                                  \
  {                                                       \
    value = 0;                                            \
    scale = over * parameters.values[at];                 \
    __VA_ARGS__ totals[k] += weight == 0 ? 0 : weight * value; \
  }
    FORMS
    if (gradient == nullptr) continue;
    float dot = 0, q_top = 0;
    if (USES_DP) {
#pragma unroll
      for (int c = 0; c < CLASSES; ++c) {
        dot += p[c] > 0.5f ? 0 : p[c] * dp[c];
        q_top += p[c] > 0.5f ? dp[c] : 0;
      }
    }
    const float p_top = rest < 0.75f ? 1 - rest : 0;
    const float at_top = rest * q_top + dtop - dot;
    const float elsewhere = p_top * q_top + dot;
    const float shared = p_top * dtop / rest;
    float* const to = gradient + first;
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      float slope = dlog * (y == c ? rest_y : -p[c]);
      if (USES_DP) {
        const bool is_top = p[c] > 0.5f;
        slope += p[c] * (is_top ? at_top : dp[c] - elsewhere) - (is_top ? 0 : p[c] * shared);
      }
      if (USES_LOGS) slope += dlog_sum * (log_weights[c] - p[c] * total_log);
      to[c * layout.class_stride] = weight == 0 ? 0 : weight * slope;
    }
  }
#pragma unroll
  for (int k = 0; k < TERMS; ++k) {
    const double all = BlockSum(totals[k]);
    if (threadIdx.x == 0) sums[(long long)blockIdx.x * TERMS + k] = all;
  }
}

// Adds up what `blocks` blocks left, in order: account [2, TERMS] and the total. One block.
extern "C" __global__ void Finish(const double* sums, int blocks, const double* amount,
                                  double* account, float* total, Parameters parameters) {
  const int places[TERMS] = {PLACES};
  double weighted = 0;
  for (int k = 0; k < TERMS; ++k) {
    double sum = 0;
    for (int block = threadIdx.x; block < blocks; block += blockDim.x) sum += sums[block * TERMS + k];
    sum = BlockSum(sum);
    if (*amount > 0) weighted += parameters.values[places[k]] * sum / *amount;
    if (!(*amount == *amount)) weighted += sum;  // NaN
    if (threadIdx.x != 0) continue;
    account[k] = sum;
    account[TERMS + k] = *amount;
  }
  if (threadIdx.x == 0) *total = (float)weighted;
}
