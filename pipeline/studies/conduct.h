// A study from its plan to its last result: which run is next, what halving stops, what is
// confirmed.
#ifndef PIPELINE_STUDIES_CONDUCT_H_
#define PIPELINE_STUDIES_CONDUCT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"
#include "pipeline/studies/shard.h"

namespace pipeline {

struct ConductOptions {
  int jobs = 1;
  int gpus = 0;
  Shard shard;
};

// How far a study is.
struct StudyProgress {
  int64_t done = 0, failed = 0, stopped = 0;
  int64_t left = 0;  // of this stage, for this shard
  int64_t running = 0;
  double seconds_left = 0;  // about; 0 where nothing is known
};

// What a plan still asks for, or has come to, as far as results tell.
class Ledger {
 public:
  Ledger(const Plan& plan, const std::vector<StudyResult>& results);

  void Add(const StudyResult& result);

  // nullptr where there is none.
  const StudyResult* Find(const StudyRun& run) const;
  // Whether the run is done, has failed, or was stopped; or, where `epochs` is above 0, was trained
  // for so many.
  bool IsOver(const StudyRun& run, int64_t epochs = 0) const;

  // The mean of Study::select on VAL over the runs of a combination that did not fail, after so
  // many epochs, or at the best one where `epochs` is 0; NaN where no run has a value.
  double Score(int config, int combination, StudyStage stage, int64_t epochs = 0) const;
  // The best `count` of `among`, best first; of equal ones the earlier. Those without a value are
  // left out.
  std::vector<int> Best(int config, const std::vector<int>& among, int64_t epochs,
                        size_t count) const;
  // Of `among`, what the others may be compared to: Study::baseline, or the single losses, or the
  // first combination.
  std::vector<int> Comparators(const std::vector<int>& among) const;
  // Whether a run of the screening was trained to its end.
  bool Finished(int config, int combination) const;
  // What the others are compared to: of all comparators the one that VAL puts first.
  int Baseline(int config) const;
  // What is confirmed of a config: the best by VAL, and the baseline. Empty where nothing is.
  std::vector<int> Chosen(int config) const;

 private:
  using Subject = std::tuple<int, int, int64_t, int, StudyStage>;

  const Plan& plan_;
  std::map<Subject, StudyResult> results_;
};

// Runs what the plan asks for and no line of the folder answers, as far as this shard's part goes
// and the others' results allow; `told` gets each result, `progress` is called a few times a
// second. CANCELLED after a signal, or once the budget is spent; UNAVAILABLE where the rest waits
// for other shards. Runs that fail are results; they are tried once in a call.
absl::Status Conduct(const Plan& plan, const StudyFolder& folder, const ConductOptions& options,
                     const std::function<void(const StudyResult&)>& told,
                     const std::function<void(const StudyProgress&)>& progress);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_CONDUCT_H_
