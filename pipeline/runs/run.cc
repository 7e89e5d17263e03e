// Folders of runs.
#include "pipeline/runs/run.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include <ctime>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/runs/run_facts.h"
#include "pipeline/runs/weights.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "config.pbtxt", kFacts[] = "run.json";
constexpr size_t kMaxConfig = size_t{1} << 20;
constexpr size_t kMaxFacts = size_t{1} << 26;  // bytes of run.json

std::string Timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &local);
  return text;
}

// A folder that nobody else has, below runs/.
absl::StatusOr<std::string> FreshFolder(const std::string& config) {
  const std::string parent = absl::StrCat("runs/", config);
  const absl::Status made = MakeFolders(parent);
  if (!made.ok()) return made;
  const std::string stem = absl::StrCat(parent, "/", Timestamp());
  std::string path = stem;
  for (int again = 2;; ++again) {
    const absl::StatusOr<bool> fresh = MakeFolder(path);
    if (!fresh.ok()) return fresh.status();
    if (*fresh) return path;
    path = absl::StrCat(stem, "-", again);
  }
}

// The folder that the user names; whoever makes its run.json first has it.
absl::StatusOr<std::string> NamedFolder(const std::string& out) {
  const absl::Status made = MakeFolders(out);
  if (!made.ok()) return made;
  std::error_code error;
  bool taken = false;
  for (const char* name : {"summary.json", "metrics.csv"}) {
    taken = taken || fs::exists(absl::StrCat(out, "/", name), error);
  }
  absl::StatusOr<bool> claimed = false;
  if (!taken) claimed = ClaimFile(absl::StrCat(out, "/", kFacts));
  if (!claimed.ok()) return claimed.status();
  if (*claimed) return out;
  return absl::AlreadyExistsError(
      absl::StrCat("--out=", out, ": already holds a run; give another folder"));
}

}  // namespace

absl::Status WriteConfig(const std::string& folder, const std::string& text) {
  const std::string path = absl::StrCat(folder, "/", kConfig);
  const std::string content =
      absl::StrCat("# Resolved: no include, no overrides, the data pinned.\n", text);
  const absl::StatusOr<std::string> there = ReadFile(path, kMaxConfig);
  if (there.ok() && *there == content) return absl::OkStatus();
  return WriteFileAtomically(path, content);
}

absl::Status Run::ReplaceConfig(const LoadedConfig& config) {
  const std::string name = config_.name;
  config_ = config;
  config_.name = name;
  return WriteConfig(path_, PrintText(config.document.config));
}

absl::StatusOr<Run> Run::Create(const std::string& out, const LoadedConfig& config,
                                const Graph& graph) {
  const absl::StatusOr<std::string> folder =
      out.empty() ? FreshFolder(config.name) : NamedFolder(out);
  if (!folder.ok()) return folder.status();
  Run run;
  run.path_ = *folder;
  run.config_ = config;
  run.data_ = graph.source().data();
  run.inputs_ = graph.source_node().specs;
  absl::Status status = WriteConfig(run.path_, PrintText(config.document.config));
  if (status.ok()) {
    status =
        WriteFileAtomically(run.File(kFacts), FactsText({config.name, run.data_, run.inputs_}));
  }
  if (status.ok() && !run.data_.split_text.empty()) {
    status = WriteFileAtomically(run.File("split.csv"), run.data_.split_text);
  }
  if (!status.ok()) return status;
  return run;
}

absl::StatusOr<Run> Run::Open(const std::string& folder, const std::vector<std::string>& sets) {
  Run run;
  run.path_ = folder;
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": no such run folder"));
  }
  for (const char* name : {kConfig, kFacts}) {
    if (!fs::exists(run.File(name), error)) {
      return absl::NotFoundError(absl::StrCat(folder, ": no run folder, for it has no ", name));
    }
  }
  const absl::StatusOr<std::string> text = ReadFile(run.File(kFacts), kMaxFacts);
  if (!text.ok()) return text.status();
  absl::StatusOr<RunFacts> facts = ParseFacts(*text);
  if (!facts.ok()) {
    return absl::DataLossError(absl::StrCat(run.File(kFacts), ": ", facts.status().message()));
  }
  Diagnostics errors;
  absl::StatusOr<LoadedConfig> config = LoadConfig(run.File(kConfig), sets, &errors);
  if (!config.ok()) return config.status();
  if (!errors.empty()) return errors.ToStatus();
  run.config_ = *std::move(config);
  run.config_.name = facts->config;
  run.data_ = std::move(facts->data);
  run.inputs_ = std::move(facts->inputs);
  return run;
}

absl::StatusOr<std::unique_ptr<Graph>> Run::MakeGraph(BuildContext* context) const {
  Diagnostics errors;
  std::unique_ptr<Graph> graph =
      Graph::Create(config_.document, &errors, std::make_unique<GivenImages>(data_, inputs_));
  if (!errors.empty()) return errors.ToStatus();
  context->writes = false;
  context->pretrained = false;
  absl::Status status = graph->Build(context);
  if (status.ok()) status = ReadWeights(WeightsFile(), graph.get());
  if (!status.ok()) return status;
  graph->SetTraining(false);
  return graph;
}

void GivenImages::Give(const at::Tensor& images, const at::Tensor& labels) {
  images_ = images;
  labels_ = labels;
  if (labels.defined()) return;
  std::vector<int64_t> shape = outputs_.at("labels").shape;
  shape[0] = images.size(0);
  labels_ = at::full(shape, kIgnoredLabel, at::TensorOptions(at::kLong));
}

absl::StatusOr<Specs> GivenImages::Build(const Specs&, BuildContext* context) {
  device_ = context->device;
  Specs out = outputs_;
  const int geometry = context->NewGeometry();
  for (auto& [port, spec] : out) spec.geometry = geometry;
  return out;
}

absl::Status GivenImages::Run(const Step&, const Tensors&, Tensors* out) {
  if (!images_.defined()) return absl::FailedPreconditionError("no images were given");
  (*out)["images"] = images_.to(at::Device(device_));
  (*out)["labels"] = labels_.to(at::Device(device_));
  return absl::OkStatus();
}

}  // namespace pipeline
