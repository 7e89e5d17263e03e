// Which combination is first over several datasets.
#include <algorithm>
#include <set>

#include "pipeline/studies/analysis_parts.h"

namespace pipeline {
namespace {

// Resampling costs all scores of all images 2,000 times.
constexpr int64_t kMostScores = 4000000;
constexpr size_t kMostChosen = 20;

// The two tasks of one dataset are not two datasets: the first config of each counts.
std::vector<int> OneOfEachDataset(const StudyAnalysis& analysis) {
  std::vector<int> configs;
  std::set<std::string> seen;
  for (size_t i = 0; i < analysis.configs.size(); ++i) {
    const std::string& dataset = analysis.configs[i].dataset;
    if (!dataset.empty() && seen.insert(dataset).second) configs.push_back(static_cast<int>(i));
  }
  return configs;
}

std::vector<int> JudgedEverywhere(const StudyAnalysis& analysis, const std::vector<int>& configs) {
  std::vector<int> everywhere;
  bool first = true;
  for (const int config : configs) {
    const std::vector<int> here = JudgedByImage(analysis.configs[config].screen);
    std::vector<int> both;
    std::set_intersection(everywhere.begin(), everywhere.end(), here.begin(), here.end(),
                          std::back_inserter(both));
    everywhere = first ? here : both;
    first = false;
  }
  return everywhere;
}

std::vector<int> ChosenOf(const Plan& plan, const std::vector<int>& among) {
  const auto& chosen = plan.file.study.chosen();
  // The file fixed all of them beforehand.
  if (chosen.empty()) {
    return plan.combinations.size() <= kMostChosen ? among : std::vector<int>();
  }
  std::vector<int> kept;
  for (const int i : among) {
    const std::string& name = plan.combinations[i].name;
    if (std::find(chosen.begin(), chosen.end(), name) != chosen.end()) kept.push_back(i);
  }
  return kept;
}

void TestChosen(const Plan& plan, StudyAnalysis* analysis) {
  RanksAnalysis& ranks = analysis->ranks;
  ranks.chosen = ChosenOf(plan, ranks.combinations);
  if (ranks.chosen.size() < 2) return;
  DatasetScores scores;
  for (const int config : ranks.configs) {
    std::vector<double>& row = scores.emplace_back();
    for (const int i : ranks.chosen) {
      row.push_back(analysis->configs[config].screen.cells[i].score.mean);
    }
  }
  ranks.friedman = FriedmanTest(scores);
  ranks.critical_difference = NemenyiDifference(static_cast<int64_t>(ranks.chosen.size()),
                                                static_cast<int64_t>(ranks.configs.size()));
  ranks.groups = IndistinctGroups(ranks.friedman->ranks, ranks.critical_difference);
}

}  // namespace

void RankOverDatasets(const Plan& plan, StudyAnalysis* analysis) {
  RanksAnalysis& ranks = analysis->ranks;
  ranks.configs = OneOfEachDataset(*analysis);
  if (ranks.configs.size() < 2) {
    ranks.left_out = "The study has one dataset.";
    return;
  }
  ranks.combinations = JudgedEverywhere(*analysis, ranks.configs);
  if (ranks.combinations.size() < 2) {
    ranks.left_out =
        "Fewer than two combinations are finished on all datasets, with predictions of the same "
        "images.";
    return;
  }
  std::vector<std::vector<SeedsByImages>> scores;
  int64_t all = 0;
  for (const int config : ranks.configs) {
    std::vector<SeedsByImages>& of_dataset = scores.emplace_back();
    for (const int i : ranks.combinations) {
      const SeedsByImages& images = analysis->configs[config].screen.cells[i].images;
      all += static_cast<int64_t>(images.size() * images[0].size());
      of_dataset.push_back(images);
    }
  }
  if (all <= kMostScores) ranks.intervals = RankIntervals(scores);
  TestChosen(plan, analysis);
}

}  // namespace pipeline
