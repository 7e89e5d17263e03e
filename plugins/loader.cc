// The source of the graph: batches of a dataset, decoded ahead.
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <opencv2/core.hpp>
#include <set>
#include <thread>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "datasets/dataset.h"
#include "pipeline/stage.h"
#include "plugins/loader.pb.h"
#include "plugins/loading/prefetcher.h"
#include "plugins/loading/sample_reader.h"
#include "plugins/loading/sampling.h"

namespace plugins {
namespace {

using pipeline::Phase;
using pipeline::PhaseIndex;
using pipeline::Step;

constexpr int64_t kDepth = 2;  // batches ready before the step that takes them

struct Batch {
  at::Tensor images, labels;
};

}  // namespace

class Loader : public pipeline::Source {
 public:
  explicit Loader(const LoaderOptions& options) : options_(options) {}

  pipeline::Ports ports() const override { return {{}, {"images", "labels"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs&,
                                        pipeline::BuildContext* context) override {
    const datasets::DatasetContext wanted = {context->seed,         options_.validation_fraction(),
                                             options_.max_pixels(), options_.test_fraction(),
                                             options_.split_file(), context->writes,
                                             context->color,        Fit()};
    auto dataset = datasets::Datasets::Get().Create(options_.dataset(), wanted);
    if (!dataset.ok()) {
      // The split file is an option of the loader's own.
      const bool own = pipeline::OptionOf(dataset.status()) == "split_file";
      return own ? dataset.status() : pipeline::Within("dataset", dataset.status());
    }
    dataset_ = *std::move(dataset);
    if (balanced() && data().train_labels.empty()) {
      return pipeline::OptionError(
          "sampling", absl::StrCat("sampling: BALANCED takes classes of images, but ",
                                   data().dataset, " is read for ", TaskName(data().task)));
    }
    if (StepsIn(pipeline::TRAIN) == 0) {
      return absl::InvalidArgumentError("no training images in " + data().origin);
    }
    device_ = context->device;
    seed_ = context->seed;
    batch_size_ = std::min<int64_t>(options_.batch_size(), context->max_batch);
    const absl::Status opened = OpenCaches(context->writes);
    if (!opened.ok()) return opened;
    // Each worker decodes one image; OpenCV's own threads would only get in their way.
    cv::setNumThreads(1);
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    prefetcher_ =
        std::make_unique<Prefetcher>(options_.workers() > 0 ? options_.workers() : cores,
                                     [this](int64_t batch, int64_t item) { Fill(batch, item); });
    const int geometry = context->NewGeometry();
    const int64_t size = options_.image_size();
    pipeline::Specs out;
    out["images"] = {at::kByte, {-1, channels(), size, size}, geometry};
    out["labels"] = {at::kLong,
                     masks() ? std::vector<int64_t>{-1, size, size} : std::vector<int64_t>{-1},
                     geometry};
    return out;
  }

  const pipeline::DataInfo& data() const override { return dataset_->info(); }

  int64_t StepsIn(Phase phase) const override {
    const int64_t size = std::max<int64_t>(1, batch_size_);
    return (data().images[PhaseIndex(phase)] + size - 1) / size;
  }

  absl::Status Begin(const Step& step) override {
    prefetcher_->Stop();
    phase_ = step.phase;
    Arrange(static_cast<uint64_t>(step.epoch));
    std::vector<int64_t> sizes;
    for (int64_t i = 0; i < StepsIn(phase_); ++i) {
      sizes.push_back(static_cast<int64_t>(Samples(i).size()));
    }
    batches_.assign(sizes.size(), {});
    prefetcher_->Start(std::move(sizes));
    allocated_ = 0;
    AllocateUpTo(kDepth);
    return absl::OkStatus();
  }

  std::vector<int64_t> Samples(int64_t index) const override { return BatchOf(order_, index); }
  std::vector<int64_t> Repeats(int64_t index) const override { return BatchOf(repeats_, index); }

  absl::Status Run(const Step& step, const pipeline::Tensors&, pipeline::Tensors* out) override {
    AllocateUpTo(step.index + 1 + kDepth);
    const auto asked = std::chrono::steady_clock::now();
    prefetcher_->Wait(step.index);
    waited_ += std::chrono::steady_clock::now() - asked;
    Batch batch = std::move(batches_[step.index]);
    for (const std::string& note : reader_->TakeNotes()) {
      std::fprintf(stderr, "cache_file: %s\n", note.c_str());
    }
    const absl::Status broken = CheckBroken();
    if (!broken.ok()) return broken;
    const bool pinned = device_ != "cpu";
    (*out)["images"] = batch.images.to(at::Device(device_), /*non_blocking=*/pinned);
    (*out)["labels"] = batch.labels.to(at::Device(device_), /*non_blocking=*/pinned);
    return absl::OkStatus();
  }

  double WaitSeconds() const override { return waited_.count(); }

  std::string SampleName(Phase phase, int64_t sample) const override {
    return dataset_->Name(phase, sample);
  }

  std::vector<std::string> BrokenFiles(bool decode) override {
    std::vector<std::string> broken;
    for (const Phase phase : {pipeline::TRAIN, pipeline::VAL, pipeline::TEST}) {
      for (int64_t i = 0; i < data().images[PhaseIndex(phase)]; ++i) {
        const absl::Status status =
            decode
                ? Named(phase, i, [&] { return dataset_->Read(phase, i, options_.image_size()); })
                      .status()
                : dataset_->CheckHeader(phase, i);
        if (!status.ok()) broken.emplace_back(status.message());
      }
    }
    return broken;
  }

 private:
  int64_t channels() const { return data().channels; }
  bool masks() const { return data().task == pipeline::Task::kSegmentation; }

  absl::Status OpenCaches(bool writes) {
    SampleReader::Options options;
    options.image_size = options_.image_size();
    options.memory_bytes = int64_t{options_.cache_mb()} << 20;
    options.options = options_.dataset().SerializeAsString();
    std::unique_ptr<ImageCache> file;
    if (!options_.cache_file().empty()) {
      auto opened = ImageCache::Open(options_.cache_file(), options_.cache_file_mb() << 20, writes);
      if (!opened.ok()) {
        return pipeline::OptionError("cache_file", std::string(opened.status().message()));
      }
      file = *std::move(opened);
    }
    reader_ = std::make_unique<SampleReader>(dataset_.get(), std::move(options), std::move(file));
    return absl::OkStatus();
  }

  datasets::Fit Fit() const {
    return options_.fit() == LoaderOptions::LETTERBOX ? datasets::Fit::kLetterbox
           : options_.fit() == LoaderOptions::CROP    ? datasets::Fit::kCrop
                                                      : datasets::Fit::kStretch;
  }

  bool balanced() const { return options_.sampling() == LoaderOptions::BALANCED; }

  // Sets the order of the pass under way.
  void Arrange(uint64_t epoch) {
    const bool training = phase_ == pipeline::TRAIN;
    repeats_.clear();
    if (training && balanced()) {
      order_ = Balanced(data().train_labels, seed_, epoch);
      repeats_ = RepeatsIn(order_);
      return;
    }
    const int64_t count = data().images[PhaseIndex(phase_)];
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), int64_t{0});
    if (training) order_ = Shuffled(count, seed_, epoch);
  }

  // The part of `all`, which has an entry for each sample of the pass or none, that is batch
  // `index`.
  std::vector<int64_t> BatchOf(const std::vector<int64_t>& all, int64_t index) const {
    if (all.empty()) return {};
    const auto first = all.begin() + index * batch_size_;
    const auto rest = static_cast<int64_t>(all.end() - first);
    return {first, first + std::min<int64_t>(batch_size_, rest)};
  }

  void AllocateUpTo(int64_t batches) {
    const int64_t size = options_.image_size();
    batches = std::min<int64_t>(batches, static_cast<int64_t>(batches_.size()));
    const bool pinned = device_ != "cpu";
    for (; allocated_ < batches; ++allocated_) {
      const auto count = static_cast<int64_t>(Samples(allocated_).size());
      const auto bytes = at::TensorOptions(at::kByte).pinned_memory(pinned);
      // Rows of pixels as OpenCV has them; [N, C, S, S] to everyone else.
      at::Tensor images = at::empty({count, size, size, channels()}, bytes).permute({0, 3, 1, 2});
      const std::vector<int64_t> shape =
          masks() ? std::vector<int64_t>{count, size, size} : std::vector<int64_t>{count};
      batches_[allocated_] = {images,
                              at::empty(shape, at::TensorOptions(at::kLong).pinned_memory(pinned))};
    }
    prefetcher_->Allow(batches);
  }

  // What `read` returns; an exception (OpenCV's, or that there is no more memory) becomes an error
  // that names the sample.
  template <class Read>
  std::invoke_result_t<Read> Named(Phase phase, int64_t sample, const Read& read) const {
    try {
      return read();
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat(dataset_->Name(phase, sample), ": ", error.what()));
    }
  }

  // On a worker. A file that cannot be read leaves a black image with ignored labels.
  void Fill(int64_t batch, int64_t item) {
    const int64_t sample = order_[batch * batch_size_ + item];
    const int64_t pixels = static_cast<int64_t>(options_.image_size()) * options_.image_size();
    const int64_t labels = masks() ? pixels : 1;
    uint8_t* image = batches_[batch].images.data_ptr<uint8_t>() + item * pixels * channels();
    int64_t* label = batches_[batch].labels.data_ptr<int64_t>() + item * labels;
    const auto fresh = Named(phase_, sample, [&] { return reader_->Read(phase_, sample); });
    if (!fresh.ok()) {
      std::fill_n(image, pixels * channels(), uint8_t{0});
      std::fill_n(label, labels, pipeline::kIgnoredLabel);
      const std::lock_guard<std::mutex> lock(broken_mutex_);
      broken_.emplace(dataset_->Name(phase_, sample), std::string(fresh.status().message()));
      return;
    }
    const datasets::Sample* const read = fresh->get();
    std::copy_n(read->image.data, pixels * channels(), image);
    if (masks()) {
      std::transform(read->mask.data, read->mask.data + pixels, label, [](uint8_t value) {
        return value == datasets::kIgnoredMask ? pipeline::kIgnoredLabel : int64_t{value};
      });
    } else {
      *label = read->label;
    }
  }

  // Names files that turned out broken since the last call; an error once there are too many.
  absl::Status CheckBroken() {
    const std::lock_guard<std::mutex> lock(broken_mutex_);
    if (static_cast<int>(broken_.size()) > options_.max_broken()) {
      std::string message =
          absl::StrCat(broken_.size(), " files cannot be read, more than max_broken (",
                       options_.max_broken(), "):");
      for (const auto& [name, why] : broken_) absl::StrAppend(&message, "\n  ", why);
      return absl::InvalidArgumentError(message);
    }
    for (const auto& [name, why] : broken_) {
      if (!named_.insert(name).second) continue;
      std::fprintf(stderr, "skipped: %s\n", why.c_str());
    }
    return absl::OkStatus();
  }

  const LoaderOptions options_;
  std::unique_ptr<datasets::Dataset> dataset_;
  std::string device_;
  uint64_t seed_ = 0;
  int64_t batch_size_ = 0;

  // The pass under way.
  Phase phase_ = pipeline::TRAIN;
  std::vector<int64_t> order_;
  std::vector<int64_t> repeats_;  // as Step has them; empty unless samples repeat
  std::vector<Batch> batches_;
  int64_t allocated_ = 0;

  std::unique_ptr<SampleReader> reader_;
  std::chrono::duration<double> waited_{0};

  std::mutex broken_mutex_;
  std::map<std::string, std::string> broken_;  // name -> why
  std::set<std::string> named_;

  std::unique_ptr<Prefetcher> prefetcher_;  // last: its threads use all of the above
};

REGISTER_PLUGIN(pipeline::Stages, Loader);

}  // namespace plugins
