// What a run on the embedded sample costs: a newcomer waits for it, on whatever machine there is.
#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using testing_support::Load;
using testing_support::Loaded;
using testing_support::Workspace;

// Of a whole run: a minute's work for two cores with AVX2.
constexpr double kMostFlop = 2.5e12;

// Multiplications of weights or matrices that operators on this thread make while it lives.
class Meter {
 public:
  Meter() {
    multiplications_ = 0;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(nullptr, &Add)
                                             .needsInputs(true)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~Meter() { at::removeCallback(handle_); }
  Meter(const Meter&) = delete;
  double multiplications() const { return multiplications_; }

 private:
  static void Add(const at::RecordFunction& operation, at::ObserverContext*) {
    const std::string_view name = operation.name();
    const auto input = [&](int i) { return operation.inputs()[i].toTensor(); };
    double each = 0;  // for an element of the output
    if (name == "aten::convolution") {
      const at::Tensor weight = input(1);
      each = static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
    } else if (name == "aten::addmm" || name == "aten::mm" || name == "aten::bmm") {
      each = static_cast<double>(input(name == "aten::addmm" ? 1 : 0).size(-1));
    } else {
      return;
    }
    multiplications_ += each * static_cast<double>(operation.outputs()[0].toTensor().numel());
  }

  static thread_local double multiplications_;
  at::CallbackHandle handle_;
};
thread_local double Meter::multiplications_ = 0;

// Of one image's way through the graph of a loaded config, which is built by that.
double ForwardMultiplications(const Loaded& loaded) {
  pipeline::BuildContext context;
  context.max_batch = 1;
  absl::Status status = loaded.graph->Build(&context);
  loaded.graph->SetTraining(false);
  pipeline::Step step{pipeline::TEST};
  pipeline::Source& source = loaded.graph->source();
  if (status.ok()) status = source.Begin(step);
  if (status.ok()) step.samples = source.Samples(0);
  const c10::NoGradGuard no_gradients;
  const Meter meter;
  if (status.ok()) status = loaded.graph->Run(step);
  EXPECT_TRUE(status.ok()) << status;
  return meter.multiplications();
}

TEST(Meter, CountsConvolutionsAndLinearLayers) {
  const Workspace workspace;
  workspace.Write("small.pbtxt", testing_support::SmallConfig());
  const Loaded loaded =
      Load("small.pbtxt", {"classify.model=[models/Cnn] { channels: [4, 8] hidden: 5 }"});
  ASSERT_EQ(loaded.errors, "");
  EXPECT_EQ(ForwardMultiplications(loaded), 32 * 32 * 9 * 4 + 16 * 16 * 9 * 4 * 8 + 8 * 5 + 5 * 4);
}

std::vector<std::string> Configs() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("configs")) {
    if (entry.path().extension() == ".pbtxt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class EmbeddedSample : public testing::TestWithParam<std::string> {};

TEST_P(EmbeddedSample, CostsAMinute) {
  const std::string path = fs::absolute("configs/" + GetParam() + ".pbtxt").string();
  const Workspace without_data;
  const Loaded loaded = Load(path);
  ASSERT_EQ(loaded.errors, "");
  if (!loaded.config.embedded_sample) {
    ASSERT_EQ(GetParam(), "folder_vgg16") << "no sample stands in for this config's data";
    return;
  }
  const double forward = 2 * ForwardMultiplications(loaded);
  const auto& images = loaded.graph->source().data().images;
  const auto in = [&](pipeline::Phase phase) {
    return static_cast<double>(images[pipeline::PhaseIndex(phase)]);
  };
  // Backward costs two forwards. One more is for the statistics of batch norms, which are averaged
  // over some batches before each validation.
  const double epoch = 4 * in(pipeline::TRAIN) + in(pipeline::VAL);
  const double epochs = static_cast<double>(loaded.config.document.config.train().epochs());
  const double flop = forward * (epochs * epoch + in(pipeline::TEST));
  EXPECT_LE(flop, kMostFlop);
  std::printf("%s: %.2f TFLOP\n", GetParam().c_str(), flop / 1e12);
}

INSTANTIATE_TEST_SUITE_P(Configs, EmbeddedSample, testing::ValuesIn(Configs()),
                         [](const auto& info) { return info.param; });

}  // namespace
