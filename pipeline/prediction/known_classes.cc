// Labels are looked up in a table, batch by batch.
#include "pipeline/prediction/known_classes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pipeline {
namespace {

std::string Counted(const std::vector<std::string>& classes) {
  return absl::StrCat(classes.size() == 1 ? "class " : "classes ", absl::StrJoin(classes, ", "));
}

// Those of `some` that are not among `others`.
std::vector<std::string> Without(const std::vector<std::string>& some,
                                 const std::vector<std::string>& others) {
  std::vector<std::string> left;
  std::copy_if(some.begin(), some.end(), std::back_inserter(left), [&](const std::string& name) {
    return std::find(others.begin(), others.end(), name) == others.end();
  });
  return left;
}

}  // namespace

absl::Status KnownClasses::Compare() const {
  if (info_.task != trained_.task) {
    return absl::FailedPreconditionError(
        absl::StrCat(info_.origin, " is read for ", TaskName(info_.task),
                     ", but the run was trained for ", TaskName(trained_.task)));
  }
  const std::vector<std::string> unknown = Without(info_.classes, trained_.classes);
  if (!unknown.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(info_.origin, " has the ", Counted(unknown),
                                                      ", but the run was trained on ",
                                                      absl::StrJoin(trained_.classes, ", ")));
  }
  return absl::OkStatus();
}

absl::StatusOr<Specs> KnownClasses::Build(const Specs& in, BuildContext* context) {
  absl::StatusOr<Specs> specs = source().Build(in, context);
  if (!specs.ok()) return specs;
  info_ = source().data();
  mismatch_ = Compare();
  if (!mismatch_.ok()) return mismatch_;
  missing_ = Without(trained_.classes, info_.classes);
  if (info_.classes != trained_.classes) {
    std::vector<int64_t> numbers;
    for (const std::string& name : info_.classes) {
      numbers.push_back(std::find(trained_.classes.begin(), trained_.classes.end(), name) -
                        trained_.classes.begin());
    }
    numbers_ = at::tensor(numbers, at::kLong).to(at::Device(context->device));
    for (int64_t& label : info_.train_labels) label = numbers[label];
  }
  info_.classes = trained_.classes;
  info_.class_counts = trained_.class_counts;
  return specs;
}

absl::Status KnownClasses::Run(const Step& step, const Tensors& in, Tensors* out) {
  const absl::Status run = source().Run(step, in, out);
  if (!run.ok() || !numbers_.defined()) return run;
  at::Tensor& labels = out->at("labels");
  const at::Tensor known = numbers_.index_select(0, labels.clamp_min(0).flatten());
  labels = at::where(labels >= 0, known.view(labels.sizes()), labels);
  return absl::OkStatus();
}

std::vector<int64_t> KnownClasses::Samples(int64_t index) {
  std::vector<int64_t> samples = source().Samples(index);
  // A file that turns out broken leaves the counts.
  info_.images = source().data().images;
  info_.skipped = source().data().skipped;
  return samples;
}

std::vector<std::string> KnownClasses::Notes() const {
  std::vector<std::string> notes = source().Notes();
  if (!missing_.empty()) {
    notes.push_back(absl::StrCat(info_.origin, " has no images of the ", Counted(missing_)));
  }
  return notes;
}

}  // namespace pipeline
