// The verb `calibrate`: a run's probabilities put right, and what that does on TEST.
#include <gflags/gflags.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/files.h"
#include "pipeline/runs/calibration.h"
#include "pipeline/workspace.h"

DEFINE_string(method, "temperature", "");

namespace pipeline {
namespace {

// Images of VAL, below which a calibration is mostly chance.
constexpr int64_t kFew = 100;

void PrintEffect(const FittedCalibration& fitted) {
  const CalibrationEffect &before = *fitted.before, &after = *fitted.after;
  absl::PrintF("%-28s  %8s  %8s\n", absl::StrCat("TEST, ", fitted.test, " images"), "before",
               "after");
  const auto row = [](const char* name, double was, double is) {
    absl::PrintF("%-28s  %8.4f  %8.4f\n", name, was, is);
  };
  row("accuracy", before.scores.accuracy, after.scores.accuracy);
  row("negative log likelihood", before.scores.nll, after.scores.nll);
  row("Brier score", before.scores.brier, after.scores.brier);
  row("calibration error (ECE)", before.scores.ece, after.scores.ece);
  row("ECE, bins of equal mass", before.scores.ece_equal_mass, after.scores.ece_equal_mass);
  row("worst bin (MCE)", before.scores.mce, after.scores.mce);
  row("sets for 90 %: coverage", before.sets.coverage, after.sets.coverage);
  row("sets for 90 %: classes", before.sets.mean_size, after.sets.mean_size);
}

void PrintFitted(const Run& run, const FittedCalibration& fitted) {
  const Calibration& calibration = fitted.calibration;
  std::string what = "weights and biases";
  if (calibration.method == "temperature") {
    const double temperature = TemperatureOf(calibration.scaling);
    const char* meaning = temperature > 1 ? "it was too sure" : "it was not sure enough";
    what = absl::StrFormat("temperature %.4g (%s)", temperature, meaning);
  }
  absl::PrintF("%s: %s, fitted on %d images of VAL\n", Shown(run.path()), what, fitted.val);
  if (run.data().embedded_sample) {
    std::puts("note: of the embedded sample, which stood in for data that were not there");
  }
  if (fitted.val < kFew) {
    absl::PrintF("note: VAL is small; below %d images a calibration is mostly chance\n", kFew);
  }
  if (fitted.before.has_value()) {
    PrintEffect(fitted);
  } else {
    std::puts("note: TEST has no image to measure it on");
  }
}

int Calibrate(const CommandLine& line) {
  if (line.words.size() != 1) {
    return Complain(absl::InvalidArgumentError(
                        "calibrate takes one run: its folder, or a config whose last run is meant"),
                    kMistake);
  }
  if (FLAGS_method != "temperature" && FLAGS_method != "vector") {
    return Complain(absl::InvalidArgumentError(absl::StrCat("--method=", FLAGS_method,
                                                            ": there are temperature and vector")),
                    kMistake);
  }
  const absl::StatusOr<Run> run = OpenRun(line.words[0], {});
  if (!run.ok()) return Complain(run.status(), kMistake);
  const absl::StatusOr<FittedCalibration> fitted = FitCalibration(*run, FLAGS_method);
  if (!fitted.ok()) return Complain(fitted.status(), kMistake);
  const std::string text = CalibrationText(*run, *fitted), path = run->File("calibration.json");
  const absl::Status written = WriteFileAtomically(path, text);
  if (!written.ok()) return Complain(written, kFailure);
  if (FLAGS_json) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  PrintFitted(*run, *fitted);
  absl::PrintF("%s\n", Shown(path));
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "calibrate",
    .arguments = "RUN",
    .help = "makes a run's probabilities honest: fitted on VAL, measured on TEST\n"
            "RUN is its folder, or a config whose last run is meant. Reads predictions.csv\n"
            "there and writes calibration.json, which `predict --calibrated` uses. No image\n"
            "is read and no weight changes.",
    .flags = {{"method", "NAME",
               "temperature (one number; answers stay) or vector (two numbers\n"
               "a class; answers may change); default: temperature"},
              {"json", "", "print calibration.json instead of a table"}},
    .run = Calibrate,
});

}  // namespace pipeline
