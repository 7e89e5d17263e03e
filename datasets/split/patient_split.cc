// Patients by the names of folders; draws of patients.
#include "datasets/split/patient_split.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/split/split.h"
#include "pipeline/utf8.h"

namespace datasets {
namespace {

using Folders = std::vector<std::string>;

// Whether the name goes on with a visit from there: "ses-02", "visit_1", "tp3".
bool IsVisit(absl::string_view name) {
  for (const char* word : {"ses", "visit", "timepoint"}) {
    if (absl::StartsWithIgnoreCase(name, word)) return true;
  }
  // "TPX" may be a hospital.
  return absl::StartsWithIgnoreCase(name, "tp") && name.size() > 2 &&
         !absl::ascii_isalpha(static_cast<unsigned char>(name[2]));
}

bool IsKindOfImage(const std::string& folder) {
  for (const char* word : {"anat", "dwi", "func", "perf", "fmap"}) {
    if (absl::EqualsIgnoreCase(folder, word)) return true;
  }
  return false;
}

bool IsNumbered(const std::string& folder) {
  return std::any_of(folder.begin(), folder.end(), absl::ascii_isdigit) && !IsVisit(folder);
}

std::string WithoutVisit(const std::string& folder) {
  // What follows "sub-" is a name, whatever it looks like.
  const size_t name = absl::StartsWithIgnoreCase(folder, "sub-") ? 4 : 1;
  for (size_t i = name; i < folder.size(); ++i) {
    const bool apart = folder[i] == '_' || folder[i] == '-';
    if (apart && IsVisit(absl::string_view(folder).substr(i + 1))) return folder.substr(0, i);
  }
  return folder;
}

// By the names of BraTS.
std::string WithoutScan(const std::string& folder) {
  const auto digits_from = [&](size_t from) {
    size_t end = from;
    while (end < folder.size() && absl::ascii_isdigit(folder[end])) ++end;
    return end;
  };
  const size_t pat = folder.find("pat");
  if (pat != std::string::npos && digits_from(pat + 3) > pat + 3) {
    return folder.substr(0, digits_from(pat + 3));
  }
  // "-00005-101" at the end: five digits of a patient, three of a scan.
  const size_t scan = folder.rfind('-');
  if (scan != std::string::npos && scan >= 6 && folder.size() == scan + 4 &&
      digits_from(scan + 1) == folder.size() && folder[scan - 6] == '-' &&
      digits_from(scan - 5) == scan) {
    return folder.substr(0, scan);
  }
  return folder;
}

// Where a case is: the folder of a split, "" for none, and the folders below it.
struct Place {
  std::string split;
  Folders folders;
};

Place PlaceOf(const std::string& name) {
  Place place;
  for (const auto& folder : std::filesystem::path(name)) place.folders.push_back(folder.string());
  if (name == ".") place.folders.clear();
  for (size_t i = 0; i + 1 < place.folders.size(); ++i) {
    absl::StrAppend(&place.split, place.folders[i], "/");
    if (!PhaseNamed(place.folders[i]).has_value()) continue;
    place.folders.erase(place.folders.begin(), place.folders.begin() + i + 1);
    return place;
  }
  return {"", std::move(place.folders)};
}

// How many folders all cases of a split are below.
std::map<std::string, size_t> SharedFolders(const std::vector<Place>& places) {
  std::map<std::string, Folders> shared;
  for (const auto& [split, folders] : places) {
    if (folders.empty()) continue;
    Folders& first =
        shared.emplace(split, Folders(folders.begin(), folders.end() - 1)).first->second;
    const auto end = std::mismatch(first.begin(), first.end(), folders.begin(), folders.end() - 1);
    first.erase(end.first, first.end());
  }
  std::map<std::string, size_t> counts;
  for (const auto& [split, folders] : shared) counts[split] = folders.size();
  return counts;
}

// "" for the root.
std::string FolderOfPatient(const Folders& folders, size_t shared) {
  const auto top = std::find_if(folders.begin() + shared, folders.end(), IsNumbered);
  if (top != folders.end()) return *top;
  const auto lowest = std::find_if(folders.rbegin(), folders.rend(), IsNumbered);
  if (lowest != folders.rend()) return *lowest;
  const auto own = std::find_if(folders.rbegin(), folders.rend(), [](const std::string& folder) {
    return !IsVisit(folder) && !IsKindOfImage(folder);
  });
  return own == folders.rend() ? "" : *own;
}

// How many of `count` patients a fraction holds out.
int64_t HeldOut(double fraction, int64_t count) {
  if (fraction <= 0 || count < 2) return 0;
  return std::clamp<int64_t>(std::llround(fraction * static_cast<double>(count)), 1, count - 1);
}

// Takes the first `count` of the names, shuffled.
void Move(int64_t count, uint64_t seed, pipeline::Phase phase,
          std::map<std::string, pipeline::Phase>* phases, std::vector<std::string>* names) {
  const std::vector<int64_t> order = ShuffledIndices(static_cast<int64_t>(names->size()), seed);
  std::vector<std::string> rest;
  for (size_t i = 0; i < names->size(); ++i) {
    if (order[i] < count) {
      (*phases)[(*names)[i]] = phase;
    } else {
      rest.push_back((*names)[i]);
    }
  }
  *names = std::move(rest);
}

using Source = std::set<std::optional<pipeline::Phase>>;

Source SourceOf(const std::vector<SplitCase>& cases) {
  Source source;
  for (const SplitCase& one : cases) source.insert(one.phase);
  return source;
}

// Makes something to train on and something to test on of the source's splits; returns a note.
std::string Complete(std::vector<SplitCase>* cases) {
  const Source source = SourceOf(*cases);
  const auto has = [&](std::optional<pipeline::Phase> phase) { return source.count(phase) > 0; };
  const bool tests = has(pipeline::VAL) || has(pipeline::TEST), open = has(std::nullopt);
  if ((!tests && !open) || (!open && !has(pipeline::TRAIN))) {
    for (SplitCase& one : *cases) one.phase.reset();
    return "";
  }
  if (!tests || has(pipeline::TEST)) return "";
  for (SplitCase& one : *cases) {
    if (one.phase == pipeline::VAL) one.phase = pipeline::TEST;
  }
  return "the validation folder is TEST, as there is no other; VAL is taken from train";
}

std::string Origin(const Source& source, bool unsplit, const DatasetContext& context) {
  if (source == Source{std::nullopt}) return absl::StrCat("by patient, seed ", context.seed);
  const std::string seed = absl::StrCat("by seed ", context.seed);
  if (unsplit) return absl::StrCat("folders, the rest ", seed);
  const bool drawn = source.count(pipeline::VAL) == 0 && context.validation_fraction > 0;
  return drawn ? absl::StrCat("folders, VAL ", seed) : "folders";
}

}  // namespace

std::vector<std::string> PatientsByFolder(const std::vector<std::string>& cases,
                                          const std::string& root) {
  std::vector<Place> places;
  for (const std::string& name : cases) places.push_back(PlaceOf(name));
  std::map<std::string, size_t> shared = SharedFolders(places);
  std::vector<std::string> patients;
  for (const auto& [split, folders] : places) {
    const std::string folder = FolderOfPatient(folders, shared[split]);
    patients.push_back(WithoutScan(WithoutVisit(folder.empty() ? root : folder)));
  }
  return patients;
}

absl::StatusOr<std::vector<std::string>> PatientsByPattern(const std::vector<std::string>& cases,
                                                           const std::string& pattern) {
  const auto wrong = [&](const auto&... why) {
    return absl::InvalidArgumentError(absl::StrCat(pattern, ": ", why...));
  };
  const re2::RE2 expression(pattern, re2::RE2::Quiet);
  if (!expression.ok()) return wrong("no regular expression: ", expression.error());
  if (expression.NumberOfCapturingGroups() != 1) {
    return wrong("has ", expression.NumberOfCapturingGroups(), " groups (...), not one");
  }
  std::vector<std::string> patients;
  for (const std::string& name : cases) {
    std::string patient;
    if (!re2::RE2::PartialMatch(pipeline::ValidUtf8(name), expression, &patient)) {
      return wrong("does not match the case ", name);
    }
    if (patient.empty()) return wrong("its group is empty for the case ", name);
    patients.push_back(std::move(patient));
  }
  return patients;
}

namespace {

// The patients of one fold, each as one item.
std::set<std::string> PatientsOfFold(const std::vector<SplitCase>& cases,
                                     const DatasetContext& context) {
  std::set<std::string> all;
  for (const SplitCase& one : cases) all.insert(one.patient);
  const std::vector<std::string> patients(all.begin(), all.end());
  std::vector<size_t> groups(patients.size());
  std::iota(groups.begin(), groups.end(), size_t{0});
  const std::vector<int> folds =
      Folds(std::vector<int64_t>(patients.size()), groups, context.folds, context.seed);
  std::set<std::string> chosen;
  for (size_t i = 0; i < patients.size(); ++i) {
    if (folds[i] == context.fold) chosen.insert(patients[i]);
  }
  return chosen;
}

}  // namespace

PatientSplit SplitByPatient(std::vector<SplitCase> cases, const DatasetContext& context) {
  PatientSplit split;
  if (context.folds > 0) {
    const std::set<std::string> tested = PatientsOfFold(cases, context);
    for (SplitCase& one : cases) {
      one.phase.reset();
      if (tested.count(one.patient) > 0) one.phase = pipeline::TEST;
    }
  } else {
    split.note = Complete(&cases);
  }
  const Source source = SourceOf(cases);
  std::map<std::string, pipeline::Phase> phases;
  for (const SplitCase& one : cases) {
    if (!one.phase) continue;
    pipeline::Phase& phase = phases.emplace(one.patient, *one.phase).first->second;
    phase = std::max(phase, *one.phase);  // TRAIN < VAL < TEST
  }
  std::set<std::string> unsplit;
  for (const SplitCase& one : cases) {
    if (phases.count(one.patient) == 0) unsplit.insert(one.patient);
  }
  split.origin = context.folds > 0 ? "by patient, " + FoldName(context)
                                   : Origin(source, !unsplit.empty(), context);
  std::vector<std::string> training(unsplit.begin(), unsplit.end());
  if (source.count(pipeline::TEST) == 0) {
    Move(HeldOut(context.test_fraction, static_cast<int64_t>(training.size())), context.seed,
         pipeline::TEST, &phases, &training);
  }
  for (const auto& [patient, phase] : phases) {
    if (phase == pipeline::TRAIN) training.push_back(patient);
  }
  if (source.count(pipeline::VAL) == 0) {
    Move(HeldOut(context.validation_fraction, static_cast<int64_t>(training.size())),
         pipeline::Hash({context.seed}), pipeline::VAL, &phases, &training);
  }
  for (const SplitCase& one : cases) {
    split.phases.push_back(phases.emplace(one.patient, pipeline::TRAIN).first->second);
  }
  return split;
}

}  // namespace datasets
