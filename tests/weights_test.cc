// Pretrained weights: PyTorch's logits, the account of a file, wrapped names, hostile files.
#include "models/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "absl/strings/match.h"
#include "models/layers.h"
#include "pipeline/files.h"
#include "tests/narrow_models.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace {

using models::Lines;
using models::LoadWeights;
using models::WeightsFit;
using pipeline::NamedTensors;
using pipeline::Task;
using testing::ElementsAre;
using testing_support::Error;
using testing_support::kNarrow;
using testing_support::kNarrowOptions;
using testing_support::Make;
using testing_support::StateOf;
using testing_support::Workspace;
using testing_support::Write;

WeightsFit Load(const std::string& path, models::Model& model) {
  const auto fit = LoadWeights(path, &model);
  EXPECT_TRUE(fit.ok()) << fit.status();
  return fit.ok() ? *fit : WeightsFit{};
}

std::string ErrorOf(const std::string& path, const std::string& options = kNarrowOptions) {
  const auto model = Make(options);
  return std::string(LoadWeights(path, model.get()).status().message());
}

nlohmann::json Oracle() {
  return testing_support::ReadOracle("models/testdata/vgg16_weights.json");
}

at::Tensor LogitsOf(const nlohmann::json& rows) {
  return at::stack({at::tensor(rows[0].get<std::vector<float>>()),
                    at::tensor(rows[1].get<std::vector<float>>())});
}

// Float32 through 13 layers, and 7 digits in the table.
constexpr double kLogitError = 1e-5;

// ---- PyTorch's logits ----

TEST(Weights, OfATorchvisionVgg16GiveItsLogits) {
  const auto oracle = Oracle();
  const at::Tensor gray = testing_support::TensorOf<float>(oracle["images"], oracle["shape"]);
  const at::Tensor color = at::concat({gray, gray.flip({2}), gray.flip({3})}, 1);
  const auto model = Make(kNarrowOptions, 3);
  EXPECT_EQ(Load(kNarrow, *model).loaded, 28);
  model->eval();
  EXPECT_LT(Error(model->Forward(color), LogitsOf(oracle["color"])), kLogitError);
  EXPECT_LT(Error(model->Forward(gray.expand({-1, 3, -1, -1})), LogitsOf(oracle["gray"])),
            kLogitError);
}

TEST(Weights, ForThreeChannelsServeGrayImages) {
  const auto oracle = Oracle();
  const auto model = Make(kNarrowOptions, 1);
  const WeightsFit fit = Load(kNarrow, *model);
  EXPECT_EQ(fit.summed, "features.0.weight");
  model->eval();
  const at::Tensor gray = testing_support::TensorOf<float>(oracle["images"], oracle["shape"]);
  EXPECT_LT(Error(model->Forward(gray), LogitsOf(oracle["gray"])), kLogitError);
  const auto file = *pipeline::ReadSafetensors(kNarrow);
  for (const auto& [name, tensor] : file) {
    if (name != "features.0.weight") continue;
    const at::Tensor sum = tensor.select(1, 0) + tensor.select(1, 1) + tensor.select(1, 2);
    // The order of a sum of three may differ: an ulp.
    EXPECT_LT(Error(StateOf(*model)[name].squeeze(1), sum), 1e-7);
  }
}

TEST(Weights, WithBatchNormGiveTheirLogits) {
  const auto oracle = Oracle();
  const auto model = Make("head: GAP width: 0.03125 batch_norm: true");
  EXPECT_THAT(Lines("f", Load("models/testdata/vgg16_bn_narrow.safetensors", *model)),
              ElementsAre("weights of f: 93 loaded, 0 missing, 0 unexpected, 0 of wrong shape"));
  model->eval();
  const at::Tensor gray = testing_support::TensorOf<float>(oracle["images"], oracle["shape"]);
  EXPECT_LT(Error(model->Forward(gray), LogitsOf(oracle["batch_norm"])), kLogitError);
}

TEST(Weights, MakeTheFcnThatPyTorchMakesOfThem) {
  const auto oracle = Oracle();
  const auto model = Make(kNarrowOptions, 1, Task::kSegmentation);
  Load(kNarrow, *model);
  EXPECT_EQ(Load("models/testdata/vgg16_fcn.safetensors", *model).loaded, 6);
  const std::vector<int64_t> shape = oracle["odd_shape"];
  const at::Tensor images = testing_support::TensorOf<float>(oracle["odd_images"], shape);
  const at::Tensor expected =
      testing_support::TensorOf<float>(oracle["fcn_8s"], {shape[0], 4, shape[2], shape[3]});
  EXPECT_LT(Error(model->Forward(images), expected), kLogitError);
}

TEST(Weights, OfAUnetInPyTorchGiveItsLogits) {
  const auto oracle = testing_support::ReadOracle("models/testdata/unet_weights.json");
  const auto model =
      Make("depth: 2 width: 4 batch_norm: true", 1, Task::kSegmentation, 3, "models/Unet");
  EXPECT_THAT(Lines("f", Load("models/testdata/unet_small.safetensors", *model)),
              ElementsAre("weights of f: 76 loaded, 0 missing, 0 unexpected, 0 of wrong shape"));
  model->eval();
  const std::vector<int64_t> shape = oracle["shape"];
  const at::Tensor expected =
      testing_support::TensorOf<float>(oracle["logits"], {shape[0], 3, shape[2], shape[3]});
  EXPECT_LT(
      Error(model->Forward(testing_support::TensorOf<float>(oracle["image"], shape)), expected),
      kLogitError);
}

TEST(Weights, ThatAModelWroteReadBackEqual) {
  for (const auto& name : pipeline::PluginIndex::Get().In("models")) {
    const std::string options = name.file == "vgg16" ? "width: 0.05" : "";
    const auto one = Make(options, 1, Task::kSegmentation, 4, name.Url());
    const auto two = Make(options, 1, Task::kSegmentation, 4, name.Url());
    const auto state = StateOf(*one);
    Load(Write("round_trip", {state.begin(), state.end()}), *two);
    for (const auto& [key, tensor] : StateOf(*two)) EXPECT_TRUE(tensor.equal(state.at(key))) << key;
  }
}

TEST(Weights, OfHiddenLinearLayersServeAsConvolutions) {
  const auto images = Make("width: 0.02"), pixels = Make("width: 0.02", 1, Task::kSegmentation);
  const auto state = StateOf(*images);
  const WeightsFit fit = Load(Write("linear", {state.begin(), state.end()}), *pixels);
  EXPECT_TRUE(fit.wrong_shape.empty());
  EXPECT_TRUE(fit.unexpected.empty());
  EXPECT_THAT(fit.missing, ElementsAre("score_pool4.0.weight", "score_pool4.0.bias",
                                       "score_pool3.0.weight", "score_pool3.0.bias"));
  // Where the features are 7x7, the middle one of the scores sees what the linear layers see.
  images->eval();
  pixels->eval();
  const auto part = [](const models::Model& model, const char* name) {
    return std::dynamic_pointer_cast<models::Sequence>(model.named_children()[name]);
  };
  const at::Tensor batch = at::rand({1, 1, 224, 224});
  const at::Tensor scores =
      part(*pixels, "classifier")->Forward(part(*pixels, "features")->Forward(batch));
  ASSERT_EQ(scores.sizes(), at::IntArrayRef({1, 4, 7, 7}));
  EXPECT_LT(Error(scores.select(2, 3).select(2, 3), images->Forward(batch)), kLogitError);
}

// ---- the account ----

TEST(Weights, AreListed) {
  const auto model = Make("head: GAP width: 0.0625", 1, Task::kMulticlass, 7);
  auto tensors = *pipeline::ReadSafetensors(kNarrow);
  tensors.erase(std::find_if(tensors.begin(), tensors.end(),
                             [](const auto& item) { return item.first == "features.0.bias"; }));
  for (const char* name : {"a", "b", "c\n", "d", "e"}) tensors.emplace_back(name, at::zeros({1}));
  const WeightsFit fit = Load(Write("listed", tensors), *model);
  EXPECT_THAT(
      Lines("some.safetensors", fit),
      ElementsAre(
          "weights of some.safetensors: 25 loaded, 1 missing, 5 unexpected, 2 of wrong shape",
          "weights: features.0.weight summed over its 3 input channels",
          "weights missing: features.0.bias", "weights unexpected: a, b, c\\n, d, and 1 more",
          "weights of wrong shape: classifier.0.weight [4, 32] for [7, 32], "
          "classifier.0.bias [4] for [7]"));
}

TEST(Weights, OfWrongShapeStayAsInitialised) {
  const auto model = Make(kNarrowOptions, 1, Task::kMulticlass, 7);
  const at::Tensor before = StateOf(*model)["classifier.0.weight"].clone();
  Load(kNarrow, *model);
  EXPECT_TRUE(StateOf(*model)["classifier.0.weight"].equal(before));
}

TEST(Weights, OfHalfAndDoublePrecisionAreConverted) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    const auto model = Make(kNarrowOptions);
    const at::Tensor bias = at::tensor({0.5F, -2.0F, 1.0F, 0.25F});
    EXPECT_EQ(Load(Write("types", {{"features.0.bias", bias.to(type)}}), *model).loaded, 1);
    EXPECT_TRUE(StateOf(*model)["features.0.bias"].equal(bias));
  }
}

// ---- wrapped names ----

// The tensors of kNarrow under other names.
std::string Renamed(const std::string& file, const std::string& from, const std::string& to) {
  NamedTensors tensors = *pipeline::ReadSafetensors(kNarrow);
  for (auto& [name, tensor] : tensors) {
    if (absl::StartsWith(name, from)) name = to + name.substr(from.size());
  }
  return Write(file, tensors);
}

TEST(Weights, AreFoundBehindTheNamesOfWrappers) {
  const auto plain = Make(kNarrowOptions);
  Load(kNarrow, *plain);
  const auto expected = StateOf(*plain);
  const std::pair<std::string, std::string> wrappings[] = {
      {"", "module."},                    // DataParallel over the whole
      {"features.", "features.module."},  // over a part, as torchvision's example trains VGG
      {"", "_orig_mod."},                 // torch.compile
      {"", "model."},                     // a holder
      {"", "module.backbone.encoder."}};  // several
  for (const auto& [from, to] : wrappings) {
    const auto model = Make(kNarrowOptions);
    const WeightsFit fit = Load(Renamed("wrapped", from, to), *model);
    EXPECT_EQ(fit.loaded, 28) << to;
    EXPECT_THAT(fit.unexpected, ElementsAre()) << to;
    for (const auto& [name, tensor] : StateOf(*model)) {
      EXPECT_TRUE(tensor.equal(expected.at(name))) << to << name;
    }
    const std::string said = to == "features.module." ? "module." : to;
    EXPECT_THAT(Lines("f", fit),
                testing::Contains("weights: names taken without \"" + said + "\""));
  }
}

TEST(Weights, OfTwoHoldersAreNotGuessedAt) {
  NamedTensors tensors;
  const NamedTensors own = *pipeline::ReadSafetensors(kNarrow);
  for (const auto& [name, tensor] : own) {
    tensors.emplace_back("student." + name, tensor);
    tensors.emplace_back("teacher." + name, tensor);
  }
  EXPECT_TRUE(absl::StrContains(ErrorOf(Write("two", tensors)),
                                "holds nothing that fits the model; it has: student."));
}

TEST(Weights, OfATorchFileAreThoseOfSafetensors) {
  const auto make = [] {
    return Make("depth: 2 width: 4 batch_norm: true", 1, Task::kSegmentation, 3, "models/Unet");
  };
  const auto expected = make();
  Load("models/testdata/unet_small.safetensors", *expected);
  for (const char* file : {"unet_small.pth", "unet_small_legacy.pth"}) {
    const auto model = make();
    EXPECT_THAT(Lines("f", Load(std::string("models/testdata/") + file, *model)),
                ElementsAre("weights of f: 76 loaded, 0 missing, 0 unexpected, 0 of wrong shape"));
    for (const auto& [name, tensor] : StateOf(*expected)) {
      EXPECT_TRUE(StateOf(*model)[name].equal(tensor)) << file << " " << name;
    }
  }
}

// ---- hostile files ----

TEST(Weights, RefuseFilesThatAreNoWeights) {
  const std::string folder = testing::TempDir() + "/";
  EXPECT_EQ(ErrorOf(folder + "absent"), folder + "absent: cannot read: No such file or directory");
  EXPECT_TRUE(absl::StrContains(ErrorOf(folder), "cannot read: "));
  std::ofstream(folder + "text") << "These are no weights, but a text of some length.";
  EXPECT_EQ(ErrorOf(folder + "text"),
            folder + "text: not safetensors: its header would be longer than the file or 100 MB");
  // The beginning of what torch.save writes.
  std::ofstream(folder + "cut.pth") << std::string("PK\x03\x04", 4) << std::string(26, '\0')
                                    << "archive/data.pkl" << std::string(80, '\0');
  EXPECT_EQ(ErrorOf(folder + "cut.pth"),
            folder + "cut.pth: a zip archive that is cut off: it has no directory");
  std::ofstream(folder + "zip") << std::string("PK\x03\x04", 4) << std::string(80, '\0');
  EXPECT_EQ(ErrorOf(folder + "zip"),
            folder + "zip: a zip archive, neither safetensors nor a PyTorch file");
  std::ofstream(folder + "h5") << std::string("\x89HDF\r\n\x1a\n", 8) << std::string(80, '\0');
  EXPECT_EQ(ErrorOf(folder + "h5"),
            folder + "h5: an HDF5 file (as of Keras), neither safetensors nor a PyTorch file");
  const std::string whole = *pipeline::ReadFile(kNarrow, 1 << 20);
  for (const size_t length :
       {whole.size() - 1, whole.size() / 2, size_t{20}, size_t{8}, size_t{0}}) {
    std::ofstream(folder + "cut", std::ios::binary) << whole.substr(0, length);
    EXPECT_TRUE(absl::StartsWith(ErrorOf(folder + "cut"), folder + "cut: ")) << length;
  }
}

TEST(Weights, RefuseValuesThatWouldSpoilTheModel) {
  const std::string nan =
      Write("nan", {{"features.0.bias", at::full({4}, std::numeric_limits<float>::quiet_NaN())}});
  EXPECT_EQ(ErrorOf(nan), nan + ": tensor \"features.0.bias\" holds NaN or infinity");
  const std::string large =
      Write("large", {{"features.0.bias", at::full({4}, 1e300, at::kDouble)}});
  EXPECT_EQ(ErrorOf(large), large + ": tensor \"features.0.bias\" holds NaN or infinity");
  const std::string integers = Write("integers", {{"features.0.bias", at::ones({4}, at::kLong)}});
  EXPECT_EQ(ErrorOf(integers),
            integers + ": tensor \"features.0.bias\" is of type Long, not Float");
}

TEST(Weights, RefuseAFileThatGivesTheModelNothing) {
  const std::string foreign = Write("foreign", {{"model.features.0_bias", at::zeros({4})},
                                                {std::string(200, 'x'), at::zeros({1})}});
  EXPECT_EQ(ErrorOf(foreign),
            foreign + ": holds nothing that fits the model; it has: model.features.0_bias, " +
                std::string(80, 'x') +
                "...; the model has: features.0.weight, features.0.bias, features.2.weight, "
                "features.2.bias, and 24 more");
  const std::string empty = Write("empty", {});
  EXPECT_TRUE(absl::StrContains(ErrorOf(empty), "it has: no tensors; the model has: features.0"));
}

TEST(Weights, WithBatchNormAreNotThoseWithout) {
  const Workspace workspace;
  const auto plain = Make("head: GAP width: 0.05"),
             normed = Make("head: GAP width: 0.05 batch_norm: true");
  const auto write = [](const std::string& path, const models::Model& model) {
    const auto state = StateOf(model);
    return pipeline::WriteSafetensors(path, {state.begin(), state.end()}, {}).ok();
  };
  ASSERT_TRUE(write("plain", *plain) && write("normed", *normed));
  EXPECT_EQ(models::LoadWeights("plain", normed.get()).status().message(),
            "plain: has no batch norm, but the model has some, so layers of one name are not the "
            "same; set batch_norm: false");
  EXPECT_EQ(models::LoadWeights("normed", plain.get()).status().message(),
            "normed: has batch norm, but the model has none, so layers of one name are not the "
            "same; set batch_norm: true");
}

}  // namespace
