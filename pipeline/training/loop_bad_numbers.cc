// What the loop does where a loss or a gradient is not finite, or memory runs out.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/exceptions.h"
#include "pipeline/training/loop.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

constexpr size_t kNamedSamples = 4;
constexpr int64_t kSkipsInARow = 10, kRollbacks = 3;

// Half of a batch takes about half of the memory, weights aside.
absl::Status WithSmallerBatch(const Step& step, const absl::Status& status) {
  const size_t images = step.samples.size();
  const std::string smaller = images > 1 ? absl::StrCat("batch_size ", images / 2, " may fit")
                                         : "a smaller image_size or a narrower model may fit";
  return absl::ResourceExhaustedError(absl::StrCat(
      status.message(), "; the memory does not hold a batch of ", images, ": ", smaller));
}

}  // namespace

absl::Status Loop::Bad(const Step& step, const std::string& what) {
  std::string node = FirstBadNode(graph_);
  std::vector<std::string> terms;
  for (const auto& [name, value] : graph_.Live()) {
    if (!std::isfinite(value)) terms.push_back(absl::StrCat(name, " is ", BadName(value)));
  }
  std::vector<size_t> bad;
  const bool nobodys = IsNobodys(step.samples);
  if (!nobodys) {
    const Processes::Alone alone(processes_);
    bad = BadSamples(step, options_.minimize(), &graph_);
  }
  buffers_.PutBack();
  bool any = !bad.empty();  // of all processes
  if (processes_ != nullptr) any = processes_->Sum(std::vector<double>{any ? 1.0 : 0.0})[0] > 0;
  const size_t count = any ? bad.size() : nobodys ? 0 : step.samples.size();
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(count, kNamedSamples + 1); ++i) {
    const int64_t sample = step.samples[any ? bad[i] : i];
    names.push_back(Shown(graph_.source().SampleName(step.phase, sample)));
  }
  if (processes_ != nullptr) {
    for (const std::string& other : processes_->Gather(node)) {
      if (node.empty()) node = other;
    }
    const std::string all = absl::StrJoin(processes_->Gather(absl::StrJoin(names, "\n")), "\n");
    names = absl::StrSplit(all, '\n', absl::SkipEmpty());
  }
  if (names.size() > kNamedSamples) {
    names.resize(kNamedSamples);
    names.emplace_back("...");
  }
  return BadNumber(absl::StrCat(
      StepName(step), ", ", what, terms.empty() ? "" : "; " + absl::StrJoin(terms, ", "),
      node.empty() ? "" : "; first in " + node,
      "; a lower learning_rate or train.clip_norm may help; ",
      !any ? "images of this batch: " : "images that are bad by themselves: ",
      absl::StrJoin(names, ", ")));
}

absl::Status Loop::Take(const Step& step, double* loss, bool* skipped) {
  const bool skips = step.phase == TRAIN && options_.on_bad_number() == Train::SKIP;
  State sums;
  if (skips) SaveSums(&sums);
  sums = sums.Copy();
  buffers_.Keep();
  absl::Status status = graph_.Run(step);
  if (status.ok()) status = Caught([&] { return Learn(step, loss); });
  if (absl::IsResourceExhausted(status)) return WithSmallerBatch(step, status);
  if (status.ok() && step.phase == TRAIN) skipped_in_a_row_ = 0;
  if (!skips || !IsBadNumber(status) || ++skipped_in_a_row_ == kSkipsInARow) return status;
  *skipped = true;
  ++counters_.skipped_steps;
  Note(absl::StrCat("skipped: ", status.message()));
  return LoadSums(sums);
}

bool Loop::RollBack(const absl::Status& why) {
  if (options_.on_bad_number() != Train::ROLLBACK || !IsBadNumber(why)) return false;
  const int64_t rollbacks = counters_.rollbacks + 1;
  if (rollbacks > kRollbacks) return false;
  const int64_t steps = counters_.steps;
  const absl::StatusOr<State> kept = LastKept();
  if (!kept.ok() || !Load(*kept).ok()) return false;
  counters_.rollbacks = rollbacks;
  Note(absl::StrCat("rolled back: ", why.message(), "; goes on from step ", counters_.steps,
                    " instead of ", steps, " with ", std::pow(0.5, rollbacks),
                    " times the learning rate"));
  return true;
}

}  // namespace pipeline
