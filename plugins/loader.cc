// The source of the graph: batches of a dataset, decoded ahead.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <opencv2/core.hpp>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/dataset.h"
#include "datasets/images/image_file.h"
#include "pipeline/exceptions.h"
#include "pipeline/processes.h"
#include "pipeline/stage.h"
#include "pipeline/utf8.h"
#include "plugins/loader.pb.h"
#include "plugins/loader_data.h"
#include "plugins/loading/batch.h"
#include "plugins/loading/left_out.h"
#include "plugins/loading/outside_images.h"
#include "plugins/loading/prefetcher.h"
#include "plugins/loading/sample_reader.h"
#include "plugins/loading/sampling.h"
#include "plugins/loading/uploads.h"

namespace plugins {
namespace {

using pipeline::Phase;
using pipeline::PhaseIndex;
using pipeline::Step;

constexpr int64_t kDepth = 2;  // batches ready before the step that takes them

}  // namespace

class Loader : public pipeline::Source, public pipeline::TiledSource {
 public:
  explicit Loader(const LoaderOptions& options) : options_(options) {}

  pipeline::Ports ports() const override { return {{}, {"images", "labels"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs&,
                                        pipeline::BuildContext* context) override {
    absl::StatusOr<std::shared_ptr<LoaderData>> opened = OpenLoaderData(options_, *context);
    if (!opened.ok()) return opened.status();
    data_ = *std::move(opened);
    dataset_ = data_->dataset.get();
    reader_ = data_->reader.get();
    info_ = dataset_->info();
    for (const auto& files : info_.skipped)
      untold_.insert(untold_.end(), files.begin(), files.end());
    batch_size_ = options_.batch_size();
    processes_ = context->processes;
    max_batch_ = context->max_batch;
    if (StepsIn(pipeline::TRAIN) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "no training images in ", data().origin, untold_.empty() ? "" : " that can be read:\n  ",
          absl::StrJoin(untold_, "\n  ")));
    }
    if (balanced() && data().train_labels.empty()) {
      return pipeline::OptionError(
          "sampling", absl::StrCat("sampling: BALANCED takes classes of images, but ",
                                   data().dataset, " is read for ", TaskName(data().task)));
    }
    const absl::Status fits = CheckMemory(RowsOf(Sizes(pipeline::TRAIN).front()).second,
                                          {channels(), options_.image_size(), masks()}, kDepth);
    if (!fits.ok()) return fits;
    device_ = context->device;
    uploads_.emplace(at::Device(device_));
    // To a GPU goes what is looked at.
    gray_ = device_ != "cpu" && !context->color && channels() == 3;
    seed_ = context->seed;
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

  const pipeline::DataInfo& data() const override { return info_; }

  int64_t StepsIn(Phase phase) const override { return static_cast<int64_t>(Sizes(phase).size()); }

  absl::Status Begin(const Step& step) override {
    failure_ = pipeline::Caught([&] {
      prefetcher_->Stop();
      uploads_->Forget();
      if (processes_ != nullptr) ShareBroken();
      phase_ = step.phase;
      Arrange(static_cast<uint64_t>(step.epoch));
      std::vector<int64_t> sizes;
      for (const Batch& batch : batches_) sizes.push_back(batch.size());
      prefetcher_->Start(std::move(sizes), step.index);
      allocated_ = step.index;
      const absl::Status few = CheckBroken();
      if (few.ok()) AllocateUpTo(step.index + kDepth);
      return few;
    });
    return failure_;
  }

  std::vector<int64_t> Samples(int64_t index) override { return Decoded(index).samples(); }
  std::vector<int64_t> Repeats(int64_t index) override { return Decoded(index).repeats(); }

  absl::Status Run(const Step& step, const pipeline::Tensors&, pipeline::Tensors* out) override {
    const Batch& batch = Decoded(step.index);
    for (const std::string& note : reader_->TakeNotes()) {
      if (Speaks()) std::fprintf(stderr, "cache_file: %s\n", pipeline::Printable(note).c_str());
    }
    if (failure_.ok()) failure_ = CheckBroken();
    if (!failure_.ok()) return failure_;
    const Uploads::There there = uploads_->Take(step.index, batch);
    (*out)["images"] = gray_ ? there.images.expand({-1, 3, -1, -1}) : there.images;
    (*out)["labels"] = Classes(there.labels);
    batches_[step.index] = {};
    UploadAhead(step.index + 1);
    return absl::OkStatus();
  }

  std::vector<std::string> Notes() const override {
    const int64_t skipped = CountSkipped();
    if (skipped == 0) return {};
    return {absl::StrCat(
        skipped, skipped == 1 ? " file cannot be read and is" : " files cannot be read and are",
        " left out")};
  }

  double WaitSeconds() const override { return waited_.count(); }

  // The files that turned out broken: a pass that goes on does not meet them again.
  void Save(const std::string& node, pipeline::State* state) const override {
    left_out_.Save(node + ".left_out", state);
  }

  absl::Status Load(const std::string& node, const pipeline::State& state) override {
    const auto all =
        LeftOut::Load(node + ".left_out", state, [this](Phase phase) { return CountIn(phase); });
    if (!all.ok()) return all.status();
    for (const LeftOutSample& each : *all) LeaveOut(each.phase, each.sample, each.why);
    return absl::OkStatus();
  }

  std::string SampleName(Phase phase, int64_t sample) const override {
    return dataset_->Name(phase, sample);
  }

  bool HasImageName(const std::string& path) const override { return datasets::HasImageName(path); }

  absl::StatusOr<pipeline::OutsideImage> ReadOutside(const std::string& path,
                                                     bool color) const override {
    return Outside().Read(path, color);
  }

  absl::StatusOr<pipeline::OutsideImage::Size> SizeOf(const std::string& path) const override {
    return Outside().SizeOf(path);
  }

  absl::StatusOr<at::Tensor> ReadWhole(const std::string& path) const override {
    return Outside().ReadWhole(path);
  }

  int64_t TileSize() const override { return TileSizeOf(options_.dataset()); }
  absl::StatusOr<pipeline::TiledImage> ReadTiles(const std::string& path,
                                                 bool color) const override {
    return Outside().ReadTiles(path, color, static_cast<int>(TileSize()));
  }

  std::vector<std::string> BrokenFiles(bool decode) override {
    std::vector<std::string> broken;
    untold_.clear();  // the caller tells
    for (const Phase phase : {pipeline::TRAIN, pipeline::VAL, pipeline::TEST}) {
      const auto& skipped = data().skipped[PhaseIndex(phase)];
      broken.insert(broken.end(), skipped.begin(), skipped.end());
      for (int64_t i = 0; i < CountIn(phase); ++i) {
        const absl::Status status =
            decode ? reader_->ReadAnew(phase, i).status() : dataset_->CheckHeader(phase, i);
        if (!status.ok()) broken.emplace_back(status.message());
      }
    }
    return broken;
  }

 private:
  int64_t channels() const { return data().channels; }
  bool masks() const { return data().task == pipeline::Task::kSegmentation; }

  OutsideImages Outside() const {
    return {static_cast<int>(options_.image_size()), options_.max_pixels(), FitOf(options_)};
  }

  bool balanced() const { return options_.sampling() == LoaderOptions::BALANCED; }

  // Of the dataset; those that turn out broken later stay, so that no order depends on when.
  int64_t CountIn(Phase phase) const { return dataset_->info().images[PhaseIndex(phase)]; }

  std::vector<int64_t> Sizes(Phase phase) const {
    return BatchSizes(CountIn(phase), batch_size_, max_batch_);
  }

  // The samples of the pass under way, in order.
  std::vector<int64_t> Order(uint64_t epoch) const {
    if (phase_ == pipeline::TRAIN) {
      return balanced() ? Balanced(data().train_labels, seed_, epoch)
                        : Shuffled(CountIn(phase_), seed_, epoch);
    }
    std::vector<int64_t> order(CountIn(phase_));
    std::iota(order.begin(), order.end(), int64_t{0});
    return order;
  }

  // The first row of a batch that this process has, and how many.
  std::pair<int64_t, int64_t> RowsOf(int64_t all) const {
    if (processes_ == nullptr) return {0, all};
    return plugins::RowsOf(all, processes_->rank(), processes_->size());
  }

  bool Speaks() const { return processes_ == nullptr || processes_->rank() == 0; }

  // Every process hears what the others could not read.
  void ShareBroken() {
    for (const std::string& text : processes_->Gather(left_out_.Text())) {
      for (const LeftOutSample& each : LeftOut::OfText(text)) {
        LeaveOut(each.phase, each.sample, each.why);
      }
    }
  }

  // Deals the samples of the pass under way out to its batches, and keeps this process's rows.
  void Arrange(uint64_t epoch) {
    const std::vector<int64_t> order = Order(epoch);
    const bool repeated = phase_ == pipeline::TRAIN && balanced();
    const std::vector<int64_t> repeats = repeated ? RepeatsIn(order) : std::vector<int64_t>();
    batches_.clear();
    size_t next = 0;
    for (const int64_t size : Sizes(phase_)) {
      Batch& batch = batches_.emplace_back();
      const auto [first, rows] = RowsOf(size);
      for (size_t i = next + first; i < next + first + rows; ++i) {
        repeated ? batch.AddSample(order[i], repeats[i]) : batch.AddSample(order[i]);
      }
      if (rows == 0) batch.AddSample(pipeline::kNobody);
      next += size;
    }
  }

  void AllocateUpTo(int64_t batches) {
    batches = std::min<int64_t>(batches, static_cast<int64_t>(batches_.size()));
    for (; allocated_ < batches; ++allocated_) {
      batches_[allocated_].Allocate(Shape());
    }
    prefetcher_->Allow(batches);
  }

  Batch::Shape Shape() const {
    const bool gpu = device_ != "cpu";
    return {gray_ ? 1 : channels(), options_.image_size(), masks(), /*pinned=*/gpu, /*bytes=*/gpu};
  }

  // A batch of the pass, without what cannot be read, once that is known.
  const Batch& Decoded(int64_t index) {
    const absl::Status status = pipeline::Caught([&] { return Decode(index); });
    if (!status.ok()) failure_ = status;
    return batches_[index];
  }

  absl::Status Decode(int64_t index) {
    AllocateUpTo(index + 1 + kDepth);
    const auto asked = std::chrono::steady_clock::now();
    const absl::Status filled = prefetcher_->Wait(index);
    waited_ += std::chrono::steady_clock::now() - asked;
    if (!filled.ok()) return filled;
    for (const auto& [sample, why] : batches_[index].Broken()) LeaveOut(phase_, sample, why);
    // Where too many are broken the batch stays whole, so that it is run and says so.
    if (CheckCount().ok()) batches_[index].DropBroken();
    if (processes_ != nullptr && batches_[index].size() == 0) {
      batches_[index].AddSample(pipeline::kNobody);
      batches_[index].Allocate(Shape());
    }
    return absl::OkStatus();
  }

  // Begins the next batch's way to a GPU, if it is whole by now.
  void UploadAhead(int64_t index) {
    const bool exists = index < static_cast<int64_t>(batches_.size());
    if (!uploads_->Ahead() || !exists || !prefetcher_->IsFull(index)) return;
    if (batches_[index].Broken().empty()) uploads_->Begin(index, batches_[index]);
  }

  // Takes a sample that cannot be read out of the counts.
  void LeaveOut(Phase phase, int64_t sample, const std::string& error) {
    const std::string why = pipeline::ValidUtf8(error);
    if (!left_out_.Add({phase, sample, why})) return;
    --info_.images[PhaseIndex(phase)];
    const int64_t before = CountSkipped();
    info_.AddSkipped(phase, why);
    if (CountSkipped() > before) untold_.push_back(why);
  }

  int64_t CountSkipped() const {
    int64_t count = 0;
    for (const auto& files : info_.skipped) count += static_cast<int64_t>(files.size());
    return count;
  }

  // On a worker.
  void Fill(int64_t index, int64_t row) {
    Batch& batch = batches_[index];
    const int64_t sample = batch.samples()[row];
    if (sample == pipeline::kNobody) return;
    const auto read = reader_->Read(phase_, sample);
    if (absl::IsAborted(read.status())) {
      throw std::runtime_error(std::string(read.status().message()));
    }
    if (read.ok()) {
      batch.Put(row, **read);
    } else {
      batch.PutBroken(row, std::string(read.status().message()));
    }
  }

  absl::Status CheckCount() const {
    if (CountSkipped() <= options_.max_broken()) return absl::OkStatus();
    std::string message =
        absl::StrCat(CountSkipped(), " files cannot be read, more than max_broken (",
                     options_.max_broken(), "):");
    for (const auto& files : info_.skipped) {
      for (const std::string& why : files) absl::StrAppend(&message, "\n  ", why);
    }
    return absl::InvalidArgumentError(message);
  }

  // Names files that turned out broken since the last call; an error once there are too many.
  absl::Status CheckBroken() {
    const absl::Status few = CheckCount();
    if (!few.ok()) return few;
    for (const std::string& why : untold_) {
      if (!Speaks()) break;
      std::fprintf(stderr, "skipped: %s\n", pipeline::Printable(why).c_str());
    }
    untold_.clear();
    return absl::OkStatus();
  }

  const LoaderOptions options_;
  std::shared_ptr<LoaderData> data_;      // maybe of several loaders, one after the other
  datasets::Dataset* dataset_ = nullptr;  // of data_
  SampleReader* reader_ = nullptr;        // of data_
  pipeline::DataInfo info_;  // the dataset's, less the files that turned out broken since
  std::string device_;
  bool gray_ = false;  // one channel is read, and seen as three
  uint64_t seed_ = 0;
  int64_t batch_size_ = 1, max_batch_ = INT64_MAX;
  const pipeline::Processes* processes_ = nullptr;

  // The pass under way.
  Phase phase_ = pipeline::TRAIN;
  std::vector<Batch> batches_;
  int64_t allocated_ = 0;
  std::optional<Uploads> uploads_;
  absl::Status failure_;  // what Run then returns

  std::chrono::duration<double> waited_{0};

  LeftOut left_out_;
  std::vector<std::string> untold_;  // of info_.skipped, not named on the terminal yet

  std::unique_ptr<Prefetcher> prefetcher_;  // last: its threads use all of the above
};

REGISTER_PLUGIN(pipeline::Stages, Loader);

}  // namespace plugins
