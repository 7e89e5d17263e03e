// Scores by VAL, comparators, what is confirmed.
#include "pipeline/studies/ledger.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <string>
#include <utility>

namespace pipeline {

Ledger::Ledger(const Plan& plan, const std::vector<StudyResult>& results) : plan_(plan) {
  for (const StudyResult& result : results) Add(result);
}

void Ledger::Add(const StudyResult& result) {
  const int config = plan_.ConfigNamed(result.config),
            combination = plan_.CombinationNamed(result.combination);
  if (config < 0 || combination < 0) return;
  results_[{config, combination, result.seed, result.fold, result.stage}] = result;
}

const StudyResult* Ledger::Find(const StudyRun& run) const {
  const auto found = results_.find({run.config, run.combination, run.seed, run.fold, run.stage});
  return found == results_.end() ? nullptr : &found->second;
}

bool Ledger::IsOver(const StudyRun& run, int64_t epochs) const {
  const StudyResult* result = Find(run);
  if (result == nullptr) return false;
  if (result->status != RunStatus::kPaused) return true;
  return epochs > 0 && result->epochs >= epochs;
}

double Ledger::Score(int config, int combination, StudyStage stage, int64_t epochs) const {
  double sum = 0;
  int64_t count = 0;
  const auto begin = results_.lower_bound({config, combination, INT64_MIN, INT_MIN, stage});
  for (auto at = begin; at != results_.end(); ++at) {
    const auto& [subject, result] = *at;
    if (std::get<0>(subject) != config || std::get<1>(subject) != combination) break;
    if (std::get<4>(subject) != stage || result.status == RunStatus::kFailed) continue;
    const auto& selected = result.selected;
    double value = std::nan("");
    if (epochs > 0 && static_cast<int64_t>(selected.size()) >= epochs) value = selected[epochs - 1];
    if (epochs == 0) {
      const auto best = result.validation.find(plan_.file.study.select());
      if (best != result.validation.end()) value = best->second;
    }
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

std::vector<int> Ledger::Best(int config, const std::vector<int>& among, int64_t epochs,
                              size_t count) const {
  std::vector<std::pair<double, int>> scored;
  for (const int combination : among) {
    const double score = Score(config, combination, StudyStage::kScreen, epochs);
    // Equal up to rounding is equal.
    if (!std::isnan(score)) scored.emplace_back(-std::round(score * 1e12) / 1e12, combination);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<int> best;
  for (size_t i = 0; i < std::min(count, scored.size()); ++i) best.push_back(scored[i].second);
  return best;
}

std::vector<int> Ledger::Comparators(const std::vector<int>& among) const {
  const std::string& named = plan_.file.study.baseline();
  std::vector<int> found;
  for (const int i : among) {
    const Combination& combination = plan_.combinations[i];
    const bool fits = named.empty() ? combination.losses().size() == 1 : combination.name == named;
    if (fits) found.push_back(i);
  }
  if (found.empty() && !among.empty()) found.push_back(among[0]);
  return found;
}

bool Ledger::Finished(int config, int combination) const {
  const auto begin =
      results_.lower_bound({config, combination, INT64_MIN, INT_MIN, StudyStage::kScreen});
  for (auto at = begin; at != results_.end(); ++at) {
    const auto& [subject, result] = *at;
    if (std::get<0>(subject) != config || std::get<1>(subject) != combination) break;
    const bool screened = std::get<4>(subject) == StudyStage::kScreen;
    if (screened && result.status == RunStatus::kDone) return true;
  }
  return false;
}

std::vector<int> Ledger::FinishedOf(int config, const std::vector<int>& among) const {
  std::vector<int> finished;
  for (const int i : among) {
    if (Finished(config, i)) finished.push_back(i);
  }
  return finished;
}

int Ledger::Baseline(int config) const {
  const std::vector<int> comparators = Comparators(plan_.All());
  const std::vector<int> best = Best(config, FinishedOf(config, comparators), 0, 1);
  return best.empty() ? comparators[0] : best[0];
}

int Ledger::First(int config) const {
  const std::vector<int> best = Best(config, FinishedOf(config, plan_.All()), 0, 1);
  return best.empty() ? -1 : best[0];
}

std::vector<int> Ledger::Chosen(int config) const {
  if (plan_.confirm_seeds.empty()) return {};
  const int baseline = Baseline(config);
  // What halving stopped cannot be chosen.
  std::vector<int> others = FinishedOf(config, plan_.All());
  others.erase(std::remove(others.begin(), others.end(), baseline), others.end());
  const auto top = static_cast<size_t>(plan_.file.study.confirm().top());
  std::vector<int> chosen = Best(config, others, 0, top);
  chosen.push_back(baseline);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace pipeline
