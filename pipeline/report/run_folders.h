// Run folders made by hand, for tests.
#ifndef PIPELINE_REPORT_RUN_FOLDERS_H_
#define PIPELINE_REPORT_RUN_FOLDERS_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/csv.h"
#include "pipeline/report/record.h"

namespace pipeline {

inline std::string FolderOf(const std::string& name) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/", name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline size_t CountIn(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Of three classes: 12 test images, of which image i of class c is answered by answers[4 c + i].
struct MadeRun {
  std::vector<std::string> classes = {"cat", "dog", "owl"};
  std::vector<int> answers = {0, 0, 0, 1, 1, 1, 0, 1, 2, 2, 2, 0};
  double sure = 0.8;  // probability of each answer
  bool predictions = true;
  std::string path = "img";  // what image names begin with

  nlohmann::ordered_json Summary() const {
    std::vector<std::vector<int>> confusion(3, std::vector<int>(3));
    int right = 0;
    for (int i = 0; i < 12; ++i) {
      ++confusion[i / 4][answers[i]];
      right += i / 4 == answers[i];
    }
    return {{"config", "made"},
            {"dataset", "pets"},
            {"data", "/nowhere/pets"},
            {"embedded_sample", false},
            {"task", "multiclass"},
            {"model", "cnn"},
            {"activation", "relu"},
            {"losses", {"focal", "dice"}},
            {"classes", classes},
            {"split", "by seed 0"},
            {"duplicates", nlohmann::ordered_json::object()},
            {"skipped", nlohmann::ordered_json::array()},
            {"train_images", 30},
            {"val_images", 6},
            {"test_images", 12},
            {"epochs", 3},
            {"steps", 12},
            {"best_epoch", 2},
            {"weights_of", "best epoch by metrics.macro_f1"},
            {"stopped", nullptr},
            {"seed", 7},
            {"device", "cpu"},
            {"precision", "FP32"},
            {"threads", 1},
            {"seconds", 10.5},
            {"images_per_second", 9.0},
            {"data_wait", 0.1},
            {"startup_seconds", 0.5},
            {"skipped_steps", 0},
            {"rollbacks", 0},
            {"test",
             {{"accuracy", right / 12.0},
              {"balanced_accuracy", right / 12.0},
              {"macro_f1", 0.7481},
              {"majority_baseline", 1 / 3.0},
              {"classes_predicted", 3},
              {"collapsed", false},
              {"confusion_matrix", confusion}}}};
  }

  nlohmann::ordered_json RunFacts() const {
    return {{"format", 1},
            {"config", "made"},
            {"dataset", "pets"},
            {"data", "/nowhere/pets"},
            {"embedded_sample", false},
            {"task", "multiclass"},
            {"classes", classes},
            {"channels", 3},
            {"split", "by seed 0"},
            {"images", {30, 6, 12}},
            {"class_counts", {{10, 10, 10}, {2, 2, 2}, {4, 4, 4}}}};
  }

  static std::string Metrics() {
    std::string text =
        "epoch,phase,step,metrics.accuracy,metrics.balanced_accuracy,metrics.macro_f1,"
        "metrics.f1.cat,metrics.f1.dog,metrics.f1.owl,loss.total,loss.focal,loss.dice,weight.focal,"
        "weight.dice,gradient_share.focal,gradient_share.dice,learning_rate,images_per_second,"
        "seconds,data_wait\n";
    for (int epoch = 1; epoch <= 3; ++epoch) {
      absl::StrAppendFormat(&text,
                            "%d,TRAIN,%d,0.%d123,0.%d123,0.%d345,0.5,0.6,0.7,1.%d5,0.%d25,0.9,1,2,"
                            "0.999,0.001,0.01,12,2.5,0.25\n",
                            epoch, 4 * epoch, 4 + epoch, 4 + epoch, 4 + epoch, 6 - epoch,
                            7 - epoch);
      absl::StrAppendFormat(&text,
                            "%d,VAL,%d,0.%d777,0.%d777,0.%d888,0.4,,0.6,1.%d75,0.4,0.9,1,2,,,,15,"
                            "0.5,0.5\n",
                            epoch, 4 * epoch, 3 + epoch, 3 + epoch, 3 + epoch, 7 - epoch);
    }
    return text + "3,TEST,12,0.75,0.75,0.7481,0.7,0.6,0.9,1.2,0.3,0.9,1,2,,,,20,0.25,0\n";
  }

  std::string Predictions() const {
    std::string text = "phase,path,label,predicted,p.a,p.b,p.c\n";
    for (int i = 0; i < 12; ++i) {
      absl::StrAppend(&text, "TEST,", CsvCell(absl::StrCat(path, i, ".png")), ",",
                      CsvCell(classes[i / 4]), ",", CsvCell(classes[answers[i]]));
      for (int c = 0; c < 3; ++c) {
        // Each a little less sure than the one before.
        const double p = sure - 0.001 * i;
        absl::StrAppendFormat(&text, ",%.9g", c == answers[i] ? p : (1 - p) / 2);
      }
      absl::StrAppend(&text, "\n");
    }
    return text;
  }

  std::string Write(const std::string& name) const {
    const std::string folder = FolderOf(name);
    WriteText(folder + "/run.json", RunFacts().dump());
    WriteText(folder + "/summary.json", Summary().dump());
    WriteText(folder + "/metrics.csv", Metrics());
    WriteText(folder + "/config.pbtxt", "# Resolved.\ntrain {\n  epochs: 3\n  seed: 7\n}\n");
    if (predictions) WriteText(folder + "/predictions.csv", Predictions());
    return folder;
  }
};

inline RunRecord RecordOf(const std::string& folder) {
  absl::StatusOr<RunRecord> record = ReadRunRecord(folder);
  EXPECT_TRUE(record.ok()) << record.status();
  return *std::move(record);
}

// A made run's folder, with its summary changed.
inline std::string WithSummary(const std::function<void(nlohmann::ordered_json*)>& change) {
  const MadeRun run;
  const std::string folder = run.Write("changed");
  nlohmann::ordered_json summary = run.Summary();
  change(&summary);
  WriteText(folder + "/summary.json", summary.dump());
  return folder;
}

}  // namespace pipeline

#endif  // PIPELINE_REPORT_RUN_FOLDERS_H_
