// Images on their way to the model: decoding, resizing, gray, augmenting and scaling, against
// torchvision's on the same files.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <gflags/gflags.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "pipeline/config/text.h"
#include "pipeline/stage.h"
#include "pipeline/training/device.h"
#include "plugins/pixels/pixels.h"

DEFINE_string(python, "", "an interpreter with torch and torchvision, to run --peer with");
DEFINE_string(peer, "", "the peers' loader.py, which prints images/s of a folder it is given");
DEFINE_int32(workers, 0, "processes of theirs, decoding threads of ours; 0 means one a core");

namespace {

namespace fs = std::filesystem;

constexpr int kImages = 512, kSide = 512, kBatch = 32, kSize = 224;

// A folder of class folders that is removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "bench_loader_XXXXXX").string();
    TORCH_CHECK(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    path_ = pattern;
    const char* const classes[] = {"glioma_tumor", "meningioma_tumor", "no_tumor",
                                   "pituitary_tumor"};
    for (int i = 0; i < kImages; ++i) {
      const std::string folder = absl::StrCat(training(), "/", classes[i % 4]);
      fs::create_directories(folder);
      // Blurred noise, as the peers' script makes where it is given no folder.
      cv::Mat image(kSide, kSide, CV_8UC3);
      cv::RNG random(i + 1);
      random.fill(image, cv::RNG::UNIFORM, 0, 255);
      cv::GaussianBlur(image, image, {9, 9}, 3);
      cv::imwrite(absl::StrCat(folder, "/", i, ".jpg"), image, {cv::IMWRITE_JPEG_QUALITY, 92});
    }
  }
  Folder(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  std::string training() const { return path_ + "/Training"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The stages before a model, one after the other.
class Chain {
 public:
  explicit Chain(const std::vector<std::string>& plugins) {
    for (const std::string& text : plugins) {
      pipeline::Node node;
      const absl::Status parsed =
          pipeline::ParseFields(absl::StrCat("plugin { ", text, " }"), &node);
      TORCH_CHECK(parsed.ok(), parsed.ToString());
      auto stage = pipeline::Stages::Get().Create(node.plugin());
      TORCH_CHECK(stage.ok(), stage.status().ToString());
      stages_.push_back(*std::move(stage));
    }
    pipeline::BuildContext context;
    context.color = stages_[1]->SeesColor();  // as the graph says it
    pipeline::Specs specs;
    for (const auto& stage : stages_) {
      const auto built = stage->Build(specs, &context);
      TORCH_CHECK(built.ok(), built.status().ToString());
      for (const auto& [port, spec] : *built) specs[port] = spec;
    }
  }

  // Milliseconds per image of an epoch.
  double Epoch(int64_t epoch) {
    auto& source = dynamic_cast<pipeline::Source&>(*stages_[0]);
    pipeline::Step step;
    step.epoch = epoch;
    const auto started = std::chrono::steady_clock::now();
    Must(source.Begin(step));
    int64_t images = 0;
    for (; step.index < source.StepsIn(pipeline::TRAIN); ++step.index) {
      step.samples = source.Samples(step.index);
      pipeline::Tensors tensors;
      for (const auto& stage : stages_) {
        pipeline::Tensors out;
        Must(stage->Run(step, tensors, &out));
        for (auto& [port, tensor] : out) tensors[port] = std::move(tensor);
      }
      images += tensors.at("images").size(0);
    }
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - started;
    TORCH_CHECK(images == kImages);
    return taken.count() / static_cast<double>(images);
  }

 private:
  static void Must(const absl::Status& status) { TORCH_CHECK(status.ok(), status.ToString()); }

  std::vector<std::unique_ptr<pipeline::Stage>> stages_;
};

struct Times {
  double first = std::numeric_limits<double>::infinity();   // decoding
  double cached = std::numeric_limits<double>::infinity();  // from memory
};

// The best of several rounds: other programs may run beside this one.
void Measure(const std::vector<std::string>& plugins, Times* times) {
  for (int round = 0; round < 2; ++round) {
    Chain chain(plugins);
    times->first = std::min(times->first, chain.Epoch(0));
    for (int64_t epoch = 1; epoch < 4; ++epoch) {
      times->cached = std::min(times->cached, chain.Epoch(epoch));
    }
  }
}

// Gray, motion and scaling of a batch, our loops against LibTorch's operators; per image.
bench::Case Stages() {
  const at::Tensor images =
      at::randint(256, {kBatch, kSize, kSize, 3}, at::kByte).permute({0, 3, 1, 2});
  at::Tensor motion = at::zeros({kBatch, plugins::kMotion});
  // A turn by some 10 degrees; no change of size.
  const float numbers[] = {0.98F, -0.17F, 0.05F, 0.17F, 0.98F, -0.05F, 1.1F, 0.9F, 1.05F};
  for (int64_t i = 0; i < plugins::kMotion; ++i) motion.select(1, i).fill_(numbers[i]);
  const at::Tensor factor = at::full({1}, 1.0 / 255), shift = at::zeros({1});
  const std::vector<double> ms = bench::LeastMs(
      {[&] { plugins::Scaled(plugins::Moved(plugins::Gray(images), motion), factor, shift); },
       [&] {
         const at::Tensor gray = plugins::GrayByOperators(images);
         plugins::ScaledByOperators(plugins::MovedByOperators(gray, motion), factor, shift);
       }},
      2);
  return {"gray, augment, normalize / by operators", ms[0] / kBatch, ms[1] / kBatch};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv,
               "Milliseconds per image before the model: 512 JPEG files of 512x512 to 224x224. "
               "Augmented: gray, crop, flip, turn, jitter, scaling; plain: scaling alone.");
  pipeline::KeepFreedMemory();  // as training does
  const int workers = FLAGS_workers > 0
                          ? FLAGS_workers
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const Folder folder;
  const std::string load = absl::StrCat(
      "[plugins/Loader] { batch_size: ", kBatch, " image_size: ", kSize, " workers: ", workers,
      " validation_fraction: 0 dataset { [datasets/BrainTumor] { root: \"", folder.path(),
      "\" } } }");
  const std::vector<std::string> augmented = {load, "[plugins/Grayscale] { channels: THREE }",
                                              "[plugins/Augment] {}", "[plugins/Normalize] {}"};
  const std::vector<std::string> plain = {load, "[plugins/Normalize] {}"};
  Times ours_augmented, ours_plain;
  Measure(augmented, &ours_augmented);
  Measure(plain, &ours_plain);
  std::vector<bench::Case> cases = {Stages()};
  if (FLAGS_peer.empty()) {
    cases.push_back(
        {"augmented: from cache / first epoch", ours_augmented.cached, ours_augmented.first});
    cases.push_back({"plain: from cache / first epoch", ours_plain.cached, ours_plain.first});
  } else {
    const auto theirs = nlohmann::json::parse(bench::OutputOf(
        absl::StrCat(FLAGS_python, " ", FLAGS_peer, " ", folder.training(), " ", workers)));
    // Once more: the machine may have been busier before than while the peer ran.
    Measure(augmented, &ours_augmented);
    Measure(plain, &ours_plain);
    const double augmented_ms = 1e3 / theirs.at("augmented_img_s").get<double>();
    const double plain_ms = 1e3 / theirs.at("plain_img_s").get<double>();
    cases.push_back({"augmented: first epoch / torchvision", ours_augmented.first, augmented_ms});
    cases.push_back({"augmented: from cache / torchvision", ours_augmented.cached, augmented_ms});
    cases.push_back({"plain: first epoch / torchvision", ours_plain.first, plain_ms});
    cases.push_back({"plain: from cache / torchvision", ours_plain.cached, plain_ms});
  }
  bench::Print(cases);
}
