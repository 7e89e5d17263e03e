// What a study's results say of its plan: what is over, what is best by VAL, what the others are
// compared to. Whoever trains a study and whoever reports it ask here, so that they cannot differ.
#ifndef PIPELINE_STUDIES_LEDGER_H_
#define PIPELINE_STUDIES_LEDGER_H_

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"

namespace pipeline {

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
  // Those of `among` of which a run of the screening was trained to its end.
  std::vector<int> FinishedOf(int config, const std::vector<int>& among) const;
  // What the others are compared to: of all comparators that are finished the one that VAL puts
  // first, else the first.
  int Baseline(int config) const;
  // Of all that are finished what VAL puts first; -1 of none.
  int First(int config) const;
  // What is confirmed of a config: the best by VAL, and the baseline. Empty where nothing is.
  std::vector<int> Chosen(int config) const;

 private:
  using Subject = std::tuple<int, int, int64_t, int, StudyStage>;

  bool Finished(int config, int combination) const;

  const Plan& plan_;
  std::map<Subject, StudyResult> results_;
};

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_LEDGER_H_
