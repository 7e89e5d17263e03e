// Studies read, checked and expanded.
#include "pipeline/studies/plan.h"

#include <google/protobuf/descriptor.h>
#include <xxhash.h>

#include <algorithm>
#include <boost/random/sobol.hpp>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/registry.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;
using google::protobuf::Any;

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxCombinations = 100000;
constexpr int kMaxChosen = 20;  // more cannot be read in a diagram
constexpr int64_t kDefaultSeeds = 3;
constexpr int kMaxIncludeDepth = 8;

// "focal", or "focal(gamma: 5)" where options are given.
std::string Label(const Any& plugin) {
  const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(plugin);
  const std::string name = NameOfParts(plugin);
  if (options == nullptr || name != NameOf(plugin).file) return name;
  std::string text = PrintText(*options);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text = absl::StrReplaceAll(text, {{"\n", ", "}});
  return text.empty() ? name : absl::StrCat(name, "(", text, ")");
}

// "[losses/Focal] { gamma: 5 }", as --set takes it.
std::string PluginText(const Any& plugin) {
  const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(plugin);
  const std::string text = options == nullptr ? "" : PrintText(*options);
  return absl::StrCat("[", plugin.type_url(), "] { ", absl::StrReplaceAll(text, {{"\n", " "}}),
                      "}");
}

// Reads one axis after another; mistakes go to the diagnostics.
class Expander {
 public:
  Expander(const Locations& where, Diagnostics* errors) : where_(where), errors_(*errors) {}

  std::vector<AxisValue> Values(const Axis& axis, int i) {
    at_ = (Path() / "axis")[i];
    std::vector<AxisValue> values = Of(axis);
    std::set<std::string> names;
    for (AxisValue& value : values) {
      if (!axis.name().empty()) value.axis = axis.name();
      if (!names.insert(value.name).second) {
        Complain(at_, absl::StrCat("\"", value.name, "\" is twice in this axis"));
      }
    }
    return values;
  }

  void Complain(const Path& path, const std::string& what) { errors_.Add(where_.Of(path), what); }

 private:
  std::vector<AxisValue> Of(const Axis& axis) {
    switch (axis.kind_case()) {
      case Axis::kFusions:
        return OfFusions(axis.fusions());
      case Axis::kActivations:
        return OfActivations(axis.activations());
      case Axis::kValues:
        return OfValues(axis.values());
      case Axis::kVariants:
        return OfVariants(axis.variants());
      case Axis::kSamples:
        return OfSamples(axis.samples());
      default:
        Complain(at_, "an axis needs fusions, activations, values, variants or samples");
        return {};
    }
  }

  std::vector<AxisValue> OfFusions(const Fusions& fusions) {
    const Path at = at_ / "fusions";
    const int count = fusions.loss_size(), most = std::min(fusions.max_terms(), count);
    if (count == 0) Complain(at, "fusions need a loss: loss { [losses/Focal] {} }");
    if (count > 16) Complain(at, "fusions of more than 16 losses are too many to be trained");
    if (fusions.min_terms() > most) {
      Complain(at, absl::StrCat("min_terms is ", fusions.min_terms(), ", and there are sets of ",
                                most, " losses at most"));
    }
    std::vector<AxisValue> values;
    if (count > 16) return values;
    for (int size = fusions.min_terms(); size <= most; ++size) AddSets(fusions, size, &values);
    return Only(fusions, at, std::move(values));
  }

  // Sets of `size` losses, in lexicographic order.
  static void AddSets(const Fusions& fusions, int size, std::vector<AxisValue>* values) {
    const int count = fusions.loss_size();
    std::vector<int> members(size);
    for (int i = 0; i < size; ++i) members[i] = i;
    for (;;) {
      values->push_back(Fusion(fusions, members));
      int last = size - 1;
      while (last >= 0 && members[last] == count - size + last) --last;
      if (last < 0) return;
      ++members[last];
      for (int i = last + 1; i < size; ++i) members[i] = members[i - 1] + 1;
    }
  }

  static AxisValue Fusion(const Fusions& fusions, const std::vector<int>& members) {
    AxisValue value = {"fusion", "", {}, {}};
    std::vector<std::string> terms, weights;
    for (const int member : members) {
      value.losses.push_back(Label(fusions.loss(member)));
      terms.push_back(absl::StrCat("{ ", PluginText(fusions.loss(member)), " }"));
      weights.push_back(absl::StrCat(1.0 / static_cast<double>(members.size())));
    }
    value.name = absl::StrJoin(value.losses, "+");
    const std::string list = fusions.averaged() ? absl::StrJoin(weights, ", ") : "";
    value.sets = {absl::StrCat(fusions.node(), ".term=[", absl::StrJoin(terms, ", "), "]"),
                  absl::StrCat(fusions.node(), ".loss_weights=[", list, "]")};
    return value;
  }

  std::vector<AxisValue> Only(const Fusions& fusions, const Path& at,
                              std::vector<AxisValue> values) {
    if (fusions.only_size() == 0) return values;
    std::vector<AxisValue> kept;
    std::vector<std::string> names;
    for (const AxisValue& value : values) {
      names.push_back(value.name);
      const auto& only = fusions.only();
      if (std::find(only.begin(), only.end(), value.name) != only.end()) kept.push_back(value);
    }
    for (int i = 0; i < fusions.only_size(); ++i) {
      if (std::find(names.begin(), names.end(), fusions.only(i)) != names.end()) continue;
      Complain((at / "only")[i], absl::StrCat("no fusion \"", fusions.only(i),
                                              "\" of these losses; names keep their order",
                                              DidYouMean(fusions.only(i), names)));
    }
    return kept;
  }

  std::vector<AxisValue> OfActivations(const Activations& activations) {
    std::vector<AxisValue> values;
    for (const Any& activation : activations.activation()) {
      values.push_back(
          {"activation",
           Label(activation),
           {},
           {absl::StrCat(activations.node(), ".activation=", PluginText(activation))}});
    }
    if (values.empty()) Complain(at_, "activations need one: activation { [activations/Relu] {} }");
    return values;
  }

  std::vector<AxisValue> OfValues(const pipeline::Values& given) {
    const Path at = at_ / "values";
    const std::optional<Path> path = Path::Parse(given.path());
    if (!path.has_value() || path->whole()) {
      Complain(at, "values need a path such as \"train.learning_rate\"");
      return {};
    }
    if (given.value_size() == 0) Complain(at, "values need a value");
    std::vector<AxisValue> values;
    for (const std::string& value : given.value()) {
      values.push_back(
          {path->segments().back().name, value, {}, {absl::StrCat(given.path(), "=", value)}});
    }
    return values;
  }

  std::vector<AxisValue> OfVariants(const Variants& variants) {
    std::vector<AxisValue> values;
    for (const Variant& variant : variants.variant()) {
      if (variant.name().empty()) Complain(at_, "a variant needs a name");
      values.push_back(
          {"variant", variant.name(), {}, {variant.set().begin(), variant.set().end()}});
    }
    if (values.empty()) Complain(at_, "variants need a variant { name: ... set: ... }");
    return values;
  }

  std::vector<AxisValue> OfSamples(const Samples& samples) {
    const Path at = at_ / "samples";
    if (samples.range_size() == 0) Complain(at, "samples need a range { path: ... from: to: }");
    for (int i = 0; i < samples.range_size(); ++i) CheckRange(samples.range(i), (at / "range")[i]);
    if (!errors_.empty()) return {};
    boost::random::sobol sobol(static_cast<size_t>(samples.range_size()));
    std::vector<AxisValue> values;
    for (int i = 0; i < samples.samples(); ++i) {
      AxisValue value = {"sample", "", {}, {}};
      std::vector<std::string> parts;
      for (const Samples::Range& range : samples.range()) {
        const std::string drawn = Drawn(range, static_cast<double>(sobol()) / std::ldexp(1., 64));
        const Path path = *Path::Parse(range.path());
        parts.push_back(absl::StrCat(path.segments().back().name, " ", drawn));
        value.sets.push_back(absl::StrCat(range.path(), "=", drawn));
      }
      value.name = absl::StrJoin(parts, ", ");
      values.push_back(std::move(value));
    }
    return values;
  }

  void CheckRange(const Samples::Range& range, const Path& at) {
    const std::optional<Path> path = Path::Parse(range.path());
    if (!path.has_value() || path->whole()) Complain(at, "a range needs a path");
    if (!range.has_from() || !range.has_to() || !(range.from() < range.to())) {
      Complain(at, "a range goes from a number to a larger one");
    } else if (range.logarithmic() && range.from() <= 0) {
      Complain(at, "a logarithmic range begins above 0");
    }
  }

  // At `place` of [0, 1); four digits, as a result is written down.
  static std::string Drawn(const Samples::Range& range, double place) {
    const double value = range.logarithmic()
                             ? range.from() * std::pow(range.to() / range.from(), place)
                             : range.from() + (range.to() - range.from()) * place;
    return absl::StrFormat("%.4g", value);
  }

  const Locations& where_;
  Diagnostics& errors_;
  Path at_;
};

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

void FindConfigs(Expander* expander, Plan* plan) {
  const Study& study = plan->file.study;
  if (study.config_size() == 0) expander->Complain(Path(), "a study needs a config: config: \"\"");
  for (int i = 0; i < study.config_size(); ++i) {
    const Path at = (Path() / "config")[i];
    const absl::StatusOr<std::string> path = FindConfigOf(plan->file.path, study.config(i));
    if (!path.ok()) {
      expander->Complain(at, std::string(path.status().message()));
      continue;
    }
    const std::string name = fs::path(*path).stem().string();
    if (std::find(plan->configs.begin(), plan->configs.end(), name) != plan->configs.end()) {
      expander->Complain(at, absl::StrCat("two configs are called ", name));
    }
    plan->configs.push_back(name);
    plan->paths.push_back(*path);
  }
}

void CheckNames(Expander* expander, const Plan& plan) {
  const Study& study = plan.file.study;
  std::vector<std::string> names;
  for (const Combination& combination : plan.combinations) names.push_back(combination.name);
  const auto check = [&](const std::string& name, const Path& at) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    expander->Complain(
        at, absl::StrCat("no combination \"", name, "\" in this study", DidYouMean(name, names)));
  };
  if (!study.baseline().empty()) check(study.baseline(), Path() / "baseline");
  for (int i = 0; i < study.chosen_size(); ++i) check(study.chosen(i), (Path() / "chosen")[i]);
  if (study.chosen_size() > kMaxChosen) {
    expander->Complain(Path() / "chosen",
                       absl::StrCat("at most ", kMaxChosen, " combinations can be shown"));
  }
}

void CheckSchedule(Expander* expander, const Study& study) {
  const std::set<int64_t> seeds(study.seed().begin(), study.seed().end());
  if (static_cast<int>(seeds.size()) < study.seed_size()) {
    expander->Complain(Path() / "seed", "a seed is named twice");
  }
  if (study.folds() == 1) expander->Complain(Path() / "folds", "one fold leaves nothing to learn");
  const auto& rungs = study.budget().halving().epochs();
  if (study.budget().has_halving() && rungs.empty()) {
    expander->Complain(Path() / "budget" / "halving", "halving needs epochs: [1, 3]");
  }
  if (!std::is_sorted(rungs.begin(), rungs.end(), std::less_equal<>())) {
    expander->Complain(Path() / "budget" / "halving" / "epochs",
                       "each rung is longer than the last");
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

std::string HashText(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
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
      plan->fingerprints[config].push_back(
          loaded.ok() ? HashText(PrintText(loaded->document.config)) : "");
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

std::vector<StudyRun> Plan::Screening() const {
  std::vector<int> all(combinations.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
  std::vector<StudyRun> runs;
  for (int config = 0; config < static_cast<int>(configs.size()); ++config) {
    const std::vector<StudyRun> more = Runs(config, all, StudyStage::kScreen);
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

  Expander expander(where, &errors);
  FindConfigs(&expander, &plan);
  if (study.axis_size() == 0) expander.Complain(Path(), "a study needs an axis { ... }");
  std::vector<std::vector<AxisValue>> axes;
  size_t count = 1;
  for (int i = 0; i < study.axis_size(); ++i) {
    axes.push_back(expander.Values(study.axis(i), i));
    count = std::min(kMaxCombinations + 1, count * axes.back().size());
  }
  if (count > kMaxCombinations) {
    expander.Complain(Path() / "axis", absl::StrCat("more than ", kMaxCombinations,
                                                    " combinations are more than can be shown"));
  }
  CheckSchedule(&expander, study);
  if (!errors.empty()) return errors.ToStatus();
  plan.combinations = Combine(axes);
  plan.folds = study.folds();
  ChooseSeeds(&plan);
  CheckNames(&expander, plan);
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
