// Labels that out-of-fold answers contradict.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "pipeline/statistics/label_issues.h"
#include "pipeline/studies/analysis_parts.h"
#include "pipeline/studies/answers.h"

namespace pipeline {
namespace {

// What VAL puts first among those that are whole.
int JudgeOf(const StageAnalysis& stage) {
  int judge = -1;
  for (const int i : JudgedByImage(stage)) {
    const OverSeeds& here = stage.cells[i].selected;
    if (here.count == 0) continue;
    if (judge < 0 || here.mean > stage.cells[judge].selected.mean) judge = i;
  }
  return judge;
}

// The mean over seeds of its out-of-fold probabilities, images by path.
absl::StatusOr<RunAnswers> OutOfFold(const Plan& plan, const StudyFolder& folder,
                                     const std::vector<StudyResult>& results,
                                     const ConfigAnalysis& analysis, int combination) {
  std::map<int64_t, std::vector<RunAnswers>> by_seed;
  for (const StudyResult& result : results) {
    if (result.config != analysis.name || result.stage != StudyStage::kScreen ||
        result.combination != plan.combinations[combination].name) {
      continue;
    }
    absl::StatusOr<RunAnswers> read = ReadAnswers(folder, result, Study::ACCURACY, true);
    if (!read.ok()) return read.status();
    by_seed[result.seed].push_back(*std::move(read));
  }
  RunAnswers mean;
  for (const auto& [seed, folds] : by_seed) {
    absl::StatusOr<RunAnswers> joined = Joined(folds);
    if (!joined.ok()) return joined.status();
    if (mean.paths.empty()) {
      mean = *std::move(joined);
      continue;
    }
    if (joined->paths != mean.paths) return absl::DataLossError("seeds tested other images");
    for (size_t i = 0; i < mean.paths.size(); ++i) {
      for (size_t k = 0; k < mean.classes.size(); ++k) {
        mean.probabilities[i][k] += joined->probabilities[i][k];
      }
    }
  }
  // Printed in nine digits: rows sum to 1 again.
  for (std::vector<double>& row : mean.probabilities) {
    double sum = 0;
    for (const double p : row) sum += p;
    for (double& p : row) p /= sum;
  }
  return mean;
}

}  // namespace

void DoubtLabels(const Plan& plan, const StudyFolder& folder,
                 const std::vector<StudyResult>& results, ConfigAnalysis* analysis) {
  if (plan.folds == 0 || analysis->masks || analysis->classes.size() < 2) return;
  const int judge = JudgeOf(analysis->screen);
  if (judge < 0) return;
  const absl::StatusOr<RunAnswers> answers = OutOfFold(plan, folder, results, *analysis, judge);
  if (!answers.ok()) {
    analysis->problems.push_back(
        absl::StrCat("labels were not judged: ", answers.status().message()));
    return;
  }
  std::vector<int> labels;
  for (const std::string& label : answers->labels) {
    const auto found = std::find(answers->classes.begin(), answers->classes.end(), label);
    if (found == answers->classes.end()) return;
    labels.push_back(static_cast<int>(found - answers->classes.begin()));
  }
  for (const std::vector<double>& row : answers->probabilities) {
    if (!(row[0] == row[0])) return;
  }
  analysis->labels_of = plan.combinations[judge].name;
  analysis->doubts_known = true;
  for (const int64_t i : LabelIssues(answers->probabilities, labels)) {
    const std::vector<double>& row = answers->probabilities[i];
    const int likely = MostLikely(row);
    analysis->doubts.push_back({answers->paths[i], answers->labels[i], answers->classes[likely],
                                row[labels[i]], row[likely]});
  }
}

}  // namespace pipeline
