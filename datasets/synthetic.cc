// Drawn images as a dataset of its own.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/synthetic.pb.h"

namespace datasets {
namespace {

DrawnDomain DomainOf(const SyntheticOptions& options) {
  if (options.task() == SyntheticOptions::BINARY_PIXELS) return DrawnDomain::kWater;
  switch (options.domain()) {
    case SyntheticOptions::BRAIN:
      return DrawnDomain::kBrain;
    case SyntheticOptions::LEAF:
      return DrawnDomain::kLeaf;
    case SyntheticOptions::LAND:
      return DrawnDomain::kLand;
    case SyntheticOptions::CRACK:
      break;
  }
  return DrawnDomain::kCrack;
}

pipeline::Task TaskOf(const SyntheticOptions& options) {
  if (options.task() == SyntheticOptions::BINARY) return pipeline::Task::kBinary;
  return options.task() == SyntheticOptions::MULTICLASS ? pipeline::Task::kMulticlass
                                                        : pipeline::Task::kSegmentation;
}

}  // namespace

class Synthetic : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const SyntheticOptions& options,
                                                         const DatasetContext& context) {
    const std::string& domain = SyntheticOptions::Domain_Name(options.domain());
    if (options.task() == SyntheticOptions::BINARY_PIXELS &&
        options.domain() != SyntheticOptions::LAND) {
      return pipeline::OptionError(
          "task", absl::StrCat("task: BINARY_PIXELS tells water from the rest of domain: LAND; "
                               "for the pixels of ",
                               domain, " there is SEGMENTATION"));
    }
    pipeline::DataInfo info;
    info.dataset = "synthetic";
    info.origin = absl::StrCat("drawn images (", absl::AsciiStrToLower(domain), ")");
    const DrawnAmounts amounts = {options.images_per_class(), options.test_images_per_class(),
                                  options.imbalance()};
    return OpenDrawn(std::move(info), DomainOf(options), TaskOf(options), amounts, context);
  }
};

REGISTER_PLUGIN(Datasets, Synthetic);

}  // namespace datasets
