// Each combination of the family against the baseline.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/studies/analysis_parts.h"

namespace pipeline {
namespace {

// More recipes are not resampled together.
constexpr size_t kMostTogether = 300;
constexpr double kLevel = 0.95;

// The combinations that are compared to the baseline.
std::vector<int> MembersOf(const Plan& plan, const StageAnalysis& stage) {
  // Fusions against the best single loss; the other single losses claim nothing.
  const bool fusions = plan.combinations[stage.baseline].losses().size() == 1 &&
                       std::any_of(plan.combinations.begin(), plan.combinations.end(),
                                   [](const Combination& one) { return one.losses().size() > 1; });
  std::vector<int> members;
  for (int i = 0; i < static_cast<int>(stage.cells.size()); ++i) {
    if (i == stage.baseline) continue;
    const bool in = stage.stage == StudyStage::kConfirm
                        ? stage.cells[i].asked_for()
                        : !fusions || plan.combinations[i].losses().size() > 1;
    if (in) members.push_back(i);
  }
  return members;
}

int64_t FamilyOf(const Plan& plan, const StageAnalysis& stage, size_t members) {
  const auto family = std::max<int64_t>(1, static_cast<int64_t>(members));
  if (stage.stage == StudyStage::kScreen) return family;
  // As many as the file asked for, whatever came of them.
  const auto others = static_cast<int64_t>(plan.combinations.size()) - 1;
  return std::max<int64_t>(family, std::min<int64_t>(plan.file.study.confirm().top(), others));
}

// First minus second by seed and image, without leaked images.
struct Paired {
  std::vector<int64_t> seeds;
  SeedsByImages differences;
  bool by_image = false;
  std::vector<std::vector<bool>> first_right, second_right;
};

class Pairing {
 public:
  Pairing(const ConfigAnalysis& analysis, const StudyCell& first, const StudyCell& second)
      : analysis_(analysis), first_(first), second_(second) {}

  Paired Make() {
    Paired paired;
    Collect(true, &paired);
    if (!paired.seeds.empty()) return paired;
    Collect(false, &paired);
    return paired;
  }

 private:
  void Collect(bool by_image, Paired* paired) {
    paired->by_image = by_image;
    for (size_t a = 0; a < first_.seeds.size(); ++a) {
      for (size_t b = 0; b < second_.seeds.size(); ++b) {
        if (first_.seeds[a] == second_.seeds[b]) Add(a, b, paired);
      }
    }
  }

  void Add(size_t a, size_t b, Paired* paired) {
    std::vector<double> row;
    if (paired->by_image) {
      const std::vector<double>&x = first_.images[a], &y = second_.images[b];
      if (x.empty() || y.empty()) return;
      AddImages(x, y, &row, paired);
    } else {
      row = {first_.scores[a] - second_.scores[b]};
      if (std::isnan(row[0])) return;
    }
    if (row.empty()) return;
    paired->seeds.push_back(first_.seeds[a]);
    paired->differences.push_back(std::move(row));
  }

  void AddImages(const std::vector<double>& x, const std::vector<double>& y,
                 std::vector<double>* row, Paired* paired) const {
    std::vector<bool> first, second;
    for (size_t i = 0; i < x.size(); ++i) {
      if (analysis_.leaked[i]) continue;
      row->push_back(x[i] - y[i]);
      first.push_back(x[i] > 0.5);
      second.push_back(y[i] > 0.5);
    }
    if (analysis_.masks || row->empty()) return;
    paired->first_right.push_back(std::move(first));
    paired->second_right.push_back(std::move(second));
  }

  const ConfigAnalysis& analysis_;
  const StudyCell &first_, &second_;
};

void JudgeFolds(const Plan& plan, const StudyCell& first, const StudyCell& second, int64_t family,
                Difference* difference) {
  std::vector<double> differences;
  for (size_t i = 0; i < std::min(first.folds.size(), second.folds.size()); ++i) {
    differences.push_back(first.folds[i] - second.folds[i]);
  }
  const bool known = std::none_of(differences.begin(), differences.end(),
                                  [](double one) { return std::isnan(one); });
  if (!known || differences.size() < 2 || first.seeds != second.seeds) return;
  difference->over_folds = FoldsTTest(differences, plan.folds);
  difference->posterior = FoldsPosteriorOf(differences, plan.folds, plan.file.study.rope());
  const TTest adjusted = FoldsTTest(differences, plan.folds, FamilyLevel(kLevel, family));
  difference->p = difference->over_folds->p;
  difference->adjusted.low = adjusted.low;
  difference->adjusted.high = adjusted.high;
  difference->signs = SignsOf(differences);
}

Difference DifferenceOf(const Plan& plan, const ConfigAnalysis& analysis,
                        const StageAnalysis& stage, int combination) {
  const StudyCell &first = stage.cells[combination], &second = stage.cells[stage.baseline];
  Difference difference;
  difference.combination = combination;
  const Paired paired = Pairing(analysis, first, second).Make();
  if (paired.seeds.empty()) return difference;
  difference.seeds = paired.seeds;
  difference.by_image = paired.by_image;
  for (const std::vector<double>& row : paired.differences) {
    difference.by_seed.push_back(Mean(row));
  }
  difference.alone = CrossedAnova(paired.differences, kLevel);
  difference.adjusted = MainOf(CrossedAnova(paired.differences, FamilyLevel(kLevel, stage.family)));
  difference.p = MainP(difference.alone);
  for (size_t s = 0; s < paired.first_right.size(); ++s) {
    difference.mcnemar.push_back(McNemarTest(paired.first_right[s], paired.second_right[s]));
  }
  difference.wilcoxon = WilcoxonSignedRank(difference.by_seed);
  difference.signs = SignsOf(difference.by_seed);
  if (plan.folds > 0) JudgeFolds(plan, first, second, stage.family, &difference);
  return difference;
}

// The family has its size whatever of it is there: what is missing counts as p = 1.
void AdjustByHolm(int64_t family, std::vector<Difference>* differences) {
  std::vector<double> p;
  for (const Difference& one : *differences) p.push_back(std::isnan(one.p) ? 1 : one.p);
  p.resize(std::max(p.size(), static_cast<size_t>(family)), 1);
  const std::vector<double> adjusted = HolmAdjusted(p);
  for (size_t i = 0; i < differences->size(); ++i) {
    if (!std::isnan((*differences)[i].p)) (*differences)[i].holm = adjusted[i];
  }
}

void AdjustByMaxT(const ConfigAnalysis& analysis, StageAnalysis* stage) {
  std::vector<SeedsByImages> all;
  std::vector<Difference*> of;
  for (Difference& one : stage->differences) {
    if (one.seeds != stage->seeds) continue;
    Paired paired =
        Pairing(analysis, stage->cells[one.combination], stage->cells[stage->baseline]).Make();
    if (!paired.by_image) continue;
    all.push_back(std::move(paired.differences));
    of.push_back(&one);
  }
  if (all.size() < 2 || all.size() > kMostTogether) return;
  const MaxT max_t = MaxTIntervals(all);
  for (size_t i = 0; i < of.size(); ++i) of[i]->max_t = max_t.intervals[i];
}

void AddCollapsed(const Plan& plan, const ConfigAnalysis& analysis, const StageAnalysis& stage,
                  int combination, Comparison* comparison) {
  const StudyCell& cell = stage.cells[combination];
  if (cell.collapsed == 0) return;
  comparison->collapsed.push_back({plan.combinations[combination].name, cell.collapsed,
                                   static_cast<int64_t>(cell.seeds.size()), cell.score.mean,
                                   analysis.majority});
}

// Where halving left it, or why it failed; what has not come yet is neither.
std::optional<Unfinished> UnfinishedOf(const std::string& name, const StudyCell& cell,
                                       int64_t epochs) {
  if (cell.failed == 0 && cell.stopped == 0) return std::nullopt;
  Unfinished unfinished;
  unfinished.name = name;
  unfinished.epochs = cell.epochs;
  unfinished.of = epochs;
  unfinished.rank = cell.stopped_rank;
  unfinished.ranked = cell.stopped_among;
  unfinished.error = cell.error;
  return unfinished;
}

Comparison ComparisonOf(const Plan& plan, const ConfigAnalysis& analysis,
                        const StageAnalysis& stage, const Difference& difference, int64_t epochs) {
  Comparison comparison;
  comparison.first = plan.combinations[difference.combination].name;
  comparison.second = plan.combinations[stage.baseline].name;
  comparison.metric = analysis.metric;
  comparison.seeds = static_cast<int64_t>(difference.seeds.size());
  comparison.images =
      std::max<int64_t>(1, static_cast<int64_t>(analysis.images.size()) - analysis.leaks);
  AddCollapsed(plan, analysis, stage, difference.combination, &comparison);
  AddCollapsed(plan, analysis, stage, stage.baseline, &comparison);
  comparison.unfinished =
      UnfinishedOf(comparison.first, stage.cells[difference.combination], epochs);
  if (!comparison.unfinished.has_value()) {
    comparison.unfinished = UnfinishedOf(comparison.second, stage.cells[stage.baseline], epochs);
  }
  comparison.difference = difference.alone.mean;
  // Of so few seeds there is nothing to say but of these networks.
  const bool few = difference.by_image && difference.seeds.size() <= 2;
  const MeanInterval alone = few ? difference.alone.images : MainOf(difference.alone);
  comparison.alone = {alone.low, alone.high};
  if (difference.over_folds.has_value()) {
    comparison.difference = difference.over_folds->mean;
    comparison.alone = {difference.over_folds->low, difference.over_folds->high};
    comparison.seeds *= plan.folds;
  }
  comparison.adjusted = {difference.adjusted.low, difference.adjusted.high};
  comparison.signs = difference.signs;
  comparison.family = stage.family;
  comparison.rope = plan.file.study.rope();
  comparison.candidates = static_cast<int64_t>(plan.combinations.size());
  comparison.optimism = analysis.optimism.best_of_equals;
  return comparison;
}

// What is counted as seeds are folds.
void NameFolds(Difference* difference) {
  std::string& sentence = difference->conclusion.sentence;
  sentence = absl::StrReplaceAll(sentence, {{" seeds", " folds"}});
}

}  // namespace

void CompareAll(const Plan& plan, ConfigAnalysis* analysis, StageAnalysis* stage) {
  if (stage->baseline < 0) return;
  const std::vector<int> members = MembersOf(plan, *stage);
  stage->family = FamilyOf(plan, *stage, members.size());
  int64_t epochs = 0;
  for (const StudyCell& cell : stage->cells) epochs = std::max(epochs, cell.epochs);
  for (const int i : members) {
    Difference one = DifferenceOf(plan, *analysis, *stage, i);
    const StudyCell& cell = stage->cells[i];
    if (one.seeds.empty() && cell.failed == 0 && cell.stopped == 0) continue;
    stage->differences.push_back(std::move(one));
  }
  AdjustByHolm(stage->family, &stage->differences);
  AdjustByMaxT(*analysis, stage);
  for (Difference& one : stage->differences) {
    one.comparison = ComparisonOf(plan, *analysis, *stage, one, epochs);
    if (analysis->leaks > 0) {
      if (!one.seeds.empty()) {
        one.without_leak = Conclude(one.comparison);
        one.comparison.without_leak = one.without_leak->sentence;
      }
      one.comparison.leaked = analysis->leaks;
    }
    one.conclusion = Conclude(one.comparison);
    if (plan.folds > 0 && one.conclusion.verdict != Verdict::kCollapsed) NameFolds(&one);
    if (!one.seeds.empty() && !one.by_image) {
      absl::StrAppend(&one.conclusion.sentence,
                      " (Of seeds alone: what its runs answered is not known.)");
    }
  }
}

}  // namespace pipeline
