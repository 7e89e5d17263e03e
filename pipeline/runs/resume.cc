// Reopening of run folders.
#include "pipeline/runs/resume.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/config/difference.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/runs/checkpoints.h"
#include "pipeline/runs/safetensors.h"
#include "pipeline/runs/weights.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "run.config", kData[] = "run.data", kDevice[] = "run.device";
constexpr size_t kNamedFiles = 4;
// Of `train`: what says which run it is, rather than how it goes on.
const char* const kTrainFields[] = {"train.seed", "train.minimize", "train.monitor",
                                    "train.optimizer", "train.ema_decay"};

// What the data are, as text of lines; equal for equal data. A split that is read from its file
// lists them in another order than one that is drawn.
std::string DataText(const DataInfo& data) {
  if (!data.split_text.empty()) {
    std::vector<std::string> lines = absl::StrSplit(data.split_text, '\n');
    std::sort(lines.begin(), lines.end());
    return absl::StrJoin(lines, "\n");
  }
  std::vector<std::string> lines = {data.dataset, TaskName(data.task)};
  for (const int64_t images : data.images) lines.push_back(absl::StrCat(images));
  lines.insert(lines.end(), data.classes.begin(), data.classes.end());
  return absl::StrJoin(lines, "\n");
}

std::string DeviceText(const BuildContext& context) {
  return absl::StrCat(Train::Precision_Name(context.precision), " on ", context.device);
}

// The second cell of lines of split files that are in `one` and not in `other`.
std::vector<std::string> LinesBut(const std::string& one, const std::string& other) {
  const std::vector<std::string> lines = absl::StrSplit(one, '\n'),
                                 others = absl::StrSplit(other, '\n');
  const std::set<std::string> known(others.begin(), others.end());
  std::vector<std::string> only;
  for (const std::string& line : lines) {
    if (known.count(line) > 0) continue;
    const size_t begin = line.find(','), end = line.rfind(',');
    only.push_back(begin < end ? line.substr(begin + 1, end - begin - 1) : line);
  }
  return only;
}

std::string Some(const std::vector<std::string>& names) {
  const size_t count = std::min(names.size(), kNamedFiles);
  std::vector<std::string> shown;
  for (size_t i = 0; i < count; ++i) shown.push_back(Printable(names[i]));
  if (count < names.size()) shown.push_back(absl::StrCat("and ", names.size() - count, " more"));
  return absl::StrJoin(shown, ", ");
}

bool IsAllowed(const std::string& path, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& field) { return LiesIn(path, field); });
}

// Whether a change would make the whole the result of neither config.
bool Matters(const Change& change) {
  if (change.path == "train.epochs") return false;
  if (!LiesIn(change.path, "train")) return !change.neutral;
  return std::find(std::begin(kTrainFields), std::end(kTrainFields), change.path) !=
         std::end(kTrainFields);
}

// A run without a checkpoint begins anew: nothing of its first attempt may be counted twice.
absl::Status RemoveTraces(const Run& run) {
  for (const char* name : {"metrics.csv", "tensorboard", "weights.safetensors", "checkpoints"}) {
    std::error_code error;
    fs::remove_all(run.File(name), error);
    if (error) {
      return absl::UnknownError(
          absl::StrCat("cannot remove ", run.File(name), ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

// What a process that was killed was about to write.
void RemoveLeftOvers(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (AtomicFile::IsLeftOver(entry.path().filename().string())) left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove(path, error);
}

bool HasBestWeights(const Run& run, const std::string& checksum) {
  Metadata metadata;
  const auto tensors = ReadSafetensors(run.WeightsFile(), nullptr, &metadata);
  return tensors.ok() && ChecksumOf(metadata) == checksum;
}

// The weights that were evaluated at the end of an epoch.
absl::StatusOr<NamedTensors> EvaluatedWeights(const State& state, const Graph& graph) {
  NamedTensors weights;
  int parameters = 0;
  for (const auto& [key, tensor] : graph.State()) {
    std::string name = "graph/" + key;
    if (tensor.requires_grad() && state.Has("average.used")) {
      name = absl::StrCat("average.", parameters++);
    }
    const auto found = state.tensors().find(name);
    if (found == state.tensors().end()) return absl::DataLossError("no " + name);
    weights.emplace_back(key, found->second);
  }
  return weights;
}

}  // namespace

absl::StatusOr<std::string> LatestRun(const std::string& config) {
  const std::string parent = "runs/" + config;
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, std::string>> runs;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    std::error_code unreadable;
    const auto begun = fs::last_write_time(entry.path() / "run.json", unreadable);
    if (!unreadable) runs.emplace_back(begun, entry.path().string());
  }
  if (!runs.empty()) return std::max_element(runs.begin(), runs.end())->second;
  return absl::NotFoundError(absl::StrCat("no run is in ", parent));
}

State FactsOf(const LoadedConfig& config, const BuildContext& context) {
  State facts;
  facts.PutText(kConfig, PrintText(config.document.config));
  facts.PutText(kData, DataText(*context.data));
  facts.PutText(kDevice, DeviceText(context));
  return facts;
}

absl::StatusOr<Resumed> Reopen(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": no such run folder"));
  }
  absl::StatusOr<RunLock> lock = RunLock::Take(folder);
  if (!lock.ok()) return lock.status();
  RemoveLeftOvers(folder);
  std::vector<std::string> notes;
  absl::StatusOr<State> state = CheckpointFolder(folder + "/checkpoints").ReadLatest(&notes);
  if (!state.ok() && !absl::IsNotFound(state.status())) {
    notes.push_back(std::string(state.status().message()));
    return absl::DataLossError(absl::StrJoin(notes, "\n"));
  }
  if (state.ok()) {
    const absl::StatusOr<std::string> text = state->Text(kConfig);
    if (!text.ok()) return text.status();
    const absl::Status written = WriteConfig(folder, *text);
    if (!written.ok()) return written;
  }
  absl::StatusOr<Run> run = Run::Open(folder);
  if (!run.ok()) return run.status();
  Resumed resumed = {*std::move(run), *std::move(lock), std::nullopt, std::move(notes)};
  if (state.ok()) {
    resumed.state = *std::move(state);
    return resumed;
  }
  const absl::Status removed = RemoveTraces(resumed.run);
  if (!removed.ok()) return removed;
  return resumed;
}

absl::Status CheckConfig(const LoadedConfig& before, const LoadedConfig& now,
                         const std::vector<std::string>& allowed, std::vector<std::string>* notes) {
  std::vector<std::string> refused, fields;
  for (const Change& change : Differences(before.document.config, now.document.config)) {
    if (Matters(change) && !IsAllowed(change.path, allowed)) {
      refused.push_back("  " + change.Text());
      fields.push_back(change.path);
    } else {
      notes->push_back("changed: " + change.Text());
    }
  }
  if (refused.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this is not the run that was begun:\n", absl::StrJoin(refused, "\n"),
                   "\nits result would be of neither config; --allow=", absl::StrJoin(fields, ","),
                   " goes on all the same"));
}

absl::Status CheckFacts(const Resumed& resumed, const BuildContext& context,
                        const std::vector<std::string>& allowed, std::vector<std::string>* notes) {
  if (!resumed.state.has_value()) return absl::OkStatus();
  const absl::StatusOr<std::string> data = resumed.state->Text(kData),
                                    device = resumed.state->Text(kDevice);
  if (!data.ok()) return data.status();
  if (!device.ok()) return device.status();
  if (*device != DeviceText(context)) {
    notes->push_back(absl::StrCat("changed: it was trained in ", *device, ", and goes on in ",
                                  DeviceText(context), ": not to the same bits"));
  }
  const std::string now = DataText(*context.data);
  if (*data == now) return absl::OkStatus();
  const std::vector<std::string> gone = LinesBut(*data, now), come = LinesBut(now, *data);
  std::string what = "the data are not those that the run was begun with";
  if (!gone.empty()) absl::StrAppend(&what, "; gone or changed: ", Some(gone));
  if (!come.empty()) absl::StrAppend(&what, "; new or changed: ", Some(come));
  if (IsAllowed("data", allowed)) {
    notes->push_back("changed: " + what);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(what + "; --allow=data goes on all the same");
}

absl::Status RestoreBestWeights(const Run& run, const State& state, const Graph& graph) {
  const absl::StatusOr<std::string> checksum = state.Text("weights.best"),
                                    best = state.Text("checkpoints.best");
  if (!checksum.ok()) return checksum.status();
  if (!best.ok()) return best.status();
  if (checksum->empty() || HasBestWeights(run, *checksum)) return absl::OkStatus();
  const auto failed = [&](const std::string& why) {
    return absl::DataLossError(
        absl::StrCat(run.WeightsFile(), " does not hold the weights of the best epoch, and ", why));
  };
  if (best->empty()) return failed("no checkpoint does");
  const absl::StatusOr<State> kept = CheckpointFolder(run.File("checkpoints")).Read(*best);
  if (!kept.ok()) return failed(std::string(kept.status().message()));
  const absl::StatusOr<NamedTensors> weights = EvaluatedWeights(*kept, graph);
  if (!weights.ok()) return failed(std::string(weights.status().message()));
  const auto written = WriteSafetensors(run.WeightsFile(), *weights, WeightsMetadata());
  if (!written.ok()) return written.status();
  return *written == *checksum ? absl::OkStatus() : failed("nor does its checkpoint");
}

}  // namespace pipeline
