// Scores from counts and from single answers.
#include "pipeline/report/judgement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "pipeline/statistics/paired.h"

namespace pipeline {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double Ratio(int64_t of, int64_t all) {
  return all == 0 ? kUndefined : static_cast<double>(of) / static_cast<double>(all);
}

Confusion ConfusionOf(const std::vector<int>& labels, const std::vector<int>& answers,
                      const std::vector<int64_t>& samples, size_t classes) {
  Confusion counts(classes, std::vector<int64_t>(classes));
  for (const int64_t i : samples) ++counts[labels[i]][answers[i]];
  return counts;
}

void TakeRatios(ClassScores* one) {
  one->precision = Ratio(one->right, one->predicted);
  one->recall = Ratio(one->right, one->truth);
  one->f1 = Ratio(2 * one->right, one->truth + one->predicted);
  one->iou = Ratio(one->right, one->truth + one->predicted - one->right);
}

// Without names, and without the squared number of classes that a confusion matrix has.
std::vector<ClassScores> CountedByClass(const std::vector<int>& labels,
                                        const std::vector<int>& answers,
                                        const std::vector<int64_t>& samples, size_t classes) {
  std::vector<ClassScores> all(classes);
  for (const int64_t i : samples) {
    ++all[labels[i]].truth;
    ++all[answers[i]].predicted;
    all[labels[i]].right += labels[i] == answers[i];
  }
  for (ClassScores& one : all) TakeRatios(&one);
  return all;
}

double MeanDefined(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kUndefined : sum / static_cast<double>(count);
}

// The interval of what one says of samples.
Interval IntervalOf(size_t samples, size_t classes, const DifferenceOn& score,
                    BootstrapOptions options) {
  options.resamples = ResamplesFor(samples + classes);
  // Leaving each out in turn costs samples^2.
  if (samples > 5000) options.kind = IntervalKind::kPercentile;
  const BootstrapInterval interval = PairedBootstrap(static_cast<int64_t>(samples), score, options);
  return {interval.difference, interval.low, interval.high};
}

void TakeIntervals(size_t classes, Judgement* judgement) {
  const std::vector<int>&labels = judgement->labels, &answers = judgement->answers;
  if (labels.empty()) return;
  BootstrapOptions options;
  judgement->intervals["accuracy"] = IntervalOf(
      labels.size(), classes,
      [&](const std::vector<int64_t>& samples) { return AccuracyOf(labels, answers, samples); },
      options);
  // Of means over classes: within each class, so that none is ever missing.
  options.kind = IntervalKind::kBca;
  std::vector<std::vector<int64_t>> by_class(classes);
  for (size_t i = 0; i < labels.size(); ++i) by_class[labels[i]].push_back(static_cast<int64_t>(i));
  for (std::vector<int64_t>& samples : by_class) {
    if (!samples.empty()) options.strata.push_back(std::move(samples));
  }
  judgement->intervals["balanced_accuracy"] = IntervalOf(
      labels.size(), classes,
      [&](const std::vector<int64_t>& samples) {
        return BalancedAccuracyOf(labels, answers, samples, classes);
      },
      options);
  judgement->intervals["macro_f1"] = IntervalOf(
      labels.size(), classes,
      [&](const std::vector<int64_t>& samples) {
        return MacroF1Of(labels, answers, samples, classes);
      },
      options);
}

// Means over images of what is said of each mask.
void TakeMaskIntervals(const std::vector<const Prediction*>& rows, Judgement* judgement) {
  const std::pair<const char*, double Prediction::*> kScores[] = {
      {"accuracy", &Prediction::accuracy},
      {"mean_iou", &Prediction::mean_iou},
      {"mean_dice", &Prediction::mean_dice}};
  for (const auto& [name, member] : kScores) {
    std::vector<double> values;
    for (const Prediction* row : rows) {
      if (!std::isnan(row->*member)) values.push_back(row->*member);
    }
    if (values.empty()) continue;
    judgement->intervals[name] = IntervalOf(values.size(), 1,
                                            [&](const std::vector<int64_t>& samples) {
                                              double sum = 0;
                                              for (const int64_t i : samples) sum += values[i];
                                              return sum / static_cast<double>(samples.size());
                                            },
                                            {});
  }
}

// The epoch of the weights that were kept, as far as can be told.
int64_t KeptEpoch(const RunRecord& record) {
  if (record.ending.has_value() && record.ending->best_epoch > 0) return record.ending->best_epoch;
  int64_t last = 0;
  for (const Passes::Row& row : record.passes.rows) last = std::max(last, row.epoch);
  return last;
}

}  // namespace

std::vector<ClassScores> ScoresByClass(const Confusion& confusion,
                                       const std::vector<std::string>& classes) {
  std::vector<ClassScores> all(confusion.size());
  for (size_t i = 0; i < confusion.size(); ++i) {
    all[i].name = i < classes.size() ? classes[i] : absl::StrCat(i);
    all[i].right = confusion[i][i];
    for (size_t j = 0; j < confusion.size(); ++j) {
      all[i].truth += confusion[i][j];
      all[j].predicted += confusion[i][j];
    }
  }
  for (ClassScores& one : all) TakeRatios(&one);
  return all;
}

double AccuracyOf(const std::vector<int>& labels, const std::vector<int>& answers,
                  const std::vector<int64_t>& samples) {
  int64_t right = 0;
  for (const int64_t i : samples) right += labels[i] == answers[i];
  return Ratio(right, static_cast<int64_t>(samples.size()));
}

double BalancedAccuracyOf(const std::vector<int>& labels, const std::vector<int>& answers,
                          const std::vector<int64_t>& samples, size_t classes) {
  std::vector<double> recalls;
  for (const ClassScores& one : CountedByClass(labels, answers, samples, classes)) {
    recalls.push_back(one.recall);
  }
  return MeanDefined(recalls);
}

double MacroF1Of(const std::vector<int>& labels, const std::vector<int>& answers,
                 const std::vector<int64_t>& samples, size_t classes) {
  std::vector<double> scores;
  for (const ClassScores& one : CountedByClass(labels, answers, samples, classes)) {
    scores.push_back(one.f1);
  }
  return MeanDefined(scores);
}

std::vector<int64_t> AllSamples(size_t count) {
  std::vector<int64_t> samples(count);
  std::iota(samples.begin(), samples.end(), 0);
  return samples;
}

int64_t ResamplesFor(size_t steps) {
  constexpr int64_t kDraws = 20'000'000;
  return std::clamp<int64_t>(kDraws / static_cast<int64_t>(steps + 1), 199, 9999);
}

double Judgement::Value(const std::string& name) const {
  const auto found = values.find(name);
  return found == values.end() ? kUndefined : found->second;
}

void TakeAnswers(const RunRecord& record, Phase phase, Judgement* judgement) {
  if (!record.predictions.has_value() || record.predictions->masks) return;
  std::map<std::string, int> by_name;
  for (size_t i = 0; i < record.classes.size(); ++i) {
    by_name.emplace(record.classes[i], static_cast<int>(i));
  }
  for (const Prediction* row : record.Of(phase)) {
    const auto label = by_name.find(row->label), answer = by_name.find(row->predicted);
    if (label == by_name.end() || answer == by_name.end() ||
        row->probabilities.size() != record.classes.size()) {
      continue;
    }
    judgement->rows.push_back(row);
    judgement->labels.push_back(label->second);
    judgement->answers.push_back(answer->second);
    judgement->probabilities.push_back(row->probabilities);
  }
}

Judgement JudgementOf(const RunRecord& record) {
  Judgement judgement;
  judgement.phase = record.JudgedPhase();
  judgement.epoch = KeptEpoch(record);
  const bool tested = record.ending.has_value() && record.ending->tested;
  if (tested) {
    judgement.values = record.ending->test;
    judgement.confusion = record.ending->confusion;
  } else {
    for (const std::string& column : record.passes.columns) {
      if (record.metrics_prefix.empty() || column.rfind(record.metrics_prefix, 0) != 0) continue;
      const double value = record.passes.Value(judgement.phase, judgement.epoch, column);
      if (!std::isnan(value)) judgement.values[column.substr(record.metrics_prefix.size())] = value;
    }
  }
  TakeAnswers(record, judgement.phase, &judgement);
  const size_t classes = record.classes.size();
  if (judgement.confusion.empty() && !judgement.labels.empty()) {
    judgement.confusion = ConfusionOf(judgement.labels, judgement.answers,
                                      AllSamples(judgement.labels.size()), classes);
  }
  judgement.classes = ScoresByClass(judgement.confusion, record.classes);
  TakeIntervals(classes, &judgement);
  // A class's curve sorts all samples.
  constexpr size_t kMostRanked = 30'000'000;
  if (!judgement.labels.empty() && classes * judgement.labels.size() <= kMostRanked) {
    judgement.ranking = OneVsRestOf(judgement.probabilities, judgement.labels);
  }
  if (record.predictions.has_value() && record.predictions->masks) {
    TakeMaskIntervals(record.Of(judgement.phase), &judgement);
  }
  return judgement;
}

double EntropyOf(const std::vector<double>& probabilities) {
  double entropy = 0;
  for (const double p : probabilities) {
    if (p > 0) entropy -= p * std::log(p);
  }
  return entropy;
}

}  // namespace pipeline
