// Stages of a study: rungs or whole runs of the screening, then what is confirmed.
#include "pipeline/studies/conduct.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "pipeline/clock.h"
#include "pipeline/studies/execute.h"
#include "pipeline/studies/ledger.h"
#include "pipeline/studies/workers.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

constexpr double kHour = 3600;

class Conductor {
 public:
  Conductor(const Plan& plan, const StudyFolder& folder, const ConductOptions& options,
            std::vector<StudyResult> results, ResultLog* log,
            const std::function<void(const StudyResult&)>& told,
            const std::function<void(const StudyProgress&)>& progress)
      : plan_(plan),
        folder_(folder),
        options_(options),
        ledger_(plan, results),
        log_(*log),
        told_(told),
        progress_(progress),
        begun_(Now()),
        workers_(plan, folder, options.jobs, options.gpus) {
    for (const StudyResult& result : results) Count(result);
  }

  absl::Status Run() {
    const absl::Status screened =
        plan_.file.study.budget().has_halving() ? Halve() : Take(plan_.Screening(), 0);
    if (!screened.ok()) return screened;
    if (plan_.confirm_seeds.empty()) return absl::OkStatus();
    std::vector<StudyRun> runs;
    for (int config = 0; config < Configs(); ++config) {
      const std::vector<StudyRun> more = plan_.Confirming(config, ledger_.Chosen(config));
      runs.insert(runs.end(), more.begin(), more.end());
    }
    return Take(runs, 0);
  }

 private:
  int Configs() const { return static_cast<int>(plan_.configs.size()); }

  // Rung after rung of all configs; each leaves fewer combinations.
  absl::Status Halve() {
    const Halving& halving = plan_.file.study.budget().halving();
    std::vector<std::vector<int>> alive(plan_.configs.size(), plan_.All());
    for (int rung = 0; rung <= halving.epochs_size(); ++rung) {
      const bool last = rung == halving.epochs_size();
      const int64_t epochs = last ? 0 : halving.epochs(rung);
      std::vector<StudyRun> runs;
      for (const StudyRun& run : plan_.Screening()) {
        const std::vector<int>& kept = alive[run.config];
        if (std::find(kept.begin(), kept.end(), run.combination) != kept.end()) runs.push_back(run);
      }
      absl::Status status = Take(runs, epochs);
      if (!status.ok() || last) return status;
      for (int config = 0; config < Configs(); ++config) {
        std::vector<int>& kept = alive[config];
        const size_t wanted =
            (kept.size() + halving.keep_one_of() - 1) / static_cast<size_t>(halving.keep_one_of());
        std::vector<int> best = ledger_.Best(config, kept, epochs, wanted);
        // What the others will be compared to goes on.
        for (const int i : ledger_.Best(config, ledger_.Comparators(kept), epochs, 1)) {
          if (std::find(best.begin(), best.end(), i) == best.end()) best.push_back(i);
        }
        status = StopOthers(runs, config, best);
        if (!status.ok()) return status;
        kept = best;
      }
    }
    return absl::OkStatus();
  }

  // Writes down that runs of what is not among the best are over.
  absl::Status StopOthers(const std::vector<StudyRun>& runs, int config,
                          const std::vector<int>& best) {
    for (const StudyRun& run : runs) {
      const bool goes_on = std::find(best.begin(), best.end(), run.combination) != best.end();
      const StudyResult* known = ledger_.Find(run);
      if (run.config != config || goes_on || known == nullptr) continue;
      if (known->status != RunStatus::kPaused) continue;
      StudyResult stopped = *known;
      stopped.status = RunStatus::kStopped;
      const absl::Status status = Done(stopped);
      if (!status.ok()) return status;
      Discard(folder_, stopped);
    }
    return absl::OkStatus();
  }

  // Runs those of this shard that are not over; then all must be.
  absl::Status Take(const std::vector<StudyRun>& runs, int64_t epochs) {
    std::deque<StudyTask> queue;
    for (size_t i = 0; i < runs.size(); ++i) {
      const bool mine = static_cast<int>(i) % options_.shard.count == options_.shard.number - 1;
      if (mine && !ledger_.IsOver(runs[i], epochs)) queue.push_back({runs[i], epochs});
    }
    const auto next = [&]() -> std::optional<StudyTask> {
      if (queue.empty() || !GoOn().ok()) return std::nullopt;
      StudyTask task = std::move(queue.front());
      queue.pop_front();
      return task;
    };
    left_ = static_cast<int64_t>(queue.size());
    seconds_ = 0;
    taken_ = 0;
    const absl::Status status = workers_.Train(
        next, [&](const StudyResult& result) { return Took(result); }, [&] { return Idle(); });
    if (!status.ok()) return status;
    const absl::Status spent = GoOn();
    if (!spent.ok() && !queue.empty()) return spent;
    return Wait(runs, epochs);
  }

  // The runs of other shards, which may have ended meanwhile.
  absl::Status Wait(const std::vector<StudyRun>& runs, int64_t epochs) {
    if (options_.shard.count == 1) return absl::OkStatus();
    const absl::StatusOr<std::vector<StudyResult>> results = folder_.Results(plan_);
    if (!results.ok()) return results.status();
    for (const StudyResult& result : *results) ledger_.Add(result);
    const auto open = std::count_if(runs.begin(), runs.end(), [&](const StudyRun& run) {
      return !ledger_.IsOver(run, epochs);
    });
    if (open == 0) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat(open,
                     " runs belong to other shards and are not over; start this shard again "
                     "once they are, for what follows from them"));
  }

  absl::Status GoOn() const {
    if (InterruptSignal() != 0) return absl::CancelledError("interrupted");
    const double hours = plan_.file.study.budget().hours();
    if (hours > 0 && Now() - begun_ > hours * kHour) {
      return absl::DeadlineExceededError(
          absl::StrCat("the budget of ", hours, " hours is spent; started again, it goes on"));
    }
    return absl::OkStatus();
  }

  absl::Status Idle() {
    StudyProgress now = counts_;
    now.left = left_;
    now.running = workers_.busy();
    if (taken_ > 0) {
      now.seconds_left = seconds_ / static_cast<double>(taken_) * static_cast<double>(left_) /
                         static_cast<double>(options_.jobs);
    }
    progress_(now);
    // Once the budget is spent, what has begun is ended.
    return InterruptSignal() != 0 ? absl::CancelledError("interrupted") : absl::OkStatus();
  }

  absl::Status Took(const StudyResult& result) {
    --left_;
    ++taken_;
    seconds_ += result.seconds;
    return Done(result);
  }

  absl::Status Done(const StudyResult& result) {
    const absl::Status written = log_.Add(result);
    if (!written.ok()) return written;
    ledger_.Add(result);
    Count(result);
    told_(result);
    return absl::OkStatus();
  }

  void Count(const StudyResult& result) {
    counts_.done += result.status == RunStatus::kDone;
    counts_.failed += result.status == RunStatus::kFailed;
    counts_.stopped += result.status == RunStatus::kStopped;
  }

  const Plan& plan_;
  const StudyFolder& folder_;
  const ConductOptions& options_;
  Ledger ledger_;
  ResultLog& log_;
  const std::function<void(const StudyResult&)>& told_;
  const std::function<void(const StudyProgress&)>& progress_;
  const double begun_;
  Workers workers_;
  StudyProgress counts_;
  int64_t left_ = 0;
  // Of this stage, in this call.
  int64_t taken_ = 0;
  double seconds_ = 0;
};

}  // namespace

absl::Status Conduct(const Plan& plan, const StudyFolder& folder, const ConductOptions& options,
                     const std::function<void(const StudyResult&)>& told,
                     const std::function<void(const StudyProgress&)>& progress) {
  const absl::StatusOr<std::vector<StudyResult>> results = folder.Results(plan);
  if (!results.ok()) return results.status();
  std::vector<StudyResult> known;
  for (const StudyResult& result : *results) {
    // What failed is tried again by the next call.
    if (result.status != RunStatus::kFailed) known.push_back(result);
  }
  const auto log = ResultLog::Open(folder, options.shard.number, options.shard.count);
  if (!log.ok()) return log.status();
  InstallInterruptHandler();
  return Conductor(plan, folder, options, std::move(known), log->get(), told, progress).Run();
}

}  // namespace pipeline
