// What onnxruntime computes of exported models: the probabilities that they have here.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/logspace.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "activations/activation.h"
#include "activations/piecewise.h"
#include "pipeline/export/fold.h"
#include "pipeline/export/onnx_file.h"
#include "pipeline/training/device.h"
#include "tests/exported_runs.h"
#include "tests/oracle.h"

namespace {

using nlohmann::json;
using pipeline::OperatorGraph;
using testing_support::MakeRun;
using testing_support::Opened;
using testing_support::PluginOf;
using testing_support::ProbabilitiesOf;
using testing_support::SharedData;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr double kBar = 1e-4;  // of a probability

// Every activation with the options under which it is computed differently.
const std::vector<std::string>& AllActivations() {
  static const auto* all = [] {
    auto* list = new std::vector<std::string>;
    for (const pipeline::PluginName& name : pipeline::PluginIndex::Get().In("activations")) {
      list->push_back(absl::StrCat("[", name.Url(), "] {}"));
    }
    for (const char* more : {"[activations/Elu] { alpha: 0.5 }",
                             "[activations/Gelu] { approximate: TANH }",
                             "[activations/MittagLeffler] { alpha: 0.05 }",
                             "[activations/MittagLeffler] { alpha: 1 }",
                             "[activations/MittagLeffler] { form: TANH }",
                             "[activations/MittagLeffler] { learnable: true }",
                             "[activations/Lerch] { s: 0 }",
                             "[activations/Lerch] { s: 1 }",
                             "[activations/Lerch] { s: 1.7 }",
                             "[activations/Lerch] { form: BOUNDED rho: 0.95 }",
                             "[activations/Jacobi] { m: 0 }",
                             "[activations/Jacobi] { m: 1 }",
                             "[activations/Jacobi] { m: 0.999 }",
                             "[activations/Jacobi] { form: ELLIPTIC_CN }",
                             "[activations/Jacobi] { form: ELLIPTIC_DN }",
                             "[activations/Jacobi] { form: SNAKE }",
                             "[activations/Jacobi] { form: SNAKE m: 1 }",
                             "[activations/Jacobi] { form: POLYNOMIAL }",
                             "[activations/Jacobi] { form: POLYNOMIAL n: 6 a: 2 b: 2 }",
                             "[activations/Weierstrass] { form: TANH_RIPPLE }",
                             "[activations/Weierstrass] { a: 0.4 b: 2.5 terms: 4 }"}) {
      list->push_back(more);
    }
    return list;
  }();
  return *all;
}

// Cases of onnxruntime, each a model with images and what is expected of it.
class Cases {
 public:
  void Add(const std::string& name, const OperatorGraph& graph, const at::Tensor& images,
           const at::Tensor& expected) {
    const auto file = OnnxFile(graph, name);
    ASSERT_TRUE(file.ok()) << file.status();
    workspace_.Write(name + ".onnx", *file);
    workspace_.Write(name + ".in", Bytes(images));
    workspace_.Write(name + ".out", Bytes(expected.to(at::kFloat)));
    const char* type = images.scalar_type() == at::kByte ? "uint8" : "float32";
    workspace_.Write(
        name + ".json",
        json({{"type", type}, {"in", images.sizes().vec()}, {"out", expected.sizes().vec()}})
            .dump());
  }

  json Run(const std::string& python, const std::string& script) const {
    const std::string command =
        absl::StrCat(python, " ", script, " ", workspace_.path(), " > said.txt 2>&1");
    EXPECT_EQ(std::system(command.c_str()), 0) << workspace_.Read("said.txt");
    return json::parse(workspace_.Read("parity.json"), nullptr, false);
  }

  const Workspace& workspace() const { return workspace_; }

 private:
  static std::string Bytes(const at::Tensor& tensor) {
    const at::Tensor plain = tensor.contiguous();
    return std::string(static_cast<const char*>(plain.data_ptr()),
                       static_cast<size_t>(plain.numel() * plain.element_size()));
  }

  Workspace workspace_;
};

class Parity : public testing::Test {
 protected:
  void SetUp() override {
    const char* python = std::getenv("ONNX_PYTHON");
    if (python == nullptr) {
      GTEST_SKIP() << "ONNX_PYTHON, an interpreter with onnx and onnxruntime, is not set";
    }
    python_ = python;
    script_ = std::filesystem::absolute("tests/onnx_parity.py").string();
    pipeline::SeedGenerators(1);
    cases_ = std::make_unique<Cases>();
    cases_->workspace().Write("configs/small.pbtxt", SmallConfig());
  }

  // Real images where they are, drawn noise where not: uint8 [8, 3, size, size].
  static at::Tensor ImagesOf(const std::string& folder, int64_t size) {
    std::vector<at::Tensor> images;
    if (!SharedData().empty()) {
      for (const auto& entry :
           std::filesystem::recursive_directory_iterator(SharedData() + "/" + folder)) {
        if (!entry.is_regular_file() || images.size() == 8) continue;
        const cv::Mat whole = cv::imread(entry.path().string());
        if (whole.empty()) continue;
        cv::Mat small;
        cv::resize(whole, small, cv::Size(size, size), 0, 0, cv::INTER_AREA);
        images.push_back(at::from_blob(small.data, {size, size, 3}, at::kByte)
                             .permute({2, 0, 1})
                             .flip({0})
                             .contiguous()
                             .clone());
      }
    }
    return images.empty() ? at::randint(0, 256, {8, 3, size, size}, at::kByte) : at::stack(images);
  }

  void Add(const std::string& name, const pipeline::Run& made, const at::Tensor& images,
           bool preprocessing, bool fold, const std::string& node = "classify") {
    const Opened opened(made);
    const at::Tensor probabilities = ProbabilitiesOf(opened, images, node);
    ASSERT_TRUE(probabilities.isfinite().all().item<bool>());
    bars_[name] = std::max(kBar, 10 * Shaken(made, images, probabilities, node));
    OperatorGraph operators;
    const absl::Status status = opened.Export(preprocessing, &operators);
    ASSERT_TRUE(status.ok()) << status;
    if (fold) {
      EXPECT_GT(FoldBatchNorms(&operators), 0);
    }
    cases_->Add(name, operators, preprocessing ? images : opened.graph->Output("normalize.images"),
                probabilities);
  }

  // By how much the probabilities move where every weight does by about a rounding of float32: with
  // activations as steep as Weierstrass', many layers leave nothing of its seven digits.
  static double Shaken(const pipeline::Run& made, const at::Tensor& images,
                       const at::Tensor& probabilities, const std::string& node) {
    const Opened opened(made);
    const c10::NoGradGuard no_gradients;
    for (const auto& [name, tensor] : opened.graph->State()) {
      if (tensor.is_floating_point()) tensor.mul_(1 + at::randn_like(tensor) * 1e-7);
    }
    const at::Tensor moved = ProbabilitiesOf(opened, images, node);
    return (moved - probabilities).abs().max().item<double>();
  }

  // Prints the figures, and holds them to the bar, or to what float32 can hold.
  void Hold(double bar, const char* figure) {
    const json found = cases_->Run(python_, script_);
    ASSERT_TRUE(found.is_object());
    for (const auto& [name, result] : found.items()) {
      std::printf("%-64s %-8s %.1e  %5d operators %8d bytes\n", name.c_str(), figure,
                  result[figure].get<double>(), result["operators"].get<int>(),
                  result["bytes"].get<int>());
      const auto own = bars_.find(name);
      const double allowed = own == bars_.end() ? bar : std::max(bar, own->second);
      if (allowed > bar) std::printf("  (of float32 itself: %.1e)\n", allowed / 10);
      EXPECT_LE(result[figure], allowed) << name;
      EXPECT_TRUE(result["same_nan"]) << name;
    }
  }

  std::string python_, script_;
  std::map<std::string, double> bars_;  // by case
  std::unique_ptr<Cases> cases_;
};

// "Lerch_s_0" of "[activations/Lerch] { s: 0 }".
std::string FileName(const std::string& activation) {
  const std::string plain = absl::StrReplaceAll(
      activation, {{"[activations/", ""}, {"] {}", ""}, {"] {", ""}, {" }", ""}, {": ", "_"}});
  return absl::StrReplaceAll(plain, {{" ", "_"}});
}

// Writes tests/testdata/export_golden.json where ONNX_GOLDEN names it.
TEST_F(Parity, OfTheGoldenModel) {
  const Opened opened = testing_support::GoldenModel(cases_->workspace());
  OperatorGraph operators;
  ASSERT_TRUE(opened.Export(/*preprocessing=*/true, &operators).ok());
  const at::Tensor images = testing_support::GoldenImages();
  cases_->Add("golden", operators, images, ProbabilitiesOf(opened, images));
  Hold(kBar, "absolute");
  const char* path = std::getenv("ONNX_GOLDEN");
  if (path == nullptr) return;
  json golden = testing_support::Outline(operators);
  const json found = json::parse(cases_->workspace().Read("parity.json"));
  golden["probabilities"] = found["golden"]["given"];
  std::ofstream(path) << golden.dump(1) << "\n";
}

// The function itself, near 0, far out, and at the ends of the floats.
TEST_F(Parity, OfEveryActivationAsAFunction) {
  const at::Tensor far = at::logspace(-3, 6, 4000, 10, at::kFloat);
  const double inf = std::numeric_limits<double>::infinity();
  constexpr int64_t kHuge = 5;  // of them, at the end
  const at::Tensor x =
      at::concat({at::linspace(-25, 25, 20000, at::kFloat), at::randn({4000}) * 3, far, -far,
                  at::tensor({0., -0., 20., -20., 1e30, -1e30, inf, -inf,
                              std::numeric_limits<double>::quiet_NaN()})
                      .to(at::kFloat)})
          .reshape({-1, 1})
          .repeat({1, 2});
  for (const std::string& config : AllActivations()) {
    SCOPED_TRACE(config);
    const size_t end = config.find(']');
    auto f = activations::Activations::Get().Create(
        PluginOf(config.substr(1, end - 1), config.substr(end + 3, config.size() - end - 4)));
    ASSERT_TRUE(f.ok()) << f.status();
    OperatorGraph graph;
    const auto y = (*f)->Export(graph.Input("images", at::kFloat, {-1, 2}));
    ASSERT_TRUE(graph.status().ok()) << graph.status();
    graph.Output("y", y);
    const c10::NoGradGuard no_gradients;
    // Of a periodic function huge floats are noise.
    const activations::Piecewise* table = (*f)->piecewise();
    const bool periodic =
        table != nullptr && std::any_of(table->terms().begin(), table->terms().end(),
                                        [](const activations::Piecewise::Term& term) {
                                          return term.table.fold == activations::Fold::kUnit;
                                        });
    const at::Tensor tried = x.slice(0, 0, x.size(0) - (periodic ? kHuge : 0));
    cases_->Add(FileName(config), graph, tried, (**f)(tried.to(at::kDouble)));
  }
  Hold(2e-6, "relative");
}

TEST_F(Parity, OfEveryActivationInAModel) {
  const at::Tensor images = ImagesOf("brain_tumor", 32);
  for (const std::string& activation : AllActivations()) {
    const auto run =
        MakeRun("configs/small.pbtxt", {absl::StrCat("classify.activation=", activation)},
                FileName(activation) + ".run");
    Add(FileName(activation), run, images, /*preprocessing=*/true, /*fold=*/false);
  }
  Hold(kBar, "absolute");
}

TEST_F(Parity, OfEveryActivationInAShallowModel) {
  const at::Tensor images = ImagesOf("brain_tumor", 32);
  for (const std::string& activation : AllActivations()) {
    const std::string name = FileName(activation);
    const auto run = MakeRun("configs/small.pbtxt",
                             {absl::StrCat("classify.activation=", activation),
                              "classify.model=[models/Cnn] { channels: [8] hidden: 0 }"},
                             name + ".run");
    Add(name, run, images, /*preprocessing=*/true, /*fold=*/false);
    EXPECT_EQ(bars_[name], kBar) << name << ": float32 has the digits";
  }
  Hold(kBar, "absolute");
}

TEST_F(Parity, OfEveryActivationAtTheOutput) {
  const at::Tensor images = ImagesOf("brain_tumor", 32);
  for (const std::string& activation : AllActivations()) {
    const testing_support::Loaded loaded = testing_support::Load(
        "configs/small.pbtxt", {absl::StrCat("classify.output_activation=", activation)});
    pipeline::BuildContext context;
    if (!loaded.graph->Build(&context).ok()) continue;  // unbounded below
    const auto run =
        MakeRun("configs/small.pbtxt", {absl::StrCat("classify.output_activation=", activation)},
                FileName(activation) + ".run");
    Add(FileName(activation), run, images, /*preprocessing=*/true, /*fold=*/false);
  }
  Hold(kBar, "absolute");
}

TEST_F(Parity, OfEveryModel) {
  struct Model {
    const char* name;
    const char* options;
    int64_t size;
  };
  const at::Tensor any = ImagesOf("brain_tumor", 64);
  for (const auto& [name, options, size] : std::initializer_list<Model>{
           {"vgg16_gap", "[models/Vgg16] { head: GAP width: 0.125 }", 64},
           {"vgg16_fc_of_32", "[models/Vgg16] { width: 0.0625 }", 32},
           {"vgg16_fc_of_288", "[models/Vgg16] { width: 0.0625 }", 288},
           {"vgg16_fc_of_250", "[models/Vgg16] { width: 0.0625 }", 250},
           {"vgg16_bn", "[models/Vgg16] { head: GAP width: 0.125 batch_norm: true }", 64},
           {"unet", "[models/Unet] { depth: 3 width: 8 batch_norm: true }", 50},
           {"cnn", "[models/Cnn] { batch_norm: true }", 47},
           {"cnn_without_hidden", "[models/Cnn] { hidden: 0 channels: [4, 8] }", 33}}) {
    const auto run =
        MakeRun("configs/small.pbtxt",
                {absl::StrCat("classify.model=", options), absl::StrCat("load.image_size=", size)},
                absl::StrCat(name, ".run"));
    const at::Tensor images = ImagesOf("brain_tumor", size);
    Add(name, run, images, true, false);
    Add(absl::StrCat(name, "_normalised"), run, images, false, false);
    const bool norms = std::string(options).find("batch_norm") != std::string::npos;
    if (norms) Add(absl::StrCat(name, "_folded"), run, images, true, true);
  }
  Hold(kBar, "absolute");
}

TEST_F(Parity, OfEverySegmenter) {
  cases_->workspace().Write(
      "configs/masks.pbtxt",
      absl::StrReplaceAll(
          SmallConfig(),
          {{"{ images_per_class: 6", "{ domain: CRACK task: SEGMENTATION images_per_class: 6"},
           {"term { [losses/SmoothL1] {} }", ""}}));
  struct Model {
    const char* name;
    const char* options;
    int64_t size;
  };
  for (const auto& [name, options, size] : std::initializer_list<Model>{
           {"unet", "[models/Unet] { depth: 2 width: 8 }", 64},
           {"unet_of_odd_size", "[models/Unet] { depth: 3 width: 4 batch_norm: true }", 51},
           {"vgg16_fcn8", "[models/Vgg16] { width: 0.03125 }", 64},
           {"vgg16_fcn16_of_odd_size", "[models/Vgg16] { head: GAP width: 0.0625 fcn: FCN_16S }",
            75},
           {"vgg16_fcn32", "[models/Vgg16] { head: GAP width: 0.0625 fcn: FCN_32S }", 64},
           {"cnn", "[models/Cnn] { channels: [8, 16] }", 50}}) {
    const auto run =
        MakeRun("configs/masks.pbtxt",
                {absl::StrCat("classify.model=", options), absl::StrCat("load.image_size=", size)},
                absl::StrCat(name, ".run"));
    Add(name, run, ImagesOf("crack/images", size), true, false);
  }
  Hold(kBar, "absolute");
}

TEST_F(Parity, OfACalibratedRun) {
  const at::Tensor images = ImagesOf("brain_tumor", 32);
  const Opened opened(MakeRun("configs/small.pbtxt", {}, "calibrated.run"));
  const std::vector<double> weight = {0.5, 1.5, 2, 0.7}, bias = {0, 0.25, 0, -1};
  const pipeline::Scaling scaling = {weight, bias};
  OperatorGraph operators;
  ASSERT_TRUE(ExportGraph(*opened.graph, {/*preprocessing=*/true, &scaling}, &operators).ok());
  const at::Tensor log_p = ProbabilitiesOf(opened, images).to(at::kDouble).log();
  cases_->Add("calibrated", operators, images,
              (log_p * at::tensor(weight, at::kDouble) + at::tensor(bias, at::kDouble)).softmax(1));
  Hold(kBar, "absolute");
}

TEST_F(Parity, OfEveryPreprocessing) {
  const at::Tensor images = ImagesOf("tomato_leaf", 32);
  for (const auto& [name, sets] :
       std::initializer_list<std::pair<const char*, std::vector<std::string>>>{
           {"three_gray_channels", {"gray.channels=THREE"}},
           {"mean_and_std", {"normalize.mean=[0.4]", "normalize.std=[0.2]"}},
           {"by_channel",
            {"gray.channels=THREE", "normalize.mean=[0.485, 0.456, 0.406]",
             "normalize.std=[0.229, 0.224, 0.225]"}},
           {"per_image", {"normalize.per_image=true"}}}) {
    Add(name, MakeRun("configs/small.pbtxt", sets, absl::StrCat(name, ".run")), images, true,
        false);
  }
  Hold(kBar, "absolute");
}

}  // namespace
