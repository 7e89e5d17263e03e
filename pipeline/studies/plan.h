// What a study asks for: its file, its combinations, and the runs that they make.
#ifndef PIPELINE_STUDIES_PLAN_H_
#define PIPELINE_STUDIES_PLAN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/config/config.h"
#include "pipeline/studies/axes.h"
#include "pipeline/studies/study.pb.h"

namespace pipeline {

// A study's file, parsed and checked.
struct StudyFile {
  Study study;
  std::string name;  // the file's name without folder and extension
  std::string path;  // as it was found
};

struct Plan;

// A combination of values, one of each axis, in the order of the axes.
struct Combination {
  std::string name;  // of its values, joined by ", "
  std::vector<AxisValue> values;

  // The losses of its fusion; empty where it has none.
  const std::vector<std::string>& losses() const;
  // What a run of it sets: the study's own, then those of its values.
  std::vector<std::string> Sets(const Plan& plan) const;
};

// Which part of a study a run is of.
enum class StudyStage { kScreen, kConfirm };
const char* StageName(StudyStage stage);  // "screen"

// One run of a study.
struct StudyRun {
  int config = 0;       // index into Plan::configs
  int combination = 0;  // into Plan::combinations
  int64_t seed = 0;
  int fold = -1;  // -1: the study has no folds
  StudyStage stage = StudyStage::kScreen;
  std::vector<std::string> sets;  // everything that is set over the config's file
};

struct Plan {
  StudyFile file;
  std::vector<std::string> configs;  // file names without extension
  std::vector<std::string> paths;    // where they were found
  std::vector<Combination> combinations;
  // Of the resolved config that a combination makes of a config: by config, then combination.
  std::vector<std::vector<std::string>> fingerprints;
  std::vector<int64_t> seeds;          // of the screening
  std::vector<int64_t> confirm_seeds;  // empty where nothing is confirmed
  int folds = 0;

  // Indices of what has that name; -1 where nothing has.
  int ConfigNamed(const std::string& name) const;
  int CombinationNamed(const std::string& name) const;

  // Indices of all combinations.
  std::vector<int> All() const;

  // Of the screening, or of what it chose (indices into `combinations`) of a config: in the order
  // in which they are run and shown. Runs that share data follow each other.
  std::vector<StudyRun> Screening() const;
  std::vector<StudyRun> Confirming(int config, const std::vector<int>& chosen) const;

 private:
  std::vector<StudyRun> Runs(int config, const std::vector<int>& chosen, StudyStage stage) const;
};

// The study called `name`: that path, else the one in the workspace's studies/. NOT_FOUND lists
// near names.
absl::StatusOr<std::string> FindStudy(const std::string& name);
// Whether the file is a study, by what it says; a config is none.
bool IsStudy(const std::string& path);
// Studies of the workspace, by file name, sorted.
std::vector<std::string> StudyNames();

// Reads and expands a study. Mistakes are told with file and line; reads no data.
absl::StatusOr<Plan> LoadPlan(const std::string& path, const std::vector<std::string>& sets);

// The config of one run, resolved. It has one thread unless the study or the config says otherwise,
// so that no result depends on how many runs a machine makes at a time; and the split is drawn by
// the first seed for all of them, so that they are tested on the same images.
absl::StatusOr<LoadedConfig> ConfigOf(const Plan& plan, const StudyRun& run);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_PLAN_H_
