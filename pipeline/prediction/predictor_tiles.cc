// Answers for images that are cut into tiles, as the runs' data were.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/xlogy.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "pipeline/all_cores.h"
#include "pipeline/exceptions.h"
#include "pipeline/prediction/mask_files.h"
#include "pipeline/prediction/predictor.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

// What was said of an image's tiles.
class Joined {
 public:
  // Puts masks together on an image, or sums up the probabilities of `classes`.
  Joined(const TiledImage& image, bool masks, int64_t classes)
      : masks_(masks),
        mask_(at::full({masks ? image.height : 0, masks ? image.width : 0}, kUnseen, at::kByte)),
        sum_(at::zeros({classes})) {}

  void Add(const Opinion& opinion, const std::vector<OutsideImage>& tiles,
           const OutsideImage::Part* places) {
    for (size_t i = 0; i < tiles.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      ++count_;
      entropy_ += opinion.entropy[at].mean().item<double>();
      mutual_information_ += opinion.mutual_information[at].mean().item<double>();
      if (!masks_) {
        sum_ += opinion.probabilities[at];
        continue;
      }
      const auto& [x, y, width, height] = places[i];
      mask_.slice(0, y, y + height)
          .slice(1, x, x + width)
          .copy_(MaskOf(opinion.probabilities[at], tiles[i]));
    }
  }

  const at::Tensor& mask() const { return mask_; }
  at::Tensor Probabilities() const { return sum_ / count_; }
  // Of masks the mean over all tiles; of classes that of the mean.
  double Entropy() const {
    if (masks_) return entropy_ / count_;
    const at::Tensor p = Probabilities();
    return -at::xlogy(p, p).sum().item<double>();
  }
  double MutualInformation() const { return mutual_information_ / count_; }

 private:
  const bool masks_;
  at::Tensor mask_, sum_;
  double count_ = 0, entropy_ = 0, mutual_information_ = 0;
};

}  // namespace

absl::Status Predictor::AnswerTiles(Answer* answer) {
  std::vector<TiledImage> images;  // as each member reads it
  for (const Member& member : members_) {
    absl::StatusOr<TiledImage> image = member.ReadTiles(answer->path);
    if (!image.ok()) {
      answer->error = std::string(image.status().message());
      return absl::OkStatus();
    }
    images.push_back(*std::move(image));
  }
  const std::vector<OutsideImage::Part>& tiles = images[0].tiles;
  Joined joined(images[0], masks_, static_cast<int64_t>(classes_.size()));
  // Of a class, what the data would not hold is not asked.
  for (size_t begin = masks_ ? 0 : images[0].edges; begin < tiles.size();) {
    if (InterruptSignal() != 0) return absl::CancelledError("interrupted");
    const size_t count = std::min(options_.batch, tiles.size() - begin);
    std::vector<OutsideImage> read(count);
    std::vector<at::Tensor> batches;
    // Masks are placed as the first member sees a tile.
    for (size_t m = images.size(); m-- > 0;) {
      OnAllCores(count, [&](size_t i) { read[i] = images[m].read(tiles[begin + i]); });
      std::vector<at::Tensor> pixels;
      for (const OutsideImage& tile : read) pixels.push_back(tile.pixels);
      batches.insert(batches.begin(), at::stack(pixels));
    }
    const absl::StatusOr<Opinion> opinion = Ask(batches);
    if (!opinion.ok()) return opinion.status();
    joined.Add(*opinion, read, &tiles[begin]);
    begin += count;
  }
  answer->entropy = joined.Entropy();
  answer->mutual_information = joined.MutualInformation();
  if (masks_) return AnswerMask(joined.mask(), answer);
  AnswerImage(joined.Probabilities(), answer);
  return absl::OkStatus();
}

absl::Status Predictor::PredictTiles(const std::vector<std::string>& files,
                                     const std::function<absl::Status(const Answer&)>& take) {
  for (const std::string& file : files) {
    Answer answer;
    answer.path = file;
    absl::Status status = Caught([&] { return AnswerTiles(&answer); });
    if (status.ok()) status = take(answer);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pipeline
