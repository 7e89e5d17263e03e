// Exported models: what is in the file, the model card, and what is refused. What onnxruntime
// computes of them: export_parity_test.cc.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "models/model.h"
#include "pipeline/export/fold.h"
#include "pipeline/export/onnx.pb.h"
#include "pipeline/export/onnx_file.h"
#include "tests/exported_runs.h"
#include "tests/oracle.h"

namespace {

using nlohmann::json;
using pipeline::OperatorGraph;
using pipeline::PluginName;
using pipeline::Symbol;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::MakeRun;
using testing_support::Opened;
using testing_support::PluginOf;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr char kRefusal[] = " has no form in ONNX's operators";

std::vector<std::string> TypesOf(const OperatorGraph& graph) {
  std::vector<std::string> types;
  for (const auto& op : graph.operators()) types.push_back(op.type);
  return types;
}

// A symbol and an operator of each name but the inputs' comes from an operator before it.
void ExpectWhole(const OperatorGraph& graph) {
  std::set<std::string> known;
  for (const auto& [name, value] : graph.constants()) known.insert(name);
  for (const Symbol& input : graph.inputs()) known.insert(input.name);
  for (const auto& op : graph.operators()) {
    for (const std::string& input : op.inputs) EXPECT_EQ(known.count(input), 1) << input;
    EXPECT_TRUE(known.insert(op.output).second) << op.output;
  }
  for (const Symbol& output : graph.outputs()) EXPECT_EQ(known.count(output.name), 1);
}

// ---- every plugin ----

class EveryActivation : public testing::TestWithParam<PluginName> {};

TEST_P(EveryActivation, IsExportedOrRefusedByName) {
  auto f = activations::Activations::Get().Create(PluginOf(GetParam().Url(), ""));
  ASSERT_TRUE(f.ok()) << f.status();
  OperatorGraph graph;
  graph.SetWriter(absl::StrCat("[", GetParam().Url(), "]"));
  const Symbol y = (*f)->Export(graph.Input("x", at::kFloat, {-1, 4, 3, 3}));
  if (!graph.status().ok()) {
    EXPECT_EQ(graph.status().message(), absl::StrCat("[", GetParam().Url(), "]", kRefusal));
    return;
  }
  EXPECT_EQ(y.shape, std::vector<int64_t>({-1, 4, 3, 3}));
  EXPECT_EQ(y.type, at::kFloat);
  graph.Output("y", y);
  EXPECT_GE(graph.operators().size(), 2);
  ExpectWhole(graph);
}

INSTANTIATE_TEST_SUITE_P(Export, EveryActivation,
                         testing::ValuesIn(pipeline::PluginIndex::Get().In("activations")),
                         [](const auto& info) { return info.param.name; });

class EveryModel : public testing::TestWithParam<PluginName> {};

TEST_P(EveryModel, IsExportedOrRefusedByName) {
  for (const auto task : {pipeline::Task::kMulticlass, pipeline::Task::kSegmentation}) {
    const models::ModelContext context = {1,
                                          32,
                                          40,
                                          5,
                                          task,
                                          [] {
      return *activations::Activations::Get().Create(PluginOf("activations/Relu", "")); }};
    auto model = models::Models::Get().Create(PluginOf(GetParam().Url(), ""), context);
    ASSERT_TRUE(model.ok()) << model.status();
    OperatorGraph graph;
    graph.SetWriter(absl::StrCat("[", GetParam().Url(), "]"));
    const Symbol logits = (*model)->Export(graph.Input("x", at::kFloat, {-1, 1, 32, 40}));
    if (!graph.status().ok()) {
      EXPECT_EQ(graph.status().message(), absl::StrCat("[", GetParam().Url(), "]", kRefusal));
      continue;
    }
    EXPECT_EQ(logits.shape, task == pipeline::Task::kSegmentation
                                ? std::vector<int64_t>({-1, 5, 32, 40})
                                : std::vector<int64_t>({-1, 5}));
    ExpectWhole(graph);
  }
}

INSTANTIATE_TEST_SUITE_P(Export, EveryModel,
                         testing::ValuesIn(pipeline::PluginIndex::Get().In("models")),
                         [](const auto& info) { return info.param.name; });

class Unwritten : public activations::Activation {
 public:
  at::Tensor operator()(at::Tensor x) override { return x; }
  double gain() const override { return 1; }
};

TEST(Export, RefusesByNameWhatIsNotWritten) {
  OperatorGraph graph;
  graph.SetWriter("[activations/Unwritten]");
  Unwritten().Export(graph.Input("x", at::kFloat, {-1, 4}));
  EXPECT_EQ(graph.status().message(), absl::StrCat("[activations/Unwritten]", kRefusal));
  graph.SetWriter("[models/Other]");
  graph.Refuse("is later");
  EXPECT_EQ(graph.status().message(), absl::StrCat("[activations/Unwritten]", kRefusal))
      << "the first reason counts";
}

// ---- the graph of a run ----

class OfARun : public testing::Test {
 protected:
  void SetUp() override { workspace_.Write("configs/small.pbtxt", SmallConfig()); }

  void Export(const std::vector<std::string>& sets, bool preprocessing, OperatorGraph* graph) {
    const Opened opened(MakeRun("configs/small.pbtxt", sets, absl::StrCat("out", ++runs_)));
    const absl::Status status = opened.Export(preprocessing, graph);
    EXPECT_TRUE(status.ok()) << status;
    ExpectWhole(*graph);
  }

  const Workspace workspace_;
  int runs_ = 0;
};

const std::vector<std::string> kCnn = {
    "classify.model=[models/Cnn] { channels: [4] hidden: 0 batch_norm: true }"};

TEST_F(OfARun, HasTheOperatorsOfTheModel) {
  OperatorGraph graph;
  Export(kCnn, /*preprocessing=*/false, &graph);
  EXPECT_THAT(TypesOf(graph),
              ElementsAre("Conv", "BatchNormalization", "Relu", "MaxPool", "GlobalAveragePool",
                          "Flatten", "Gemm", "Softmax", "Identity"));
  EXPECT_EQ(graph.inputs()[0].type, at::kFloat);
  EXPECT_EQ(graph.inputs()[0].shape, std::vector<int64_t>({-1, 1, 32, 32}));
}

TEST_F(OfARun, BeginsWithItsPreprocessing) {
  OperatorGraph graph;
  Export(kCnn, /*preprocessing=*/true, &graph);
  const std::vector<std::string> types = TypesOf(graph);
  // To float, gray, scaled.
  EXPECT_THAT(std::vector<std::string>(types.begin(), types.begin() + 7),
              ElementsAre("Cast", "Conv", "Mul", "Floor", "Mul", "Add", "Conv"));
  EXPECT_EQ(graph.inputs()[0].type, at::kByte);
  EXPECT_EQ(graph.inputs()[0].shape, std::vector<int64_t>({-1, 3, 32, 32}));
}

TEST_F(OfARun, FoldsBatchNormsWithoutAChangeOfValue) {
  OperatorGraph graph;
  Export(kCnn, false, &graph);
  const auto& constants = graph.constants();
  const auto constant = [&](const std::string& name) { return constants.at("features." + name); };
  const at::Tensor x = at::randn({2, 1, 8, 8});
  const at::Tensor plain = at::conv2d(x, constant("0.weight"), constant("0.bias"));
  const auto channels = [](const at::Tensor& values) { return values.reshape({1, -1, 1, 1}); };
  const at::Tensor expected = (plain - channels(constant("1.running_mean"))) /
                                  (channels(constant("1.running_var")) + 1e-5).sqrt() *
                                  channels(constant("1.weight")) +
                              channels(constant("1.bias"));
  ASSERT_EQ(FoldBatchNorms(&graph), 1);
  ExpectWhole(graph);
  EXPECT_THAT(TypesOf(graph), ElementsAre("Conv", "Relu", "MaxPool", "GlobalAveragePool", "Flatten",
                                          "Gemm", "Softmax", "Identity"));
  EXPECT_EQ(constants.count("features.1.weight"), 0);
  EXPECT_LT(
      testing_support::Error(at::conv2d(x, constant("0.weight"), constant("0.bias")), expected),
      1e-5);
}

TEST_F(OfARun, TellsWhatAReaderMustKnow) {
  OperatorGraph graph;
  std::vector<std::string> sets = kCnn;
  sets.push_back("normalize.mean=[0.25]");
  sets.push_back("normalize.std=[0.5]");
  Export(sets, false, &graph);
  const auto& facts = graph.facts();
  EXPECT_EQ(facts.at("task"), "multiclass");
  EXPECT_EQ(facts.at("classes"), R"(["glioma","meningioma","no_tumor","pituitary"])");
  EXPECT_EQ(facts.at("mean"), "[0.25]");
  EXPECT_EQ(facts.at("std"), "[0.5]");
  EXPECT_EQ(facts.at("grayscale"), "(19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down");
  EXPECT_EQ(facts.at("config"), "small");
  EXPECT_EQ(facts.at("run"), "out1");
  EXPECT_EQ(facts.at("weights_xxh3_128").size(), 32);
  EXPECT_EQ(facts.at("embedded_sample"), "false");
  EXPECT_EQ(facts.at("model"), "cnn");
  EXPECT_EQ(facts.at("activation"), "relu");
  EXPECT_EQ(facts.at("input"), "float32 [N, 1, 32, 32], preprocessed as the other entries say");
  EXPECT_EQ(facts.at("output"), "float32 [N, 4], probabilities of the classes");
}

TEST_F(OfARun, PutsProbabilitiesRightWhereAsked) {
  const Opened opened(MakeRun("configs/small.pbtxt", kCnn, "out"));
  const pipeline::Scaling scaling = {{0.5, 1, 2, 0.5}, {0, 0.25, 0, -1}};
  OperatorGraph graph;
  const absl::Status status = ExportGraph(*opened.graph, {false, &scaling}, &graph);
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<std::string> types = TypesOf(graph);
  EXPECT_THAT(std::vector<std::string>(types.end() - 6, types.end()),
              ElementsAre("Gemm", "LogSoftmax", "Mul", "Add", "Softmax", "Identity"));
  EXPECT_EQ(graph.facts().at("calibrated"), "true");
  const auto& mul = graph.operators()[types.size() - 4];
  EXPECT_EQ(graph.constants().at(mul.inputs[1])[2].item<float>(), 2);
}

TEST_F(OfARun, ExportsWhatItsActivationsLearned) {
  OperatorGraph graph;
  Export({"classify.model=[models/Cnn] { channels: [2, 2] hidden: 0 }",
          "classify.activation=[activations/MittagLeffler] { learnable: true }"},
         false, &graph);
  // Two layers of different alphas have different tables; equal ones would be stored once.
  std::set<std::string> tables;
  for (const auto& op : graph.operators()) {
    if (op.type == "Gather") tables.insert(op.inputs[0]);
  }
  EXPECT_EQ(tables.size(), 6);
}

// ---- the file ----

TEST_F(OfARun, IsAFileOfOpset17) {
  OperatorGraph graph;
  Export(kCnn, true, &graph);
  const auto file = OnnxFile(graph, "small");
  ASSERT_TRUE(file.ok()) << file.status();
  lossfusion::onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*file));
  EXPECT_EQ(model.ir_version(), 8);
  EXPECT_EQ(model.producer_name(), "lossfusion");
  ASSERT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(model.opset_import(0).domain(), "");
  EXPECT_EQ(model.opset_import(0).version(), 17);
  EXPECT_EQ(model.graph().name(), "small");
  ASSERT_EQ(model.graph().input_size(), 1);
  const auto& input = model.graph().input(0);
  EXPECT_EQ(input.name(), "images");
  EXPECT_EQ(input.type().tensor_type().elem_type(), lossfusion::onnx::TensorProto::UINT8);
  EXPECT_EQ(input.type().tensor_type().shape().dim(0).dim_param(), "N");
  EXPECT_EQ(input.type().tensor_type().shape().dim(3).dim_value(), 32);
  EXPECT_EQ(model.graph().output(0).name(), "probabilities");
  EXPECT_EQ(model.graph().node_size(), graph.operators().size());
  std::map<std::string, std::string> facts;
  for (const auto& entry : model.metadata_props()) facts[entry.key()] = entry.value();
  EXPECT_EQ(facts, graph.facts());
  for (const auto& constant : model.graph().initializer()) {
    if (constant.name() != "classifier.1.weight") continue;
    const at::Tensor& value = graph.constants().at(constant.name());
    EXPECT_EQ(constant.raw_data(),
              std::string(static_cast<const char*>(value.data_ptr()), value.numel() * 4));
    EXPECT_EQ(constant.data_type(), lossfusion::onnx::TensorProto::FLOAT);
    EXPECT_THAT(constant.dims(), ElementsAre(4, 4));
    return;
  }
  ADD_FAILURE() << "parameters keep their names";
}

TEST(Export, WritesWhatOnnxruntimeComputedFrom) {
  const json golden = testing_support::ReadOracle("tests/testdata/export_golden.json");
  const Workspace workspace;
  const Opened opened = testing_support::GoldenModel(workspace);
  OperatorGraph graph;
  ASSERT_TRUE(opened.Export(/*preprocessing=*/true, &graph).ok());
  const json outline = testing_support::Outline(graph);
  EXPECT_EQ(outline["operators"], golden["operators"]);
  ASSERT_EQ(outline["constants"].size(), golden["constants"].size());
  for (const auto& [name, told] : golden["constants"].items()) {
    ASSERT_TRUE(outline["constants"].contains(name)) << name;
    const json& own = outline["constants"][name];
    EXPECT_EQ(own[0], told[0]) << name;
    for (const int i : {1, 2}) {
      // Tables in float32, of mathematical functions that differ by library.
      EXPECT_NEAR(own[i].get<double>(), told[i].get<double>(),
                  1e-5 * std::max(1.0, std::abs(told[i].get<double>())))
          << name;
    }
  }
  const at::Tensor ours =
      testing_support::ProbabilitiesOf(opened, testing_support::GoldenImages()).flatten();
  ASSERT_EQ(golden["probabilities"].size(), 8);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(ours[i].item<double>(), golden["probabilities"][i].get<double>(), 1e-5) << i;
  }
}

// ---- the verb ----

TEST(ExportVerb, WritesTheModelAndItsCards) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt",
                  absl::StrReplaceAll(SmallConfig(), {{"[datasets/Synthetic] { images_per_class: 6 "
                                                       "test_images_per_class: 3 }",
                                                       "[datasets/BrainTumor] {}"},
                                                      {"epochs: 2", "epochs: 1"}}));
  ASSERT_EQ(RunPipeline({"--config=small", "--out=out", "--set", "train.seed=3"}).code, 0);
  const auto ran = RunPipeline({"export", "out", "--out=deep.onnx", "--preprocessing"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "deep.onnx\ndeep.card.json\ndeep.card.md\n");
  EXPECT_GT(workspace.Read("deep.onnx").size(), 1000);
  const json card = json::parse(workspace.Read("deep.card.json"));
  const json summary = json::parse(workspace.Read("out/summary.json"));
  EXPECT_EQ(card["name"], "small");
  EXPECT_EQ(card["file"], "deep.onnx");
  EXPECT_EQ(card["embedded_sample"], true);
  EXPECT_THAT(card["warning"].get<std::string>(), HasSubstr("TRAINED ON THE EMBEDDED SAMPLE"));
  EXPECT_EQ(card["classes"], summary["classes"]);
  EXPECT_EQ(card["data"]["train_images"], summary["train_images"]);
  EXPECT_EQ(card["data"]["split"], summary["split"]);
  EXPECT_EQ(card["training"]["seed"], 3);
  EXPECT_EQ(card["training"]["device"], "cpu");
  EXPECT_EQ(card["training"]["precision"], "FP32");
  EXPECT_EQ(card["metrics"]["test"], summary["test"]);
  EXPECT_EQ(card["licences"], json({{"data", "unknown"}, {"weights", "unknown"}}));
  EXPECT_EQ(card["input"], "uint8 [N, 3, 32, 32], 0 to 255");
  const std::string text = workspace.Read("deep.card.md");
  EXPECT_TRUE(absl::StartsWith(
      text, "# Model card: small\n\n> **TRAINED ON THE EMBEDDED SAMPLE: drawn images"))
      << text;
  EXPECT_THAT(text, HasSubstr("| majority_baseline | 0.25 |"));
  EXPECT_THAT(text, HasSubstr("## Intended use\n\nResearch:"));
  EXPECT_THAT(text, HasSubstr("Of the data: unknown. Of the weights: unknown."));
}

TEST(ExportVerb, ExportsARunThatWasCutOff) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  MakeRun("configs/small.pbtxt", {}, "out");
  const auto ran = RunPipeline({"export", "out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "out/model.onnx\nout/model.card.json\nout/model.card.md\n");
  const json card = json::parse(workspace.Read("out/model.card.json"));
  EXPECT_TRUE(card["metrics"]["test"].is_null());
  EXPECT_FALSE(card.contains("warning"));
  EXPECT_THAT(workspace.Read("out/model.card.md"),
              HasSubstr("None: the run ended before it was tested"));
}

TEST(ExportVerb, RefusesInOneLine) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  auto ran = RunPipeline({"export"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "export takes one run: its folder, or a config whose last run is meant\n");
  ran = RunPipeline({"export", "nowhere"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("nowhere"));
  MakeRun("configs/small.pbtxt", {}, "out");
  workspace.Write("out/summary.json", "[]");
  ran = RunPipeline({"export", "out"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "out/summary.json: is no JSON object\n");
  EXPECT_FALSE(workspace.Has("out/model.onnx"));
}

}  // namespace
