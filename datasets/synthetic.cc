// Drawn images as a dataset of its own.
#include "datasets/drawing.h"
#include "datasets/drawn_dataset.h"
#include "datasets/synthetic.pb.h"

namespace datasets {

class Synthetic : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const SyntheticOptions& options,
                                                         const DatasetContext& context) {
    const bool binary = options.task() == SyntheticOptions::BINARY;
    pipeline::DataInfo info;
    info.dataset = "synthetic";
    info.origin = "drawn images (brain)";
    info.task = binary ? pipeline::Task::kBinary : pipeline::Task::kMulticlass;
    info.classes = binary
                       ? std::vector<std::string>{"no_tumor", "tumor"}
                       : std::vector<std::string>{"glioma", "meningioma", "no_tumor", "pituitary"};
    const std::vector<int64_t> labels =
        binary ? std::vector<int64_t>{1, 1, 0, 1} : std::vector<int64_t>{0, 1, 2, 3};
    return std::make_unique<DrawnDataset>(
        std::move(info), DrawBrain, labels,
        DrawnCounts{options.images_per_class(), options.test_images_per_class()}, context);
  }
};

REGISTER_PLUGIN(Datasets, Synthetic);

}  // namespace datasets
