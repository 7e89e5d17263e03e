// Completing fusion_kernel.cu for a fusion.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "losses/fusion_gpu.h"

namespace losses {
namespace {

constexpr int64_t kMostClasses = 64;  // that a thread's registers are asked to hold

constexpr char kPrelude[] =
#include "kernels/gpu_prelude.inc"
    ;
constexpr char kSource[] =
#include "losses/fusion_kernel.inc"
    ;

void Append(const std::vector<float>& more, std::vector<float>* to) {
  to->insert(to->end(), more.begin(), more.end());
}

}  // namespace

GpuSource MakeGpuSource(const std::vector<GpuTerm>& terms, int64_t classes, int64_t epoch,
                        bool for_gpu) {
  GpuSource made;
  std::string forms, ratio_forms;
  std::vector<size_t> places;
  std::vector<int> is_ratio;  // 1 by image, 2 of the whole batch
  const std::vector<float>* log_weights = nullptr;
  bool uses_dp = false;
  for (size_t k = 0; k < terms.size(); ++k) {
    const GpuTerm& term = terms[k];
    const std::string form = term.Form();
    if (form.empty()) return {};
    const size_t place = made.parameters.size();
    places.push_back(place);
    const std::string parameter =
        absl::StrCat("#undef P\n#define P(i) parameters.values[", place + 1, " + (i)]\n");
    made.parameters.push_back(static_cast<float>(term.weight));
    if (term.ratio != nullptr) {
      absl::StrAppend(&ratio_forms, parameter, "RATIO_TERM(", k, ", ", form, ")\n");
      Append(term.ratio->gpu_parameters(), &made.parameters);
      is_ratio.push_back(term.ratio->whole_batch() ? 2 : 1);
      made.has_ratios = uses_dp = true;
      continue;
    }
    absl::StrAppend(&forms, parameter, "TERM(", k, ", ", place, ", ", form, ")\n");
    Append(term.pixel->gpu_parameters(classes, epoch), &made.parameters);
    is_ratio.push_back(0);
    uses_dp = uses_dp || term.pixel->uses_dp();
    if (term.pixel->log_weights() != nullptr) log_weights = term.pixel->log_weights();
  }
  const size_t logs = made.parameters.size();
  if (log_weights != nullptr) {
    Append(*log_weights, &made.parameters);
    made.parameters.resize(logs + classes, 1);
  }
  if (classes > kMostClasses || made.parameters.size() > kMostGpuParameters) return {};
  made.source = absl::StrCat(
      for_gpu ? kPrelude : "", "#define CLASSES ", classes, "\n#define TERMS ", terms.size(),
      "\n#define USES_DP ", uses_dp ? 1 : 0, "\n#define USES_LOGS ", log_weights != nullptr ? 1 : 0,
      "\n#define RATIOS ", made.has_ratios ? 1 : 0, "\n#define LOGS ", logs, "\n#define MOST ",
      kMostGpuParameters, "\n#define PLACES ", absl::StrJoin(places, ", "), "\n#define RATIO ",
      absl::StrJoin(is_ratio, ", "), "\n",
      absl::StrReplaceAll(kSource, {{"    FORMS\n", forms}, {"    RATIO_FORMS\n", ratio_forms}}));
  return made;
}

}  // namespace losses
