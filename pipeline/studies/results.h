// What came of a study's runs: one line of JSON each, in files that are only ever appended to.
#ifndef PIPELINE_STUDIES_RESULTS_H_
#define PIPELINE_STUDIES_RESULTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/files.h"
#include "pipeline/studies/plan.h"

namespace pipeline {

enum class RunStatus {
  kDone,
  kFailed,   // `error` says why
  kPaused,   // at the end of a rung of halving, after `epochs`; it goes on, or is stopped
  kStopped,  // halving left it behind after `epochs`; it has no TEST
};
const char* StatusName(RunStatus status);  // "done"

struct StudyResult {
  // Of the resolved config and the data's identity, 32 hexadecimal digits: equal ones are the same
  // run, whichever study asked for it. "" where a run failed before that was known.
  std::string identity;
  // Of the config that its combination makes, as the plan knows it: lines of a study that was
  // changed since say nothing of it.
  std::string fingerprint;
  // What was asked for, by name.
  std::string config, combination;
  int64_t seed = 0;
  int fold = -1;
  StudyStage stage = StudyStage::kScreen;

  RunStatus status = RunStatus::kDone;
  std::string error;
  // Of the data: "brain_tumor"; "multiclass".
  std::string dataset, task;
  bool embedded_sample = false;
  std::string device, precision;
  int64_t epochs = 0;      // that were trained
  int64_t best_epoch = 0;  // counted from 1; 0 where none was chosen
  int64_t parameters = 0;  // that are learned
  // What the stages report, by column ("metrics.accuracy", "loss.total"): of VAL at the best epoch
  // (the last one where halving stopped it), of TEST.
  std::map<std::string, double> validation, test;
  // The value of Study::select on VAL after each epoch.
  std::vector<double> selected;
  // Not compared between runs: they are the machine's.
  double seconds = 0;             // of the run, the start and end of it included
  double training_seconds = 0;    // of them, within TRAIN's steps
  double evaluation_seconds = 0;  // and within those of VAL and TEST
  std::string host;
};

// What is known of a run before it is trained.
StudyResult ResultOf(const Plan& plan, const StudyRun& run);

// One line, without its end. Numbers are written so that they are read back exactly; NaN is null.
std::string ResultLine(const StudyResult& result);
absl::StatusOr<StudyResult> ParseResultLine(const std::string& line);

// A study's folder:
//   study.pbtxt                    the study as it was asked for
//   results/<shard>of<shards>.jsonl   a line for each run that is over; shards count from 1
//   results.jsonl                  of all of them, in the plan's order, once all runs are over
//   runs/<identity>/               config.pbtxt, run.json, split.csv, metrics.csv, predictions.csv,
//                                  result.json, and checkpoints while a run is not over
//   report.html, table.csv, table.md, table.tex
class StudyFolder {
 public:
  // `runs` is where its runs are, in the place of the folder's own: studies that share it share
  // what they have in common.
  explicit StudyFolder(std::string path, std::string runs = "")
      : path_(std::move(path)), runs_(runs.empty() ? File("runs") : std::move(runs)) {}

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& runs() const { return runs_; }
  std::string RunFolder(const std::string& identity) const { return runs_ + "/" + identity; }

  // All lines of all shards. A last line without its end is one that was not written whole, and is
  // left out; of lines about one run (config, combination, seed, fold, stage) the last that is done
  // counts, else the last. In the order of config, combination, seed, fold and stage; lines about
  // what the plan does not ask for, or asks for with other options, are left out. A damaged line is
  // an error that names file and line.
  absl::StatusOr<std::vector<StudyResult>> Results(const Plan& plan) const;

 private:
  const std::string path_, runs_;
};

// The file of one shard's lines, to which this process alone adds.
class ResultLog {
 public:
  // Cuts a last line off that was not written whole.
  static absl::StatusOr<std::unique_ptr<ResultLog>> Open(const StudyFolder& folder, int shard,
                                                         int shards);
  // On the disk when it returns.
  absl::Status Add(const StudyResult& result);

 private:
  explicit ResultLog(const std::string& path) : file_(path) {}

  GrowingFile file_;
};

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_RESULTS_H_
