// Study folders made by hand, for tests.
#ifndef PIPELINE_STUDIES_STUDY_FOLDERS_H_
#define PIPELINE_STUDIES_STUDY_FOLDERS_H_

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/runs/predictions.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"

namespace pipeline {

// Of what one run answers: the class of each test image.
struct MadeAnswers {
  std::vector<int> labels, answers;
  std::vector<std::string> classes = {"cat", "dog"};
  double sure = 0.8;  // probability of each answer
  std::string path = "/nowhere/pets/img";

  double Accuracy() const {
    int right = 0;
    for (size_t i = 0; i < labels.size(); ++i) right += labels[i] == answers[i];
    return static_cast<double>(right) / static_cast<double>(labels.size());
  }

  // Images from `first` on have these labels.
  Predictions Of(size_t first) const {
    Predictions predictions;
    predictions.columns = classes;
    for (size_t i = 0; i < labels.size(); ++i) {
      Prediction row;
      row.path = absl::StrFormat("%s%04d.png", path, static_cast<int>(first + i));
      row.label = classes[labels[i]];
      row.predicted = classes[answers[i]];
      row.probabilities.assign(classes.size(),
                               (1 - sure) / static_cast<double>(classes.size() - 1));
      row.probabilities[answers[i]] = sure;
      predictions.rows.push_back(std::move(row));
    }
    return predictions;
  }
};

class MadeStudy {
 public:
  // Fusions by their names: "focal+dice".
  MadeStudy(const std::string& folder, const std::vector<std::string>& fusions) : folder_(folder) {
    plan.file.name = "made";
    plan.file.path = "studies/made.pbtxt";
    plan.file.study.set_title("Made");
    plan.configs = {"pets_cnn"};
    plan.seeds = {0, 1, 2};
    for (const std::string& fusion : fusions) {
      plan.combinations.push_back({fusion, {{"fusion", fusion, absl::StrSplit(fusion, '+'), {}}}});
    }
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder + "/results");
  }

  // A run that is done; VAL selects by `validation`.
  StudyResult& Add(int combination, int64_t seed, const MadeAnswers& answers, double validation,
                   int config = 0, StudyStage stage = StudyStage::kScreen, int fold = -1,
                   size_t first_image = 0) {
    StudyResult& result = Line(combination, seed, config, stage, fold);
    result.test = {{"metrics.accuracy", answers.Accuracy()},
                   {"metrics.balanced_accuracy", answers.Accuracy()},
                   {"metrics.macro_f1", answers.Accuracy()},
                   {"metrics.weighted_precision", answers.Accuracy()},
                   {"metrics.weighted_recall", answers.Accuracy()},
                   {"metrics.weighted_f1", answers.Accuracy()},
                   {"metrics.majority_baseline", 0.5},
                   {"metrics.classes_predicted", 2},
                   {"metrics.collapsed", 0},
                   {"loss.total", 0.5 + 0.25 * static_cast<double>(seed)}};
    result.validation = {{"metrics.macro_f1", validation}};
    result.selected = {validation - 0.2, validation - 0.1, validation};
    result.seconds = 10;
    const Predictions predictions = answers.Of(first_image);
    const std::string run = StudyFolder(folder_).RunFolder(result.identity);
    std::filesystem::create_directories(run);
    Write(run + "/predictions.csv", HeaderText(predictions) + RowsText(predictions));
    Write(run + "/run.json", "{\"data\": \"/nowhere/pets\"}");
    return result;
  }

  StudyResult& Fail(int combination, int64_t seed, const std::string& error, int fold = -1) {
    StudyResult& result = Line(combination, seed, 0, StudyStage::kScreen, fold);
    result.status = RunStatus::kFailed;
    result.error = error;
    return result;
  }

  StudyResult& Stop(int combination, int64_t seed, const std::vector<double>& selected) {
    StudyResult& result = Line(combination, seed, 0, StudyStage::kScreen, -1);
    result.status = RunStatus::kStopped;
    result.epochs = static_cast<int64_t>(selected.size());
    result.selected = selected;
    result.validation = {{"metrics.macro_f1", selected.back()}};
    return result;
  }

  // Writes the lines.
  StudyFolder Save() {
    plan.fingerprints.assign(plan.configs.size(),
                             std::vector<std::string>(plan.combinations.size(), "f"));
    std::string lines;
    for (const StudyResult& result : results) absl::StrAppend(&lines, ResultLine(result), "\n");
    Write(folder_ + "/results/1of1.jsonl", lines);
    return StudyFolder(folder_);
  }

  std::string File(const std::string& name) const { return Read(folder_ + "/" + name); }
  std::string RunFile(size_t result, const std::string& name) const {
    return StudyFolder(folder_).RunFolder(results[result].identity) + "/" + name;
  }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }

  Plan plan;
  std::vector<StudyResult> results;

 private:
  StudyResult& Line(int combination, int64_t seed, int config, StudyStage stage, int fold) {
    StudyResult result;
    result.identity = absl::StrFormat("%032x", results.size() + 1);
    result.fingerprint = "f";
    result.config = plan.configs[config];
    result.combination = plan.combinations[combination].name;
    result.seed = seed;
    result.fold = fold;
    result.stage = stage;
    result.dataset = "pets";
    result.task = "multiclass";
    result.device = "cpu";
    result.precision = "FP32";
    result.epochs = 3;
    result.best_epoch = 3;
    results.push_back(std::move(result));
    return results.back();
  }

  const std::string folder_;
};

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_STUDY_FOLDERS_H_
