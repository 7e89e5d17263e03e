// A table of domains.
#include "datasets/drawn/drawn_domains.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>

#include "datasets/drawn/drawing.h"
#include "datasets/drawn/drawn_dataset.h"

namespace datasets {
namespace {

using pipeline::Task;

struct Domain {
  Draw draw;
  std::vector<std::string> kinds;   // multiclass: a kind is a class
  std::vector<std::string> binary;  // classes
  std::vector<int64_t> is_second;   // by kind: its label of those two
  std::vector<std::string> mask;    // classes
};

// `domain`, whose mask's classes are its kinds, with masks of the two classes of images.
Domain WithBinaryMasks(Domain domain) {
  cv::Mat_<uchar> is_second(1, 256, kIgnoredMask);
  std::copy(domain.is_second.begin(), domain.is_second.end(), is_second.begin());
  domain.draw = [draw = domain.draw, is_second](int kind, uint64_t seed, int size) {
    const Drawn drawn = draw(kind, seed, size);
    cv::Mat mask;
    cv::LUT(drawn.mask, is_second, mask);
    return Drawn{drawn.image, mask};
  };
  domain.mask = domain.binary;
  return domain;
}

Domain Find(DrawnDomain domain) {
  switch (domain) {
    case DrawnDomain::kBrain:
      return {DrawBrain,
              {"glioma", "meningioma", "no_tumor", "pituitary"},
              {"no_tumor", "tumor"},
              {1, 1, 0, 1},
              {"background", "tumor"}};
    case DrawnDomain::kLeaf:
      return {DrawLeaf,
              {"bacterial_spot", "healthy", "late_blight", "mosaic_virus", "target_spot"},
              {"healthy", "diseased"},
              {1, 0, 1, 1, 1},
              {"healthy", "diseased"}};
    case DrawnDomain::kLand:
      return {DrawLand,
              {"urban", "agriculture", "rangeland", "forest", "water", "barren"},
              {"other", "water"},
              {0, 0, 0, 0, 1, 0},
              {"urban", "agriculture", "rangeland", "forest", "water", "barren"}};
    case DrawnDomain::kWater:
      return WithBinaryMasks(Find(DrawnDomain::kLand));
    case DrawnDomain::kCrack:
      break;
  }
  return {DrawCrack,
          {"noncrack", "CFD", "DeepCrack", "cracktree"},
          {"noncrack", "crack"},
          {0, 1, 1, 1},
          {"background", "crack"}};
}

const std::vector<std::string>& ClassesOf(const Domain& domain, Task task) {
  if (task == Task::kBinary) return domain.binary;
  return task == Task::kMulticlass ? domain.kinds : domain.mask;
}

}  // namespace

std::vector<std::string> DrawnClasses(DrawnDomain domain, Task task) {
  return ClassesOf(Find(domain), task);
}

std::unique_ptr<Dataset> OpenDrawn(pipeline::DataInfo info, DrawnDomain which, Task task,
                                   const DrawnAmounts& amounts, const DatasetContext& context) {
  const Domain domain = Find(which);
  info.task = task;
  info.classes = ClassesOf(domain, task);
  const size_t count = domain.kinds.size();
  std::vector<DrawnKind> kinds;
  for (size_t kind = 0; kind < count; ++kind) {
    const int64_t label = task == Task::kBinary       ? domain.is_second[kind]
                          : task == Task::kMulticlass ? static_cast<int64_t>(kind)
                                                      : 0;
    const double rarity = static_cast<double>(kind) / static_cast<double>(count - 1);
    const auto training = static_cast<int64_t>(
        std::llround(static_cast<double>(amounts.training) * std::pow(amounts.imbalance, -rarity)));
    kinds.push_back({label, {std::max<int64_t>(1, training), amounts.test}});
  }
  return std::make_unique<DrawnDataset>(std::move(info), domain.draw, kinds, context);
}

std::unique_ptr<Dataset> OpenEmbeddedSample(const std::string& dataset, DrawnDomain domain,
                                            Task task, const DatasetContext& context) {
  pipeline::DataInfo info;
  info.dataset = dataset;
  info.origin = "embedded sample";
  info.embedded_sample = true;
  return OpenDrawn(std::move(info), domain, task, DrawnAmounts(), context);
}

}  // namespace datasets
