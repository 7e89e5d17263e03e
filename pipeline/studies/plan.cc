// Studies read, checked and expanded.
#include "pipeline/studies/plan.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/text.h"
#include "pipeline/content_hash.h"
#include "pipeline/files.h"
#include "pipeline/registry.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxCombinations = 100000;
constexpr int kMaxChosen = 20;  // more cannot be read in a diagram
constexpr int64_t kDefaultSeeds = 3;
constexpr int kMaxIncludeDepth = 8;

// Takes a mistake and its place in the study.
using Complaints = std::function<void(const Path&, const std::string&)>;

std::vector<Combination> Combine(const std::vector<std::vector<AxisValue>>& axes) {
  std::vector<Combination> combinations = {{}};
  for (const std::vector<AxisValue>& axis : axes) {
    std::vector<Combination> longer;
    for (const Combination& combination : combinations) {
      for (const AxisValue& value : axis) {
        longer.push_back(combination);
        longer.back().values.push_back(value);
      }
    }
    combinations = std::move(longer);
  }
  for (Combination& combination : combinations) {
    combination.name = absl::StrJoin(
        combination.values, ", ",
        [](std::string* out, const AxisValue& value) { absl::StrAppend(out, value.name); });
  }
  return combinations;
}

// Beside the study, then where configs are found.
absl::StatusOr<std::string> FindConfigOf(const std::string& study, const std::string& name) {
  std::error_code error;
  const std::string beside = (fs::path(study).parent_path() / name).string();
  if (fs::is_regular_file(beside, error)) return beside;
  return FindConfig(name);
}

void FindConfigs(const Complaints& complain, Plan* plan) {
  const Study& study = plan->file.study;
  if (study.config_size() == 0) complain(Path(), "a study needs a config: config: \"\"");
  for (int i = 0; i < study.config_size(); ++i) {
    const Path at = (Path() / "config")[i];
    const absl::StatusOr<std::string> path = FindConfigOf(plan->file.path, study.config(i));
    if (!path.ok()) {
      complain(at, std::string(path.status().message()));
      continue;
    }
    const std::string name = fs::path(*path).stem().string();
    if (std::find(plan->configs.begin(), plan->configs.end(), name) != plan->configs.end()) {
      complain(at, absl::StrCat("two configs are called ", name));
    }
    plan->configs.push_back(name);
    plan->paths.push_back(*path);
  }
}

void CheckNames(const Complaints& complain, const Plan& plan) {
  const Study& study = plan.file.study;
  std::vector<std::string> names;
  for (const Combination& combination : plan.combinations) names.push_back(combination.name);
  const auto check = [&](const std::string& name, const Path& at) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    complain(at,
             absl::StrCat("no combination \"", name, "\" in this study", DidYouMean(name, names)));
  };
  if (!study.baseline().empty()) check(study.baseline(), Path() / "baseline");
  for (int i = 0; i < study.chosen_size(); ++i) check(study.chosen(i), (Path() / "chosen")[i]);
  if (study.chosen_size() > kMaxChosen) {
    complain(Path() / "chosen", absl::StrCat("at most ", kMaxChosen, " combinations can be shown"));
  }
}

void CheckSchedule(const Complaints& complain, const Study& study) {
  const std::set<int64_t> seeds(study.seed().begin(), study.seed().end());
  if (static_cast<int>(seeds.size()) < study.seed_size()) {
    complain(Path() / "seed", "a seed is named twice");
  }
  if (study.folds() == 1) complain(Path() / "folds", "one fold leaves nothing to train on");
  const auto& rungs = study.budget().halving().epochs();
  if (study.budget().has_halving() && rungs.empty()) {
    complain(Path() / "budget" / "halving", "halving needs epochs: [1, 3]");
  }
  if (!std::is_sorted(rungs.begin(), rungs.end(), std::less_equal<>())) {
    complain(Path() / "budget" / "halving" / "epochs", "each rung is longer than the last");
  }
}

void ChooseSeeds(Plan* plan) {
  const Study& study = plan->file.study;
  plan->seeds.assign(study.seed().begin(), study.seed().end());
  for (int64_t seed = 0; study.seed_size() == 0 && seed < kDefaultSeeds; ++seed) {
    plan->seeds.push_back(seed);
  }
  const int64_t last = *std::max_element(plan->seeds.begin(), plan->seeds.end());
  for (int i = 1; study.has_confirm() && i <= study.confirm().seeds(); ++i) {
    plan->confirm_seeds.push_back(last + i);
  }
}

std::vector<std::string> FieldsOf(const Config& config, const std::string& field) {
  std::vector<std::string> nodes;
  for (const Node& node : config.node()) {
    const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(node.plugin());
    if (options == nullptr) continue;
    if (options->GetDescriptor()->FindFieldByName(field) != nullptr) nodes.push_back(node.name());
  }
  return nodes;
}

// A study and what it includes; `where` has the places of its own fields.
absl::Status ReadStudy(const std::string& path, int depth, Study* study, Locations* where) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes);
  if (!text.ok()) return text.status();
  Diagnostics errors;
  Study own;
  const bool whole = ParseMessageText(*text, Shown(path), &own, where, &errors);
  if (whole && errors.empty()) ValidateFields(own, *where, &errors);
  for (int i = 0; errors.empty() && i < own.include_size(); ++i) {
    const Location place = where->Of((Path() / "include")[i]);
    const std::string beside = (fs::path(path).parent_path() / own.include(i)).string();
    std::error_code error;
    const absl::StatusOr<std::string> found =
        fs::is_regular_file(beside, error) ? beside : FindStudy(own.include(i));
    if (!found.ok()) {
      errors.Add(place, std::string(found.status().message()));
    } else if (depth == kMaxIncludeDepth) {
      errors.Add(place, absl::StrCat("includes nest deeper than ", kMaxIncludeDepth));
    } else {
      Locations elsewhere;
      errors.Add(ReadStudy(*found, depth + 1, study, &elsewhere));
    }
  }
  if (!errors.empty()) return errors.ToStatus();
  study->MergeFrom(own);
  study->clear_include();
  return absl::OkStatus();
}

// Makes the config of every combination; the mistakes, each once.
absl::Status MakeFingerprints(Plan* plan) {
  constexpr size_t kMistakes = 10;
  std::vector<std::string> lines;
  plan->fingerprints.resize(plan->configs.size());
  for (int config = 0; config < static_cast<int>(plan->configs.size()); ++config) {
    for (int i = 0; i < static_cast<int>(plan->combinations.size()); ++i) {
      const std::vector<std::string> sets = plan->combinations[i].Sets(*plan);
      const absl::StatusOr<LoadedConfig> loaded =
          ConfigOf(*plan, {config, i, plan->seeds[0], -1, StudyStage::kScreen, sets});
      plan->fingerprints[config].push_back(loaded.ok() ? HashOf(PrintText(loaded->document.config))
                                                       : "");
      if (loaded.ok()) continue;
      const std::string line(loaded.status().message());
      if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
      if (lines.size() >= kMistakes) break;
    }
  }
  return lines.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

}  // namespace

const std::vector<std::string>& Combination::losses() const {
  static const auto* none = new std::vector<std::string>();
  for (const AxisValue& value : values) {
    if (!value.losses.empty()) return value.losses;
  }
  return *none;
}

std::vector<std::string> Combination::Sets(const Plan& plan) const {
  const auto& common = plan.file.study.set();
  std::vector<std::string> sets(common.begin(), common.end());
  for (const AxisValue& value : values) {
    sets.insert(sets.end(), value.sets.begin(), value.sets.end());
  }
  return sets;
}

const char* StageName(StudyStage stage) {
  return stage == StudyStage::kScreen ? "screen" : "confirm";
}

int Plan::ConfigNamed(const std::string& name) const {
  const auto found = std::find(configs.begin(), configs.end(), name);
  return found == configs.end() ? -1 : static_cast<int>(found - configs.begin());
}

int Plan::CombinationNamed(const std::string& name) const {
  const auto found =
      std::find_if(combinations.begin(), combinations.end(),
                   [&](const Combination& combination) { return combination.name == name; });
  return found == combinations.end() ? -1 : static_cast<int>(found - combinations.begin());
}

std::vector<StudyRun> Plan::Runs(int config, const std::vector<int>& chosen,
                                 StudyStage stage) const {
  std::vector<StudyRun> runs;
  // Those that share a seed and a fold share their data.
  for (const int64_t seed : stage == StudyStage::kScreen ? seeds : confirm_seeds) {
    for (int fold = folds > 0 ? 0 : -1; fold < std::max(folds, 0); ++fold) {
      for (const int i : chosen) {
        runs.push_back({config, i, seed, fold, stage, combinations[i].Sets(*this)});
      }
    }
  }
  return runs;
}

std::vector<int> Plan::All() const {
  std::vector<int> all(combinations.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<StudyRun> Plan::Screening() const {
  std::vector<StudyRun> runs;
  for (int config = 0; config < static_cast<int>(configs.size()); ++config) {
    const std::vector<StudyRun> more = Runs(config, All(), StudyStage::kScreen);
    runs.insert(runs.end(), more.begin(), more.end());
  }
  return runs;
}

std::vector<StudyRun> Plan::Confirming(int config, const std::vector<int>& chosen) const {
  return Runs(config, chosen, StudyStage::kConfirm);
}

absl::StatusOr<std::string> FindStudy(const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no study given; --config=NAME takes a path or one of: ",
                     absl::StrJoin(StudyNames(), ", ")));
  }
  std::error_code error;
  for (const std::string& stem : {name, absl::StrCat(WorkspaceFolder(), "/studies/", name)}) {
    for (const std::string& path : {stem, stem + ".pbtxt"}) {
      if (fs::is_regular_file(path, error)) return path;
    }
  }
  const std::vector<std::string> known = StudyNames();
  return absl::NotFoundError(
      absl::StrCat(Printable(name), ": no such study, here or in the workspace's studies/",
                   DidYouMean(absl::EndsWith(name, ".pbtxt") ? name : name + ".pbtxt", known),
                   known.empty() ? "" : absl::StrCat("\nstudies: ", absl::StrJoin(known, ", "))));
}

bool IsStudy(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes);
  if (!text.ok()) return false;
  Study study;
  Diagnostics errors;
  Locations where;
  return ParseMessageText(*text, path, &study, &where, &errors) && errors.empty();
}

std::vector<std::string> StudyNames() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(WorkspaceFolder() + "/studies", error)) {
    if (entry.path().extension() == ".pbtxt") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<Plan> LoadPlan(const std::string& path, const std::vector<std::string>& sets) {
  Plan plan;
  plan.file.path = path;
  plan.file.name = fs::path(path).stem().string();
  Diagnostics errors;
  Locations where;
  Study& study = plan.file.study;
  const absl::Status read = ReadStudy(path, /*depth=*/0, &study, &where);
  if (!read.ok()) return read;
  for (const std::string& set : sets) study.add_set(set);

  const Complaints complain = [&](const Path& path, const std::string& what) {
    errors.Add(where.Of(path), what);
  };
  FindConfigs(complain, &plan);
  if (study.axis_size() == 0) complain(Path(), "a study needs an axis { ... }");
  std::vector<std::vector<AxisValue>> axes;
  size_t count = 1;
  for (int i = 0; i < study.axis_size(); ++i) {
    axes.push_back(ValuesOfAxis(study.axis(i), (Path() / "axis")[i], where, &errors));
    count = std::min(kMaxCombinations + 1, count * axes.back().size());
  }
  if (count > kMaxCombinations) {
    complain(Path() / "axis", absl::StrCat("more than ", kMaxCombinations,
                                           " combinations are more than can be shown"));
  }
  CheckSchedule(complain, study);
  if (!errors.empty()) return errors.ToStatus();
  plan.combinations = Combine(axes);
  plan.folds = study.folds();
  ChooseSeeds(&plan);
  CheckNames(complain, plan);
  if (!errors.empty()) return errors.ToStatus();
  const absl::Status status = MakeFingerprints(&plan);
  if (!status.ok()) return status;
  return plan;
}

absl::StatusOr<LoadedConfig> ConfigOf(const Plan& plan, const StudyRun& run) {
  Diagnostics errors;
  std::vector<std::string> sets = run.sets;
  sets.push_back(absl::StrCat("train.seed=", run.seed));
  absl::StatusOr<LoadedConfig> loaded = LoadConfig(plan.paths[run.config], sets, &errors);
  if (!loaded.ok()) return loaded.status();
  Document& document = loaded->document;
  std::vector<std::string> more;
  more.push_back("train.monitor=" + plan.file.study.select());
  if (document.config.train().threads() == 0) more.emplace_back("train.threads=1");
  // All seeds are tested on the same images, so that seeds and images can be told apart.
  for (const std::string& node : FieldsOf(document.config, "split_seed")) {
    more.push_back(absl::StrCat(node, ".split_seed=", plan.seeds[0]));
    if (run.fold < 0) continue;
    more.push_back(absl::StrCat(node, ".folds=", plan.folds));
    more.push_back(absl::StrCat(node, ".fold=", run.fold));
  }
  for (const std::string& set : more) ApplySet(set, &document, &errors);
  Validate(document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  return loaded;
}

}  // namespace pipeline
