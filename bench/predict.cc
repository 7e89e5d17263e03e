// Prediction of files, against the bare forward pass and against a PyTorch script with a
// DataLoader.
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <gflags/gflags.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "pipeline/clock.h"
#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"
#include "pipeline/prediction/member.h"
#include "pipeline/prediction/predictor.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/device.h"
#include "pipeline/workspace.h"

DEFINE_int32(images, 1000, "JPEG files of 512 x 512 pixels");
DEFINE_int32(batch, 32, "images at a time");
DEFINE_int32(size, 224, "pixels of a side that the model sees");
DEFINE_string(head, "FC4096", "of VGG16");
DEFINE_string(device, "CPU", "as train.device");
DEFINE_string(precision, "AUTO", "as train.precision");
DEFINE_string(python, "", "an interpreter with torch and torchvision, to run --peer with");
DEFINE_string(peer, "", "bench/predict_torch.py");

namespace {

namespace fs = std::filesystem;
using pipeline::Run;

// Must be, or the program ends.
template <class T>
T Value(absl::StatusOr<T> value) {
  TORCH_CHECK(value.ok(), value.status().ToString());
  return *std::move(value);
}
void Must(const absl::Status& status) { TORCH_CHECK(status.ok(), status.ToString()); }

std::vector<std::string> MakeImages(const std::string& folder) {
  constexpr int kSide = 512;
  fs::create_directories(folder);
  std::vector<std::string> files;
  for (int i = 0; i < FLAGS_images; ++i) {
    cv::Mat image(kSide, kSide, CV_8UC3);
    cv::RNG random(i + 1);
    random.fill(image, cv::RNG::UNIFORM, 0, 255);
    cv::GaussianBlur(image, image, {9, 9}, 3);
    files.push_back(absl::StrCat(folder, "/", i, ".jpg"));
    cv::imwrite(files.back(), image, {cv::IMWRITE_JPEG_QUALITY, 92});
  }
  return files;
}

// A run with the weights that it begins with.
Run MakeRun(const std::string& folder, pipeline::BuildContext* context) {
  const std::vector<std::string> sets = {
      "load.dataset=[datasets/Synthetic] { images_per_class: 4 test_images_per_class: 1 }",
      absl::StrCat("load.image_size=", FLAGS_size),
      absl::StrCat("classify.model=[models/Vgg16] { head: ", FLAGS_head, " }")};
  pipeline::Diagnostics errors;
  const pipeline::LoadedConfig config =
      Value(pipeline::LoadConfig(Value(pipeline::FindConfig("brats_vgg16.pbtxt")), sets, &errors));
  const auto graph = pipeline::Graph::Create(config.document, &errors);
  Must(errors.ToStatus());
  Must(graph->Build(context));
  Run run = Value(Run::Create(folder, config, *graph));
  Value(pipeline::WriteWeights(run.WeightsFile(), *graph));
  return run;
}

// Seconds an image of the forward pass alone, on batches that lie in memory; the least of `rounds`.
double Bare(const Run& run, const pipeline::BuildContext& context, int rounds) {
  pipeline::Member member = Value(pipeline::Member::Open(run, context));
  const at::Tensor images = at::randint(256, {FLAGS_batch, 3, FLAGS_size, FLAGS_size}, at::kByte);
  Value(member.Probabilities(images));  // finds its memory
  double least = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const double begin = pipeline::Now();
    Value(member.Probabilities(images));
    least = std::min(least, pipeline::Now() - begin);
  }
  return least / FLAGS_batch;
}

double Predicted(const Run& run, const pipeline::BuildContext& context,
                 const std::vector<std::string>& files) {
  pipeline::PredictionOptions options;
  options.batch = static_cast<size_t>(FLAGS_batch);
  pipeline::Predictor predictor = Value(pipeline::Predictor::Open({run}, context, options));
  size_t answers = 0;
  const double begin = pipeline::Now();
  Must(predictor.Predict(files, [&](const pipeline::Answer& answer) {
    TORCH_CHECK(answer.error.empty(), answer.error);
    ++answers;
    return absl::OkStatus();
  }));
  TORCH_CHECK(answers == files.size());
  return (pipeline::Now() - begin) / static_cast<double>(files.size());
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv,
               "Milliseconds per image of predicting JPEG files of 512 x 512 by VGG16: decoding, "
               "resizing and the model.");
  const std::string folder =
      (fs::temp_directory_path() / absl::StrCat("bench-predict-", getpid())).string();
  pipeline::BuildContext context;
  context.device = Value(pipeline::ChooseDevice(FLAGS_device));
  pipeline::Train::Precision precision;
  TORCH_CHECK(pipeline::Train::Precision_Parse(FLAGS_precision, &precision), "--precision");
  context.precision = Value(pipeline::ChoosePrecision(precision, context.device));
  context.threads = pipeline::SetThreads(0);
  if (context.device == "cpu") pipeline::KeepFreedMemory();
  const std::vector<std::string> files = MakeImages(folder + "/images");
  const Run run = MakeRun(folder + "/run", &context);
  const double before = Bare(run, context, 8);
  const double predicted = Predicted(run, context, files);
  // Again, for the machine may have become slower or faster.
  const double bare = std::min(before, Bare(run, context, 8));
  std::vector<bench::Case> cases = {{"files / bare forward", 1e3 * predicted, 1e3 * bare}};
  if (!FLAGS_peer.empty()) {
    const auto theirs = nlohmann::json::parse(
        bench::OutputOf(absl::StrCat(FLAGS_python, " ", FLAGS_peer, " ", folder, "/images --batch ",
                                     FLAGS_batch, " --size ", FLAGS_size, " --head ", FLAGS_head,
                                     context.precision == pipeline::Train::BF16 ? " --bf16" : "",
                                     context.device == "cpu" ? "" : " --cuda")));
    cases.push_back({"files / PyTorch with a DataLoader", 1e3 * predicted,
                     1e3 / theirs.at("images_per_second").get<double>()});
  }
  fs::remove_all(folder);
  bench::Print(cases);
}
