// What choosing the best promises too much, what each loss adds, and what halving would have cost.
#include "pipeline/statistics/effects.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "pipeline/studies/analysis_parts.h"

namespace pipeline {
namespace {

// The cost of a pair of recipes is all their images.
constexpr size_t kMostPaired = 200;

std::vector<std::vector<double>> Rows(const StageAnalysis& stage, const std::vector<int>& which,
                                      std::vector<double> StudyCell::*values) {
  std::vector<std::vector<double>> rows;
  for (const int i : which) rows.push_back(stage.cells[i].*values);
  return rows;
}

bool AllKnown(const std::vector<std::vector<double>>& rows) {
  return std::all_of(rows.begin(), rows.end(), [](const std::vector<double>& row) {
    return std::none_of(row.begin(), row.end(), [](double one) { return std::isnan(one); });
  });
}

std::vector<double> MeanOverSeeds(const SeedsByImages& images) {
  std::vector<double> means(images.at(0).size(), 0);
  for (const std::vector<double>& row : images) {
    for (size_t i = 0; i < row.size(); ++i) means[i] += row[i];
  }
  for (double& mean : means) mean /= static_cast<double>(images.size());
  return means;
}

void MeasureDiscordance(const StageAnalysis& stage, const std::vector<int>& judged,
                        int64_t candidates, OptimismAnalysis* optimism) {
  std::vector<std::vector<bool>> right;
  for (size_t j = 0; j < std::min(judged.size(), kMostPaired); ++j) {
    std::vector<bool> row;
    for (const double score : stage.cells[judged[j]].images[0]) row.push_back(score > 0.5);
    right.push_back(std::move(row));
  }
  const auto images = static_cast<int64_t>(right[0].size());
  optimism->discordant = DiscordantShare(right);
  optimism->best_of_equals = OptimismOfBest(candidates, optimism->discordant, images);
  optimism->detectable = DetectableDifference(optimism->discordant, images);
}

// Which losses each finished recipe sums; the losses' names in the order in which they come.
struct Design {
  std::vector<int> recipes;
  LossSets sets;
  std::vector<std::string> losses;
  std::vector<SeedsByImages> scores;  // of each recipe
};

Design DesignOf(const Plan& plan, const StageAnalysis& stage, const std::vector<int>& recipes) {
  Design design;
  for (const Combination& one : plan.combinations) {
    for (const std::string& loss : one.losses()) {
      if (std::find(design.losses.begin(), design.losses.end(), loss) == design.losses.end()) {
        design.losses.push_back(loss);
      }
    }
  }
  for (const int i : recipes) {
    std::vector<int> set;
    for (const std::string& loss : plan.combinations[i].losses()) {
      set.push_back(static_cast<int>(std::find(design.losses.begin(), design.losses.end(), loss) -
                                     design.losses.begin()));
    }
    std::sort(set.begin(), set.end());
    design.recipes.push_back(i);
    design.sets.push_back(std::move(set));
    design.scores.push_back(stage.cells[i].images);
  }
  return design;
}

LossEffect EffectOf(const std::string& name, const LinearForm& form, const Design& design) {
  LossEffect effect;
  effect.name = name;
  effect.interval = CrossedAnova(Apply(form, design.scores));
  effect.effect = effect.interval.mean;
  effect.p = MainP(effect.interval);
  return effect;
}

void Adjust(std::vector<LossEffect>* effects) {
  std::vector<double> p;
  for (const LossEffect& one : *effects) p.push_back(std::isnan(one.p) ? 1 : one.p);
  if (p.empty()) return;
  const std::vector<double> adjusted = HolmAdjusted(p);
  for (size_t i = 0; i < p.size(); ++i) (*effects)[i].holm = adjusted[i];
}

std::vector<LossEffect> AdditiveOf(const Design& design) {
  std::vector<LossEffect> effects;
  const auto model = AdditiveModel(design.sets, static_cast<int>(design.losses.size()));
  if (!model.has_value()) return effects;
  for (size_t i = 0; i < design.losses.size(); ++i) {
    effects.push_back(EffectOf(design.losses[i], model->losses[i], design));
  }
  Adjust(&effects);
  return effects;
}

std::vector<LossEffect> InteractionsOf(const Design& design) {
  std::vector<LossEffect> effects;
  const auto model = PairwiseModel(design.sets, static_cast<int>(design.losses.size()));
  // With few degrees left a model of pairs fits anything.
  if (!model.has_value() || model->residual_degrees < static_cast<int64_t>(design.losses.size())) {
    return effects;
  }
  for (size_t i = 0; i < model->pairs.size(); ++i) {
    const auto [a, b] = model->pairs[i];
    effects.push_back(EffectOf(absl::StrCat(design.losses[a], " with ", design.losses[b]),
                               model->interactions[i], design));
  }
  Adjust(&effects);
  return effects;
}

std::string WhyNoEffects(const Plan& plan, const StageAnalysis& stage,
                         const std::vector<int>& judged) {
  const bool fusions = std::all_of(
      plan.combinations.begin(), plan.combinations.end(),
      [](const Combination& one) { return one.values.size() == 1 && !one.losses().empty(); });
  if (!fusions) return "Combinations are not fusions alone.";
  const auto stopped = [](const StudyCell& cell) { return cell.stopped > 0; };
  if (std::any_of(stage.cells.begin(), stage.cells.end(), stopped)) {
    return "Halving stopped combinations because they were behind: what is left is no fair sample "
           "of them.";
  }
  if (judged.size() < 3) {
    return "Fewer than three combinations are finished, with predictions of the same images.";
  }
  return "";
}

std::vector<int64_t> RungsOf(const Plan& plan, int64_t epochs) {
  const Halving& halving = plan.file.study.budget().halving();
  std::vector<int64_t> rungs;
  for (const int32_t rung : halving.epochs()) {
    if (rung < epochs) rungs.push_back(rung);
  }
  for (int64_t rung = 1; halving.epochs().empty() && rung < epochs; rung *= 3) {
    rungs.push_back(rung);
  }
  rungs.push_back(epochs);
  return rungs;
}

// Draws of as many seeds as there are, while they can be listed.
int DrawnSeeds(size_t seeds) { return seeds <= 8 ? static_cast<int>(seeds) : 1; }

}  // namespace

void MeasureOptimism(const Plan& plan, ConfigAnalysis* analysis) {
  const StageAnalysis& stage = analysis->screen;
  OptimismAnalysis& optimism = analysis->optimism;
  const std::vector<int> finished = FinishedOf(stage), judged = JudgedByImage(stage);
  if (judged.size() >= 2 && !analysis->masks) {
    MeasureDiscordance(stage, judged, static_cast<int64_t>(plan.combinations.size()), &optimism);
  }
  if (finished.size() < 2) return;
  const auto validation = Rows(stage, finished, &StudyCell::validation);
  const auto test = Rows(stage, finished, &StudyCell::scores);
  if (AllKnown(validation) && AllKnown(test)) {
    optimism.recipes = finished;
    optimism.nested = SelectNested(validation, test);
  }
  if (judged.size() < 2) return;
  std::vector<std::vector<double>> scores;
  for (const int i : judged) scores.push_back(MeanOverSeeds(stage.cells[i].images));
  optimism.bias_recipes = judged;
  if (judged.size() <= kMostPaired) optimism.bias = BootstrapSelection(scores);
}

void EstimateEffects(const Plan& plan, ConfigAnalysis* analysis) {
  const StageAnalysis& stage = analysis->screen;
  EffectsAnalysis& effects = analysis->effects;
  const std::vector<int> judged = JudgedByImage(stage);
  effects.left_out = WhyNoEffects(plan, stage, judged);
  if (!effects.left_out.empty()) return;
  const Design design = DesignOf(plan, stage, judged);
  for (size_t loss = 0; loss < design.losses.size(); ++loss) {
    const MatchedEffect matched = MatchedDifference(design.sets, static_cast<int>(loss));
    if (matched.pairs == 0) continue;
    effects.matched.push_back(EffectOf(design.losses[loss], matched.form, design));
    effects.matched.back().pairs = matched.pairs;
  }
  Adjust(&effects.matched);
  if (effects.matched.empty()) {
    effects.left_out = "No two finished combinations differ by one loss.";
    return;
  }
  effects.additive = AdditiveOf(design);
  effects.interactions = InteractionsOf(design);
  std::vector<int> sound;
  for (const int i : judged) {
    if (stage.cells[i].collapsed == 0) sound.push_back(i);
  }
  effects.collapsed = static_cast<int64_t>(judged.size() - sound.size());
  if (effects.collapsed > 0 && sound.size() >= 3) {
    effects.additive_without_collapsed = AdditiveOf(DesignOf(plan, stage, sound));
  }
}

void ReplayStudy(const Plan& plan, ConfigAnalysis* analysis) {
  const StageAnalysis& stage = analysis->screen;
  int64_t epochs = 0;
  bool whole = plan.folds == 0 && stage.cells.size() >= 3;
  for (const StudyCell& cell : stage.cells) {
    whole = whole && cell.finished() && cell.curves.size() == stage.seeds.size();
    epochs = std::max(epochs, cell.epochs);
  }
  if (!whole || epochs < 2) return;
  HalvingAnalysis& halving = analysis->halving;
  halving.rungs = RungsOf(plan, epochs);
  halving.eta = plan.file.study.budget().halving().keep_one_of();
  halving.entering = RungSizes(static_cast<int64_t>(stage.cells.size()), halving.eta,
                               static_cast<int64_t>(halving.rungs.size()));
  halving.cost = CostOf(halving.entering, halving.rungs);
  std::vector<std::vector<std::vector<double>>> validation;
  for (const StudyCell& cell : stage.cells) {
    std::vector<std::vector<double>>& of_cell = validation.emplace_back();
    for (size_t s = 0; s < cell.curves.size(); ++s) {
      std::vector<double>& of_seed = of_cell.emplace_back();
      for (const int64_t rung : halving.rungs) {
        // A run that stopped by itself stays where it was.
        const size_t at = std::min<size_t>(rung, cell.curves[s].size()) - 1;
        of_seed.push_back(rung == epochs ? cell.validation[s] : cell.curves[s][at]);
      }
      if (!AllKnown({of_seed})) return;
    }
  }
  halving.replay = ReplayHalving(validation, halving.entering, DrawnSeeds(stage.seeds.size()));
}

}  // namespace pipeline
