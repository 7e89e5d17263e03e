// Result lines and predictions gathered by combination and seed.
#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/statistics/collapse.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/probabilities.h"
#include "pipeline/studies/analysis_parts.h"
#include "pipeline/studies/answers.h"

namespace pipeline {
namespace {

// Beyond so many numbers (seeds x images x combinations) images are not compared one by one.
constexpr int64_t kMaxImageScores = int64_t{1} << 27;

// Of what a stage reports: "metrics.accuracy" for "accuracy", whatever the node is called. A class
// may be called "accuracy" too: its columns are longer.
double Find(const std::map<std::string, double>& values, const std::string& name) {
  const auto plain = values.find("metrics." + name);
  if (plain != values.end()) return plain->second;
  const std::string suffix = "." + name;
  const std::pair<const std::string, double>* found = nullptr;
  for (const auto& value : values) {
    if (!absl::EndsWith(value.first, suffix)) continue;
    if (found == nullptr || value.first.size() < found->first.size()) found = &value;
  }
  return found == nullptr ? kUnknown : found->second;
}

// The runs of one seed, one for each fold.
struct Trained {
  int64_t seed = 0;
  std::vector<const StudyResult*> folds;
  std::vector<RunAnswers> answers;  // of each fold, where all could be read
};

bool OneClassOnly(const Trained& trained) {
  for (size_t i = 0; i < trained.folds.size(); ++i) {
    const StudyResult& run = *trained.folds[i];
    if (Find(run.test, "collapsed") == 1) return true;
    if (Find(run.test, "classes_predicted") < 2) return true;
    if (i < trained.answers.size() && trained.answers[i].answered.size() >= 2 &&
        HasCollapsed(trained.answers[i].answered, Find(run.test, "balanced_accuracy"))) {
      return true;
    }
  }
  return false;
}

// Collects the cells of one config.
class Gatherer {
 public:
  Gatherer(const Plan& plan, const StudyFolder& folder, ConfigAnalysis* analysis)
      : plan_(plan), folder_(folder), analysis_(*analysis) {}

  void Describe(const StudyResult& run) {
    if (!analysis_.dataset.empty() || run.dataset.empty()) return;
    analysis_.dataset = run.dataset;
    analysis_.task = run.task;
    analysis_.masks = run.task == "segmentation";
    analysis_.device = run.device;
    analysis_.precision = run.precision;
    metric_ = MetricOf(plan_.file.study, run.task);
    analysis_.metric = MetricName(metric_);
  }

  void Gather(const std::vector<const StudyResult*>& runs, StageAnalysis* stage, size_t combination,
              int64_t asked) {
    StudyCell& cell = stage->cells[combination];
    cell.asked = asked;
    std::map<int64_t, std::vector<const StudyResult*>> by_seed;
    for (const StudyResult* run : runs) {
      cell.done += run->status == RunStatus::kDone;
      cell.failed += run->status == RunStatus::kFailed;
      cell.stopped += run->status == RunStatus::kStopped;
      cell.epochs = std::max(cell.epochs, run->epochs);
      if (run->status == RunStatus::kFailed && cell.error.empty()) cell.error = run->error;
      analysis_.embedded_sample = analysis_.embedded_sample || run->embedded_sample;
      Describe(*run);
      by_seed[run->seed].push_back(run);
    }
    std::vector<Trained> trained;
    for (const int64_t seed : stage->seeds) {
      const std::vector<const StudyResult*>& of_seed = by_seed[seed];
      AddCurve(of_seed, &cell);
      const bool done = static_cast<int>(of_seed.size()) == std::max(1, plan_.folds) &&
                        std::all_of(of_seed.begin(), of_seed.end(), [](const StudyResult* run) {
                          return run->status == RunStatus::kDone;
                        });
      if (done) trained.push_back({seed, of_seed, {}});
    }
    AverageCurves(&cell);
    for (Trained& one : trained) AddSeed(&one, &cell);
    Summarise(trained, &cell);
  }

 private:
  static void AddCurve(const std::vector<const StudyResult*>& runs, StudyCell* cell) {
    for (const StudyResult* run : runs) {
      if (!run->selected.empty()) cell->curves.push_back(run->selected);
    }
  }

  static void AverageCurves(StudyCell* cell) {
    size_t longest = 0;
    for (const auto& curve : cell->curves) longest = std::max(longest, curve.size());
    for (size_t epoch = 0; epoch < longest; ++epoch) {
      std::vector<double> values;
      for (const auto& curve : cell->curves) {
        if (epoch < curve.size()) values.push_back(curve[epoch]);
      }
      cell->curve.push_back(Mean(values));
    }
  }

  void AddSeed(Trained* trained, StudyCell* cell) {
    const RunAnswers all = ReadImages(trained);
    cell->seeds.push_back(trained->seed);
    cell->collapsed += OneClassOnly(*trained);
    cell->validation.push_back(
        MeanOf(*trained, [&](const StudyResult& run) { return Selected(run); }));
    double score = analysis_.masks ? kUnknown : MeanOf(*trained, [](const StudyResult& run) {
      return Find(run.test, "accuracy");
    });
    if (!all.scores.empty()) score = Mean(all.scores);
    cell->images.push_back(all.scores);
    cell->scores.push_back(score);
    for (size_t i = 0; plan_.folds > 0 && i < trained->folds.size(); ++i) {
      cell->folds.push_back(analysis_.masks && i < trained->answers.size()
                                ? Mean(trained->answers[i].scores)
                                : Find(trained->folds[i]->test, "accuracy"));
    }
  }

  double Selected(const StudyResult& run) const {
    const auto found = run.validation.find(plan_.file.study.select());
    return found == run.validation.end() ? kUnknown : found->second;
  }

  template <class Value>
  static double MeanOf(const Trained& trained, const Value& value) {
    std::vector<double> values;
    for (const StudyResult* run : trained.folds) values.push_back(value(*run));
    return Mean(values);
  }

  // The answers of a seed, if they are of the same images as those of others; else no scores.
  RunAnswers ReadImages(Trained* trained) {
    if (!Affordable()) return {};
    for (const StudyResult* run : trained->folds) {
      absl::StatusOr<RunAnswers> read = ReadAnswers(folder_, *run, metric_, false);
      if (!read.ok()) {
        analysis_.problems.push_back(std::string(read.status().message()));
        trained->answers.clear();
        return {};
      }
      trained->answers.push_back(*std::move(read));
    }
    absl::StatusOr<RunAnswers> joined = Joined(trained->answers);
    const StudyResult& run = *trained->folds[0];
    const std::string name = absl::StrCat("predictions of ", run.combination, ", seed ", run.seed);
    if (!joined.ok()) {
      analysis_.problems.push_back(absl::StrCat(name, ": ", joined.status().message()));
      return {};
    }
    if (analysis_.images.empty()) {
      analysis_.images = joined->paths;
      analysis_.classes = joined->classes;
      labels_ = joined->labels;
      return *std::move(joined);
    }
    if (joined->paths != analysis_.images || joined->labels != labels_) {
      analysis_.problems.push_back(
          absl::StrCat(name, " are of other images or labels than those of earlier runs"));
      return {};
    }
    return *std::move(joined);
  }

  bool Affordable() {
    const auto seeds = static_cast<int64_t>(plan_.seeds.size() + plan_.confirm_seeds.size());
    const auto images = std::max<int64_t>(1000, static_cast<int64_t>(analysis_.images.size()));
    if (static_cast<int64_t>(plan_.combinations.size()) * seeds * images <= kMaxImageScores) {
      return true;
    }
    if (!told_) {
      analysis_.problems.push_back(
          "so many combinations are not compared image by image: by their seeds alone");
    }
    told_ = true;
    return false;
  }

  void Summarise(const std::vector<Trained>& trained, StudyCell* cell) const {
    cell->score = Over(cell->scores);
    cell->selected = Over(cell->validation);
    const auto over = [&](const char* name) {
      std::vector<double> values;
      for (const Trained& one : trained) {
        values.push_back(MeanOf(one, [&](const StudyResult& run) { return Find(run.test, name); }));
      }
      return Over(values);
    };
    cell->accuracy = over("accuracy");
    cell->balanced_accuracy = over("balanced_accuracy");
    cell->macro_f1 = over("macro_f1");
    cell->weighted_precision = over("weighted_precision");
    cell->weighted_recall = over("weighted_recall");
    cell->weighted_f1 = over("weighted_f1");
    cell->mean_iou = over("mean_iou_present");
    cell->mean_dice = over("mean_dice_present");
    cell->majority =
        over(analysis_.masks && metric_ != Study::ACCURACY ? "mean_iou_present_majority"
                                                           : "majority_baseline");
    std::vector<double> losses, seconds;
    for (const Trained& one : trained) {
      losses.push_back(MeanOf(one, [](const StudyResult& run) {
        const auto found = run.test.find("loss.total");
        return found != run.test.end() ? found->second : Find(run.test, "total");
      }));
      double sum = 0;
      for (const StudyResult* run : one.folds) sum += run->seconds;
      seconds.push_back(sum);
    }
    cell->loss = Over(losses);
    cell->seconds = Over(seconds);
  }

  const Plan& plan_;
  const StudyFolder& folder_;
  ConfigAnalysis& analysis_;
  Study::Metric metric_ = Study::ACCURACY;
  std::vector<std::string> labels_;
  bool told_ = false;
};

// The place of each stopped combination among all that came as far, by VAL there.
void RankStopped(StageAnalysis* stage) {
  for (StudyCell& cell : stage->cells) {
    if (cell.stopped == 0 || cell.curve.empty()) continue;
    const size_t epoch = cell.curve.size() - 1;
    cell.stopped_rank = 1;
    for (const StudyCell& other : stage->cells) {
      if (other.curve.size() <= epoch) continue;
      ++cell.stopped_among;
      if (Comparable(other.curve[epoch]) > Comparable(cell.curve[epoch])) ++cell.stopped_rank;
    }
  }
}

}  // namespace

OverSeeds Over(const std::vector<double>& values) {
  std::vector<double> known;
  for (const double value : values) {
    if (!std::isnan(value)) known.push_back(value);
  }
  OverSeeds over;
  over.count = static_cast<int64_t>(known.size());
  // In more digits: the mean of 0.6, 0.7 and 0.8 is 0.7.
  long double sum = 0;
  for (const double value : known) sum += value;
  if (!known.empty()) over.mean = static_cast<double>(sum / static_cast<long double>(known.size()));
  if (known.size() >= 2) over.deviation = StandardDeviation(known);
  return over;
}

void FillCells(const Plan& plan, const StudyFolder& folder, const std::vector<StudyResult>& results,
               int config, ConfigAnalysis* analysis) {
  analysis->name = plan.configs[config];
  std::map<std::pair<StudyStage, std::string>, std::vector<const StudyResult*>> runs;
  for (const StudyResult& result : results) {
    if (result.config != analysis->name) continue;
    runs[{result.stage, result.combination}].push_back(&result);
  }
  Gatherer gatherer(plan, folder, analysis);
  const int64_t folds = std::max(1, plan.folds);
  for (const StudyStage which : {StudyStage::kScreen, StudyStage::kConfirm}) {
    const bool screen = which == StudyStage::kScreen;
    StageAnalysis& stage = screen ? analysis->screen : analysis->confirm;
    stage.stage = which;
    stage.seeds = screen ? plan.seeds : plan.confirm_seeds;
    stage.cells.resize(plan.combinations.size());
    for (size_t i = 0; i < plan.combinations.size(); ++i) {
      const auto& of_cell = runs[{which, plan.combinations[i].name}];
      const int64_t asked =
          screen || !of_cell.empty() ? folds * static_cast<int64_t>(stage.seeds.size()) : 0;
      gatherer.Gather(of_cell, &stage, i, asked);
    }
    RankStopped(&stage);
    for (const StudyCell& cell : stage.cells) {
      if (std::isnan(analysis->majority)) analysis->majority = cell.majority.mean;
    }
  }
}

std::vector<int> FinishedOf(const StageAnalysis& stage) {
  std::vector<int> finished;
  for (size_t i = 0; i < stage.cells.size(); ++i) {
    if (stage.cells[i].finished()) finished.push_back(static_cast<int>(i));
  }
  return finished;
}

std::vector<int> JudgedByImage(const StageAnalysis& stage) {
  std::vector<int> judged;
  for (const int i : FinishedOf(stage)) {
    const SeedsByImages& images = stage.cells[i].images;
    const bool known =
        std::none_of(images.begin(), images.end(), [](const auto& row) { return row.empty(); });
    if (known) judged.push_back(i);
  }
  return judged;
}

}  // namespace pipeline
