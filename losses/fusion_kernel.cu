// The losses of a fusion and their gradient, in one pass over the logits, or two where there are
// losses of ratios: the source of a GPU's kernels, which GpuSource (fusion_gpu.h) completes for the
// fusion at hand. The arithmetic is that of the block form (block_softmax.cc, block_gradient.cc,
// block_ratios.cc), pixel by pixel.
//
// Defined before: CLASSES, TERMS, USES_DP, USES_LOGS, LOGS (place of the classes' weights among the
// parameters), MOST (the number of parameters), PLACES (of each term's weight among them) and RATIO
// (whether each term is one of ratios). FORMS and RATIO_FORMS stand for the losses' own statements.

constexpr float kLeastLogit = -80;
constexpr float kDistant = 1.7e-28f;

// What Ratios and Finish do: all, or, where several processes train, what comes before their sums
// meet and what comes after.
constexpr int kOwn = 1, kShared = 2;

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

// What Sums leaves of a unit (an image; a pixel of [N, C]): by class the sums of w p t, w p, w p^2 and
// w t, then those of w and of the pixels with a weight.
constexpr int kSums = 4 * CLASSES + 2;

__device__ inline int ClassOf(long long label) {
  return label < 0 ? 0 : label < CLASSES ? (int)label : CLASSES - 1;
}

// The part of `chunk` of `chunks` in each unit; a block for each part.
extern "C" __global__ void Sums(const float* logits, const long long* labels, const float* weights,
                                double* parts, int chunks, Layout layout) {
  const long long unit = blockIdx.x / chunks;
  const long long chunk = blockIdx.x % chunks;
  const long long size = (layout.inner + chunks - 1) / chunks;
  const long long end = (chunk + 1) * size < layout.inner ? (chunk + 1) * size : layout.inner;
  float sums[kSums] = {};
  for (long long at = chunk * size + threadIdx.x; at < end; at += blockDim.x) {
    const float* const z = logits + unit * layout.image_stride + at * layout.pixel_stride;
    const long long pixel = unit * layout.inner + at;
    const float weight = weights == nullptr ? 1.0f : weights[pixel];
    if (weight == 0) continue;
    const int y = ClassOf(labels[pixel]);
    float p[CLASSES];
    float most = z[0], sum = 0;
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      p[c] = z[c * layout.class_stride];
      most = p[c] > most ? p[c] : most;
    }
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      const float x = p[c] - most;
      p[c] = expf(x < kLeastLogit ? kLeastLogit : x);
      sum += p[c];
    }
    const float inverse = 1 / sum;
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      const float q = p[c] * inverse, wp = weight * q;
      sums[c] += y == c ? wp : 0;
      sums[CLASSES + c] += wp;
      sums[2 * CLASSES + c] += wp * q;
      sums[3 * CLASSES + c] += y == c ? weight : 0;
    }
    sums[4 * CLASSES] += weight;
    sums[4 * CLASSES + 1] += weight < 0 ? 0 : 1;  // NaN counts
  }
  for (int i = 0; i < kSums; ++i) {
    const double all = BlockSum(sums[i]);
    if (threadIdx.x == 0) parts[(long long)blockIdx.x * kSums + i] = all;
  }
}

#if RATIOS
// One unit's loss of a term and its gradient, before weights: what a loss's statements see.
struct Ratio {
  double amount, mean, loss;
  double both[CLASSES], p[CLASSES], p_squared[CLASSES], t[CLASSES];
  double constant[CLASSES], on_target[CLASSES], times_p[CLASSES];
};

// Sums of weights divided by their mean; false where nothing weighs.
__device__ inline bool Begin(const double* sums, Ratio* ratio) {
  ratio->amount = sums[4 * CLASSES + 1];
  ratio->loss = 0;
  ratio->mean = sums[4 * CLASSES] / (ratio->amount > 0 ? ratio->amount : 1);
  const double divide = ratio->amount > 0 ? 1 / ratio->mean : 0;
  for (int c = 0; c < CLASSES; ++c) {
    ratio->both[c] = sums[c] * divide;
    ratio->p[c] = sums[CLASSES + c] * divide;
    ratio->p_squared[c] = sums[2 * CLASSES + c] * divide;
    ratio->t[c] = sums[3 * CLASSES + c] * divide;
    ratio->constant[c] = ratio->on_target[c] = ratio->times_p[c] = 0;
  }
  return ratio->amount > 0;
}

// The loss of one term for one unit. `term` picks the statements.
__device__ __noinline__ void Compute(int term, const Parameters& parameters, Ratio* ratio) {
  const double amount = ratio->amount;
  const double *both = ratio->both, *p = ratio->p, *p_squared = ratio->p_squared, *t = ratio->t;
  double *constant = ratio->constant, *on_target = ratio->on_target, *times_p = ratio->times_p;
  double loss = 0;
#define RATIO_TERM(k, ...) \
  if (term == k) __VA_ARGS__
    RATIO_FORMS
  ratio->loss = loss;
}

// += the gradient by a pixel's p, of constant, on_target and times_p.
__device__ inline void AddCoefficients(const Ratio& ratio, double scale, float* to) {
  for (int c = 0; c < CLASSES; ++c) {
    to[c] += (float)(scale * ratio.constant[c]);
    to[CLASSES + c] += (float)(scale * ratio.on_target[c]);
    to[2 * CLASSES + c] += (float)(scale * ratio.times_p[c]);
  }
}

// Sums by unit of what Sums left in chunks, then those of the batch, and what the means of the
// units' weights add up to: [units + 1, kSums] and a number more. One block.
__device__ inline void AddUnits(const double* parts, int chunks, long long units, double* sums) {
  for (long long unit = threadIdx.x; unit < units; unit += blockDim.x) {
    for (int i = 0; i < kSums; ++i) {
      double all = 0;
      for (int chunk = 0; chunk < chunks; ++chunk) all += parts[(unit * chunks + chunk) * kSums + i];
      sums[unit * kSums + i] = all;
    }
  }
  double* const batch = sums + units * kSums;
  for (int i = 0; i < kSums; ++i) {
    double all = 0;
    for (long long unit = threadIdx.x; unit < units; unit += blockDim.x) {
      all += sums[unit * kSums + i];
    }
    all = BlockSum(all);
    if (threadIdx.x == 0) batch[i] = all;
  }
  double means = 0;
  for (long long unit = threadIdx.x; unit < units; unit += blockDim.x) {
    const double amount = sums[unit * kSums + 4 * CLASSES + 1];
    if (amount > 0) means += sums[unit * kSums + 4 * CLASSES] / amount;
  }
  means = BlockSum(means);
  if (threadIdx.x == 0) batch[kSums] = means;
  __syncthreads();
}

// Losses of ratios. coefficients: [units + 1, 3 CLASSES]; account [2, TERMS]. One block. In the
// step kOwn sums alone are made; in kShared they are given, those of the batch being of several
// processes, of which one `counts` losses of the whole batch.
extern "C" __global__ void Ratios(const double* parts, int chunks, long long units, double* sums,
                                  float* coefficients, double* account, int step, int counts,
                                  const __grid_constant__ Parameters parameters) {
  const int places[TERMS] = {PLACES}, is_ratio[TERMS] = {RATIO};
  if (step != kShared) AddUnits(parts, chunks, units, sums);
  if (step == kOwn) return;
  for (long long i = threadIdx.x; i < (units + 1) * 3 * CLASSES; i += blockDim.x) {
    coefficients[i] = 0;
  }
  __syncthreads();
  const double* const batch = sums + units * kSums;
  // After the units'.
  float* const of_batch = coefficients + units * 3 * CLASSES;
  const double amount = batch[kSums];
  Ratio ratio;
  for (int k = 0; k < TERMS; ++k) {
    if (is_ratio[k] == 0) continue;
    const double weight = parameters.values[places[k]];
    if (is_ratio[k] == 2) {
      if (threadIdx.x != 0) continue;
      const bool any = Begin(batch, &ratio);
      if (any) Compute(k, parameters, &ratio);
      account[k] = any && counts ? ratio.mean * ratio.loss : 0;
      account[TERMS + k] = any ? ratio.mean : 0;
      if (any && ratio.mean != 0) AddCoefficients(ratio, weight / ratio.mean, of_batch);
      continue;
    }
    double sum = 0;
    for (long long unit = threadIdx.x; unit < units; unit += blockDim.x) {
      if (!Begin(sums + unit * kSums, &ratio)) continue;
      Compute(k, parameters, &ratio);
      sum += ratio.mean * ratio.loss;
      AddCoefficients(ratio, weight / amount, coefficients + unit * 3 * CLASSES);
    }
    sum = BlockSum(sum);
    if (threadIdx.x != 0) continue;
    account[k] = sum;
    account[TERMS + k] = amount;
  }
  __syncthreads();
  for (long long unit = threadIdx.x; unit < units; unit += blockDim.x) {
    for (int i = 0; i < 3 * CLASSES; ++i) coefficients[unit * 3 * CLASSES + i] += of_batch[i];
  }
}
#endif

extern "C" __global__ void Fuse(const float* logits, const long long* labels, const float* weights,
                                const double* amount, const float* coefficients,
                                float* gradient, double* sums, Layout layout,
                                const __grid_constant__ Parameters parameters) {
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
    const int y = ClassOf(labels[pixel]);
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
#if RATIOS
    const float* const of_unit = coefficients + pixel / layout.inner * 3 * CLASSES;
#pragma unroll
    for (int c = 0; c < CLASSES; ++c) {
      dp[c] = of_unit[c] + (y == c ? of_unit[CLASSES + c] : 0) + of_unit[2 * CLASSES + c] * p[c];
    }
#endif
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

// Adds up what `blocks` blocks left, in order, beside what Ratios left: account [2, TERMS], which
// kShared is given, and the total, which kOwn leaves out. One block.
extern "C" __global__ void Finish(const double* sums, int blocks, const double* amount,
                                  double* account, float* total, int step,
                                  const __grid_constant__ Parameters parameters) {
  const int places[TERMS] = {PLACES}, is_ratio[TERMS] = {RATIO};
  for (int k = 0; k < TERMS && step != kShared; ++k) {
    double sum = 0;
    for (int block = threadIdx.x; block < blocks; block += blockDim.x) {
      sum += sums[(long long)block * TERMS + k];
    }
    sum = BlockSum(sum);
    if (threadIdx.x != 0 || is_ratio[k] != 0) continue;
    account[k] = sum;
    account[TERMS + k] = *amount;
  }
  if (threadIdx.x != 0 || step == kOwn) return;
  double weighted = 0;
  for (int k = 0; k < TERMS; ++k) {
    const double over = account[TERMS + k];
    if (over > 0) weighted += parameters.values[places[k]] * account[k] / over;
    if (!(over == over)) weighted += over;  // NaN
  }
  *total = (float)weighted;
}
