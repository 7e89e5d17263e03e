// One pass over all phases.
#include "pipeline/prediction/image_facts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/concat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "pipeline/exceptions.h"
#include "pipeline/pictures.h"
#include "pipeline/prediction/evaluation.h"
#include "pipeline/processes.h"
#include "pipeline/runs/predictions.h"

namespace pipeline {
namespace {

constexpr int kSmall = 12;       // side of the thumbnail for the regression
constexpr size_t kExamples = 3;  // of each class and split
constexpr size_t kPairs = 16;    // of copies that are shown

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

ImageFacts FactsOf(const at::Tensor& image) {
  ImageFacts facts;
  const at::Tensor rgb = (image.size(0) == 3 ? image : image.slice(0, 0, 1).expand({3, -1, -1}))
                             .permute({1, 2, 0})
                             .contiguous();
  const cv::Mat pixels(static_cast<int>(rgb.size(0)), static_cast<int>(rgb.size(1)), CV_8UC3,
                       rgb.data_ptr());
  const cv::Scalar mean = cv::mean(pixels);
  facts.red = mean[0];
  facts.green = mean[1];
  facts.blue = mean[2];
  cv::Mat gray, edges, small;
  cv::cvtColor(pixels, gray, cv::COLOR_RGB2GRAY);
  cv::Scalar center, spread;
  cv::meanStdDev(gray, center, spread);
  facts.brightness = center[0];
  facts.contrast = spread[0];
  cv::Laplacian(gray, edges, CV_32F);
  cv::meanStdDev(edges, center, spread);
  facts.sharpness = spread[0] * spread[0];
  cv::resize(gray, small, {kSmall, kSmall}, 0, 0, cv::INTER_AREA);
  facts.thumbnail.assign(small.data, small.data + small.total());
  return facts;
}

class DataWatch::Looking {
 public:
  explicit Looking(Graph* graph)
      : source_(graph->source()),
        names_(ClassNames(source_.data().classes,
                          static_cast<int64_t>(source_.data().classes.size()))) {}

  // A step's samples and what the source gave for them.
  absl::Status Take(const Step& step, const at::Tensor& given_images,
                    const at::Tensor& given_labels) {
    if (IsNobodys(step.samples)) return absl::OkStatus();
    const at::Tensor images = given_images.cpu(), labels = given_labels.cpu();
    for (size_t i = 0; i < step.samples.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      ImageFacts facts = FactsOf(images[at]);
      facts.phase = step.phase;
      if (labels.dim() == 1) facts.label = static_cast<int>(labels[at].item<int64_t>());
      const std::string path = source_.SampleName(step.phase, step.samples[i]);
      const absl::StatusOr<OutsideImage::Size> size = source_.SizeOf(path);
      constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
      facts.width = size.ok() ? static_cast<double>(size->width) : kUnknown;
      facts.height = size.ok() ? static_cast<double>(size->height) : kUnknown;
      const absl::Status shown = Show(facts, path, images[at]);
      if (!shown.ok()) return shown;
      look_.images.push_back(std::move(facts));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<DataLook> Finish() {
    for (auto& [key, gallery] : examples_) look_.galleries.push_back(std::move(gallery));
    const absl::Status status = AddCopies();
    if (!status.ok()) return status;
    ForgetColorsOfGray();
    return std::move(look_);
  }

 private:
  // Keeps the first images of each class (or of all, where they have none) and split.
  absl::Status Show(const ImageFacts& facts, const std::string& path, const at::Tensor& image) {
    const std::string name = facts.label >= 0 ? names_[facts.label] : "all classes";
    size_t& shown = shown_[{facts.label, PhaseIndex(facts.phase)}];
    if (shown >= kExamples) return absl::OkStatus();
    ++shown;
    Gallery& gallery = examples_[facts.label];
    gallery.title = absl::StrCat("Examples of ", name);
    const absl::StatusOr<Picture> picture =
        ToPicture(Thumbnail(image), absl::StrCat(NameOf(path), "\n", Phase_Name(facts.phase)),
                  absl::StrCat(path, ", ", name, ", of ", Phase_Name(facts.phase)));
    if (!picture.ok()) return picture.status();
    gallery.pictures.push_back(*picture);
    return absl::OkStatus();
  }

  // Leaks first, then conflicts.
  absl::Status AddCopies() {
    std::vector<const CopyGroup*> groups;
    for (const CopyGroup& group : source_.data().duplicate_groups) groups.push_back(&group);
    std::stable_sort(groups.begin(), groups.end(), [](const CopyGroup* a, const CopyGroup* b) {
      const auto rank = [](const CopyGroup& g) {
        return 2 * g.IsAcrossSplits() + static_cast<int>(g.HasConflict());
      };
      return rank(*a) > rank(*b);
    });
    Gallery gallery = {
        "Pairs of copies", "Those across splits first, then those of two labels.", {}};
    for (const CopyGroup* group : groups) {
      if (gallery.pictures.size() == kPairs) break;
      const auto [first, second] = PairOf(*group);
      const auto a = source_.ReadOutside(first.path, true);
      const auto b = source_.ReadOutside(second.path, true);
      if (!a.ok() || !b.ok()) continue;  // such as a slice of a volume
      const auto told = [&](const FileRef& file) {
        return absl::StrCat(
            NameOf(file.path), " (", Phase_Name(file.phase), ", ",
            source_.data().task == Task::kSegmentation ? "mask" : names_[file.label], ")");
      };
      const absl::StatusOr<Picture> picture =
          ToPicture(at::concat({Thumbnail(a->pixels), Thumbnail(b->pixels)}, 2),
                    absl::StrCat(told(first), "\n", told(second)), group->Text());
      if (!picture.ok()) return picture.status();
      gallery.pictures.push_back(*picture);
    }
    if (!gallery.pictures.empty()) look_.galleries.push_back(std::move(gallery));
    return absl::OkStatus();
  }

  // Where no image has a color, or nobody looks at colors, they say nothing that brightness does
  // not.
  void ForgetColorsOfGray() {
    std::vector<ImageFacts>& images = look_.images;
    const bool gray = std::all_of(images.begin(), images.end(), [](const ImageFacts& facts) {
      return facts.red == facts.green && facts.green == facts.blue;
    });
    for (ImageFacts& facts : images) {
      if (gray) facts.red = facts.green = facts.blue = std::numeric_limits<double>::quiet_NaN();
    }
  }

  // Two files of a group: of two splits where it has them, else of two labels.
  static std::pair<FileRef, FileRef> PairOf(const CopyGroup& group) {
    const FileRef& first = group.files[0];
    for (const FileRef& other : group.files) {
      if ((other.phase == TEST) != (first.phase == TEST)) return {first, other};
    }
    for (const FileRef& other : group.files) {
      if (other.label != first.label) return {first, other};
    }
    return {first, group.files[1]};
  }

  Source& source_;
  const std::vector<std::string> names_;
  DataLook look_;
  std::map<int, Gallery> examples_;  // by label
  std::map<std::pair<int, int>, size_t> shown_;
};

DataWatch::DataWatch(Graph* graph) : graph_(*graph), looking_(std::make_unique<Looking>(graph)) {}
DataWatch::~DataWatch() = default;

absl::Status DataWatch::StepDone(const PassEvent& event, double) {
  const Step& step = event.step;
  int64_t& epoch = epoch_[PhaseIndex(step.phase)];
  int64_t& next = next_[PhaseIndex(step.phase)];
  if (epoch < 0 && step.index == 0) epoch = step.epoch;
  if (step.epoch != epoch || step.index < next) return absl::OkStatus();
  next = step.index + 1;
  return Caught([&] {
    return looking_->Take(step, graph_.SourceOutput("images"), graph_.SourceOutput("labels"));
  });
}

absl::Status DataWatch::Take(const Step& step, const Tensors& batch) {
  return looking_->Take(step, batch.at("images"), batch.at("labels"));
}

absl::StatusOr<DataLook> DataWatch::Finish() {
  absl::StatusOr<DataLook> look = DataLook();
  const absl::Status status = Caught([&] {
    look = looking_->Finish();
    return look.status();
  });
  if (!status.ok()) return status;
  return look;
}

absl::StatusOr<DataLook> DataWatch::LookAtAll(Graph* graph) {
  DataWatch watch(graph);
  const absl::Status read =
      ReadAll({TRAIN, VAL, TEST}, graph,
              [&](const Step& step, const Tensors& batch) { return watch.Take(step, batch); });
  if (!read.ok()) return read;
  return watch.Finish();
}

}  // namespace pipeline
