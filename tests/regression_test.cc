// Every config of the project, narrow and on a tiny synthetic set: it opens with a line that says
// what it is, passes `check`, trains two epochs, repeats itself to the last digit, and gives the
// numbers that were committed.
//
//   ./bazelw run //tests:regression_test -- --update
//
// writes tests/testdata/regression.json anew and prints what has changed.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/limits.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using testing_support::ParseCsv;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::Workspace;

constexpr char kGolden[] = "tests/testdata/regression.json";

std::vector<std::string> Configs() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("configs")) {
    if (entry.path().extension() == ".pbtxt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What the drawn images of a dataset's domain are called.
std::string DomainOf(const std::string& dataset) {
  if (dataset == "Deepglobe") return "LAND";
  if (dataset == "Crack") return "CRACK";
  return dataset == "BrainTumor" || dataset == "Nifti" ? "BRAIN" : "LEAF";
}

// The --set arguments that make a config small: fewer and smaller images, a narrower model, fewer
// steps. Task, classes, head, activation and losses stay the config's own.
//
// Learning slowly: the first steps of Adam go by the gradients' signs, which rounding decides where
// they are near 0, and at 1e-3 another LibTorch then trained otherwise by more than the tolerance.
std::vector<std::string> Narrowed(const pipeline::Document& document) {
  std::vector<std::string> sets = {
      "train.epochs=2",     "train.threads=1",   "train.precision=FP32",    "train.device=CPU",
      "load.image_size=32", "load.batch_size=8", "train.learning_rate=1e-4"};
  pipeline::VisitPlugins(
      document, [&](const google::protobuf::Any& plugin, const google::protobuf::Message& options,
                    const std::string& path) {
        const pipeline::PluginName name = pipeline::NameOf(plugin);
        if (name.folder == "models") {
          const std::string narrow = name.name == "Vgg16"  ? ".width=0.07"
                                     : name.name == "Unet" ? ".width=4"
                                                           : ".channels=[4, 8]";
          sets.push_back(absl::StrCat(path, narrow));
        }
        if (name.folder == "datasets") {
          std::string task = "MULTICLASS";
          if (const auto* field = options.GetDescriptor()->FindFieldByName("task")) {
            task = options.GetReflection()->GetEnum(options, field)->name();
          }
          sets.push_back(absl::StrCat(path, "=[datasets/Synthetic] { domain: ", DomainOf(name.name),
                                      " task: ", task,
                                      " images_per_class: 6 test_images_per_class: 2 }"));
        }
      });
  return sets;
}

// Runs `verb` on a config of the tree's configs/, copied to a workspace of its own.
class Project {
 public:
  Project() : configs_(fs::absolute("configs")) {
    workspace_ = std::make_unique<Workspace>();
    fs::copy(configs_, "configs", fs::copy_options::recursive);
  }

  Ran Run(const std::string& config, const std::string& verb, const std::string& out) const {
    std::vector<std::string> arguments = {verb, "--config=" + config};
    if (!out.empty()) arguments.push_back("--out=" + out);
    const auto loaded = testing_support::Load(absl::StrCat("configs/", config, ".pbtxt"));
    EXPECT_EQ(loaded.errors, "");
    for (const std::string& set : Narrowed(loaded.config.document)) {
      arguments.insert(arguments.end(), {"--set", set});
    }
    return RunPipeline(arguments);
  }

  // What must not change: counts, and every loss.
  ordered_json Result(const std::string& out) const {
    const auto summary = ordered_json::parse(workspace_->Read(out + "/summary.json"));
    ordered_json result;
    for (const char* count : {"task", "model", "activation", "losses", "classes", "train_images",
                              "val_images", "test_images", "epochs", "steps"}) {
      result[count] = summary[count];
    }
    for (const auto& row : Rows(out)) {
      for (const auto& [column, value] : row) {
        if (column.rfind("loss.", 0) != 0 || value.empty()) continue;
        result[absl::StrCat(row.at("phase"), " ", row.at("epoch"), " ", column)] = std::stod(value);
      }
    }
    return result;
  }

  // metrics.csv without the columns that measure time.
  std::vector<std::map<std::string, std::string>> Rows(const std::string& out) const {
    auto rows = ParseCsv(workspace_->Read(out + "/metrics.csv"));
    for (auto& row : rows) {
      for (const char* time : {"seconds", "images_per_second", "data_wait"}) row.erase(time);
    }
    return rows;
  }

 private:
  const fs::path configs_;
  std::unique_ptr<Workspace> workspace_;
};

// The differences that a user would want to know of, one a line.
std::string Differences(const ordered_json& expected, const ordered_json& got) {
  // Of a loss: what the order of float32 sums does to it in a few steps of training.
  constexpr double kTolerance = 1e-3;
  std::string text;
  for (const auto& [key, value] : got.items()) {
    if (!expected.contains(key)) {
      absl::StrAppend(&text, "  ", key, ": new, ", value.dump(), "\n");
      continue;
    }
    const ordered_json& before = expected[key];
    const bool close = value.is_number_float() && before.is_number_float() &&
                       std::abs(value.get<double>() - before.get<double>()) <=
                           kTolerance * std::max(1e-2, std::abs(before.get<double>()));
    if (!close && value != before) {
      absl::StrAppend(&text, "  ", key, ": ", before.dump(), " -> ", value.dump(), "\n");
    }
  }
  for (const auto& [key, value] : expected.items()) {
    if (!got.contains(key)) absl::StrAppend(&text, "  ", key, ": gone\n");
  }
  return text;
}

const ordered_json& Golden() {
  static const auto* golden = [] {
    std::ifstream stream(kGolden);
    return new ordered_json(stream ? ordered_json::parse(stream) : ordered_json::object());
  }();
  return *golden;
}

class EveryConfig : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { Golden(); }  // before the test leaves the folder of its data
};

TEST_P(EveryConfig, SaysWhatItIs) {
  std::ifstream stream(absl::StrCat("configs/", GetParam(), ".pbtxt"));
  std::string line;
  std::getline(stream, line);
  EXPECT_EQ(line.substr(0, 2), "# ") << line;
  EXPECT_LE(line.size(), 100);
}

TEST_P(EveryConfig, PassesCheck) {
  const Project project;
  const Ran ran = project.Run(GetParam(), "check", "");
  EXPECT_EQ(ran.code, 0) << ran.err << ran.out;
}

TEST_P(EveryConfig, RepeatsItselfAndMatchesTheCommittedNumbers) {
  const Project project;
  for (const char* out : {"first", "second"}) {
    const Ran ran = project.Run(GetParam(), "train", out);
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  EXPECT_EQ(project.Rows("first"), project.Rows("second"));
  ASSERT_TRUE(Golden().contains(GetParam()))
      << "no committed numbers: ./bazelw run //tests:regression_test -- --update";
  if (testing_support::kSanitized) return;
  EXPECT_EQ(Differences(Golden()[GetParam()], project.Result("first")), "");
}

INSTANTIATE_TEST_SUITE_P(Configs, EveryConfig, testing::ValuesIn(Configs()),
                         [](const auto& info) { return info.param; });

TEST(Golden, HoldsNoConfigThatIsGone) {
  const std::vector<std::string> configs = Configs();
  for (const auto& [name, result] : Golden().items()) {
    EXPECT_NE(std::find(configs.begin(), configs.end(), name), configs.end()) << name;
  }
}

int Update() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  if (workspace == nullptr) {
    std::cerr << "--update runs under `bazel run`\n";
    return 2;
  }
  const std::string path = absl::StrCat(workspace, "/", kGolden);
  // `bazel run` tells programs where its user stands; ours is to stay in its test's folder.
  unsetenv("BUILD_WORKING_DIRECTORY");
  const ordered_json& before = Golden();
  ordered_json after;
  for (const std::string& config : Configs()) {
    const Project project;
    const Ran ran = project.Run(config, "train", "out");
    if (ran.code != 0) {
      std::cerr << config << ": " << ran.err;
      return 1;
    }
    after[config] = project.Result("out");
    const std::string differences =
        before.contains(config) ? Differences(before[config], after[config]) : "  new\n";
    // What is within the tolerance stays as it was, so that the file shows real changes alone.
    if (differences.empty()) after[config] = before[config];
    // Flushed, or each later run's process would print its copy of the buffer again.
    if (!differences.empty()) std::cout << config << "\n" << differences << std::flush;
  }
  std::ofstream stream(path);
  stream << "{\n";
  for (auto item = after.begin(); item != after.end(); ++item) {
    stream << (item == after.begin() ? "" : ",\n") << ordered_json(item.key()).dump() << ": "
           << item.value().dump();
  }
  stream << "\n}\n";
  return stream.good() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--update") return Update();
  }
  return RUN_ALL_TESTS();
}
