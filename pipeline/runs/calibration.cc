// Calibration of a run from its predictions.
#include "pipeline/runs/calibration.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cmath>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/runs/predictions.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kFile[] = "calibration.json", kPredictions[] = "predictions.csv";
constexpr int kFormat = 1;
constexpr size_t kMaxBytes = size_t{1} << 24, kMaxPredictions = size_t{1} << 30;

// Samples of a phase whose class is known.
struct Samples {
  Probabilities probabilities;
  std::vector<int> labels;
};

std::string HashOf(const std::string& text) {
  return absl::StrFormat("%016x", XXH3_64bits(text.data(), text.size()));
}

// As predictions.csv spells them.
std::vector<std::string> NamesOf(const Run& run, size_t count) {
  std::vector<std::string> names = ClassNames(run.data().classes, static_cast<int64_t>(count));
  for (std::string& name : names) name = ValidUtf8(name);
  return names;
}

absl::StatusOr<Samples> SamplesOf(const Predictions& predictions,
                                  const std::vector<std::string>& classes, Phase phase) {
  std::map<std::string, int> number;
  for (size_t c = 0; c < classes.size(); ++c) number.emplace(classes[c], static_cast<int>(c));
  Samples samples;
  for (const Prediction& row : predictions.rows) {
    if (row.phase != phase || row.label.empty()) continue;
    const auto label = number.find(row.label);
    if (label == number.end()) {
      return absl::DataLossError(
          absl::StrCat(row.path, " is of class \"", row.label, "\", which run.json does not name"));
    }
    double sum = 0;
    for (const double p : row.probabilities) sum += p;
    if (!(std::abs(sum - 1) < 1e-3)) {
      return absl::DataLossError(
          absl::StrCat("the probabilities of ", row.path, " do not sum to 1"));
    }
    samples.probabilities.push_back(row.probabilities);
    samples.labels.push_back(label->second);
  }
  return samples;
}

// nlohmann writes NaN as null.
Json ToJson(const CalibrationEffect& effect) {
  const CalibrationScores& scores = effect.scores;
  return {
      {"accuracy", scores.accuracy},
      {"negative_log_likelihood", scores.nll},
      {"brier", scores.brier},
      {"ece", scores.ece},
      {"ece_equal_mass", scores.ece_equal_mass},
      {"mce", scores.mce},
      {"conformal_coverage", effect.sets.coverage},
      {"conformal_mean_size", effect.sets.mean_size},
      {"conformal_empty", effect.sets.empty},
  };
}

std::vector<double> NumbersOf(const Json& json) {
  std::vector<double> numbers = json.get<std::vector<double>>();
  for (const double number : numbers) {
    if (!std::isfinite(number)) throw std::invalid_argument("holds a number that is not finite");
  }
  return numbers;
}

// Throws nlohmann's exceptions, and std::invalid_argument.
Calibration CalibrationOf(const Json& json) {
  Calibration calibration;
  calibration.method = json.at("method");
  calibration.classes = json.at("classes").get<std::vector<std::string>>();
  calibration.scaling.weight = NumbersOf(json.at("weight"));
  calibration.scaling.bias = NumbersOf(json.at("bias"));
  calibration.threshold = json.at("conformal").at("threshold").get<double>();
  const size_t classes = calibration.classes.size();
  if (classes != calibration.scaling.weight.size() || classes != calibration.scaling.bias.size()) {
    throw std::invalid_argument("has not one weight and one bias for each class");
  }
  return calibration;
}

}  // namespace

absl::StatusOr<FittedCalibration> FitCalibration(const Run& run, const std::string& method) {
  if (run.data().task == Task::kSegmentation) {
    return absl::FailedPreconditionError(
        absl::StrCat(run.path(),
                     " predicts masks, and calibrate fits the probabilities of whole images; for "
                     "masks, train with the term [losses/Calibration] {}"));
  }
  std::error_code error;
  if (!std::filesystem::exists(run.File(kPredictions), error)) {
    return absl::NotFoundError(
        absl::StrCat(run.path(), " has no ", kPredictions, ", which a training writes at its end"));
  }
  const absl::StatusOr<std::string> text = ReadFile(run.File(kPredictions), kMaxPredictions);
  if (!text.ok()) return text.status();
  const absl::StatusOr<Predictions> predictions = ParsePredictions(*text);
  if (!predictions.ok()) {
    return absl::DataLossError(
        absl::StrCat(run.File(kPredictions), ": ", predictions.status().message()));
  }
  FittedCalibration fitted;
  fitted.predictions = HashOf(*text);
  Calibration& calibration = fitted.calibration;
  calibration.method = method;
  calibration.classes = NamesOf(run, predictions->columns.size());
  const absl::StatusOr<Samples> val = SamplesOf(*predictions, calibration.classes, VAL);
  const absl::StatusOr<Samples> test = SamplesOf(*predictions, calibration.classes, TEST);
  for (const auto* samples : {&val, &test}) {
    if (samples->ok()) continue;
    return absl::DataLossError(
        absl::StrCat(run.File(kPredictions), ": ", samples->status().message()));
  }
  if (val->labels.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(run.path(),
                     " has no image of VAL, on which a calibration is fitted (TEST must stay "
                     "unseen); train with a split that has one"));
  }
  fitted.val = static_cast<int64_t>(val->labels.size());
  fitted.test = static_cast<int64_t>(test->labels.size());
  calibration.scaling = method == "vector" ? FitVector(val->probabilities, val->labels)
                                           : FitTemperature(val->probabilities, val->labels);
  const auto effect = [&](const Probabilities& on_val, const Probabilities& on_test) {
    calibration.threshold = ConformalThreshold(on_val, val->labels, kConformalLevel);
    return CalibrationEffect{CalibrationScoresOf(on_test, test->labels),
                             SetScoresOf(on_test, test->labels, calibration.threshold)};
  };
  const CalibrationEffect before = effect(val->probabilities, test->probabilities);
  const CalibrationEffect after = effect(calibration.scaling.Apply(val->probabilities),
                                         calibration.scaling.Apply(test->probabilities));
  if (fitted.test == 0) return fitted;
  fitted.before = before;
  fitted.after = after;
  return fitted;
}

std::string CalibrationText(const Run& run, const FittedCalibration& fitted) {
  const Calibration& calibration = fitted.calibration;
  const DataInfo& data = run.data();
  Json json = {{"format", kFormat}, {"method", calibration.method}};
  if (calibration.method == "temperature") {
    json["temperature"] = TemperatureOf(calibration.scaling);
  }
  json["classes"] = calibration.classes;
  json["weight"] = calibration.scaling.weight;
  json["bias"] = calibration.scaling.bias;
  json["conformal"] = {{"level", kConformalLevel}, {"threshold", calibration.threshold}};
  json["dataset"] = data.dataset;
  json["data"] = data.origin;
  json["embedded_sample"] = data.embedded_sample;
  json["split"] = data.split;
  json["predictions"] = fitted.predictions;
  json["val_images"] = fitted.val;
  json["test_images"] = fitted.test;
  json["test"] = nullptr;
  if (fitted.before.has_value()) {
    json["test"] = {{"before", ToJson(*fitted.before)}, {"after", ToJson(*fitted.after)}};
  }
  return JsonText(json);
}

absl::StatusOr<Calibration> LoadCalibration(const Run& run) {
  const std::string path = run.File(kFile);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(
        absl::StrCat(run.path(), " has no ", kFile, "; `calibrate ", run.path(), "` makes it"));
  }
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes);
  if (!text.ok()) return text.status();
  const Json json = ParseJson(*text);
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    return absl::DataLossError(absl::StrCat(path, " is no calibration of format ", kFormat));
  }
  const std::string again = absl::StrCat("; run `calibrate ", run.path(), "` again");
  try {
    Calibration calibration = CalibrationOf(json);
    const size_t classes = calibration.classes.size();
    if (NamesOf(run, classes) != calibration.classes || run.data().classes.size() > classes) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is of other classes than the run", again));
    }
    const absl::StatusOr<std::string> now = ReadFile(run.File(kPredictions), kMaxPredictions);
    if (now.ok() && json.at("predictions") != HashOf(*now)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is of other predictions than the run has now", again));
    }
    return calibration;
  } catch (const std::exception& wrong) {
    return absl::DataLossError(absl::StrCat(path, ": ", wrong.what()));
  }
}

}  // namespace pipeline
