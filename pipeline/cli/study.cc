// The verb `study`: all runs of a study, and its report.
#include "pipeline/cli/study.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/config/config.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/memory.h"
#include "pipeline/report.h"
#include "pipeline/runs/run_lock.h"
#include "pipeline/studies/conduct.h"
#include "pipeline/studies/ledger.h"
#include "pipeline/studies/merge.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"
#include "pipeline/studies/shard.h"
#include "pipeline/studies/study_page.h"
#include "pipeline/studies/workers.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_int32(jobs, 0, "");
DEFINE_string(shard, "", "");
DEFINE_string(merge, "", "");
DEFINE_bool(status, false, "");

namespace pipeline {
namespace {

constexpr int kWaits = 75;  // the exit code where other shards have to end first
constexpr size_t kShownBest = 5;

// The run of a config that all of it is judged by before it is trained: with the most losses.
StudyRun TrialOf(const Plan& plan, int config) {
  return {config,
          static_cast<int>(plan.combinations.size()) - 1,
          plan.seeds[0],
          plan.folds > 0 ? 0 : -1,
          StudyStage::kScreen,
          plan.combinations.back().Sets(plan)};
}

// Of data that are not there.
void PrintStandIns(const Plan& plan, Terminal* terminal) {
  for (int config = 0; config < static_cast<int>(plan.configs.size()); ++config) {
    const absl::StatusOr<LoadedConfig> loaded = ConfigOf(plan, TrialOf(plan, config));
    if (!loaded.ok() || !loaded->embedded_sample) continue;
    terminal->Line(absl::StrCat("note: ", plan.configs[config],
                                ": its data are not there; the embedded sample of drawn images "
                                "stands in, which says nothing about them"));
  }
}

// As many as there are cores for the threads of one, and memory for all.
int JobsFor(const Plan& plan, const std::vector<RunCost>& costs) {
  constexpr double kShare = 0.8;  // of the memory
  int threads = 1;
  double bytes = 1;
  for (int config = 0; config < static_cast<int>(plan.configs.size()); ++config) {
    const absl::StatusOr<LoadedConfig> loaded = ConfigOf(plan, TrialOf(plan, config));
    if (loaded.ok()) threads = std::max(threads, loaded->document.config.train().threads());
    bytes = std::max(bytes, costs[config].bytes);
  }
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const double fit = std::min(kShare * MemoryOfMachine() / bytes, 1e6);
  return std::max(1, std::min(cores / threads, static_cast<int>(fit)));
}

absl::StatusOr<std::vector<RunCost>> CostsOf(const Plan& plan) {
  std::vector<RunCost> costs;
  for (int config = 0; config < static_cast<int>(plan.configs.size()); ++config) {
    const absl::StatusOr<RunCost> cost = CostOf(plan, TrialOf(plan, config));
    if (!cost.ok()) return cost.status();
    costs.push_back(*cost);
  }
  return costs;
}

absl::StatusOr<int> ChooseJobs(const Plan& plan, int gpus) {
  if (FLAGS_jobs > 0) return FLAGS_jobs;
  if (gpus > 0) return gpus;
  const absl::StatusOr<std::vector<RunCost>> costs = CostsOf(plan);
  if (!costs.ok()) return costs.status();
  return JobsFor(plan, *costs);
}

// Studies without a folder of their own share their runs.
StudyFolder FolderOf(const Plan& plan) {
  if (!FLAGS_out.empty()) return StudyFolder(FLAGS_out);
  return StudyFolder("runs/studies/" + plan.file.name, "runs/study_runs");
}

// "1 run", "3 runs".
std::string Some(size_t count, const std::string& what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

std::string CountText(const Plan& plan) {
  std::string text = absl::StrCat(
      Some(plan.Screening().size(), "run"), ": ", Some(plan.configs.size(), "config"), " x ",
      Some(plan.combinations.size(), "combination"), " x ", Some(plan.seeds.size(), "seed"),
      plan.folds > 0 ? absl::StrCat(" x ", plan.folds, " folds") : "");
  if (!plan.confirm_seeds.empty()) {
    absl::StrAppend(&text, "; then the best ", plan.file.study.confirm().top(),
                    " of each config and the baseline x ", plan.confirm_seeds.size(),
                    " fresh seeds");
  }
  return text;
}

std::string Name(const StudyResult& result) {
  return absl::StrCat(result.config, "  ", result.combination, "  seed ", result.seed,
                      result.fold < 0 ? "" : absl::StrCat(" fold ", result.fold + 1));
}

std::string ResultText(const Plan& plan, const StudyResult& result) {
  if (result.status == RunStatus::kFailed) {
    return absl::StrCat("failed: ", Name(result), ": ", result.error);
  }
  const std::string& select = plan.file.study.select();
  const auto value = result.validation.find(select);
  std::string text =
      absl::StrCat(Name(result), "  VAL ", select, " ",
                   value == result.validation.end() ? "-" : absl::StrFormat("%.4f", value->second));
  if (result.status != RunStatus::kDone) {
    absl::StrAppend(&text, "  ", StatusName(result.status), " after ", result.epochs, " epochs");
  }
  return absl::StrCat(text, "  ", absl::StrFormat("%.1f s", result.seconds));
}

// The live line, or where there is none a line for each run.
class StudyLine {
 public:
  StudyLine(const Plan& plan, Terminal* terminal) : plan_(plan), terminal_(*terminal) {}

  void Told(const StudyResult& result) {
    const bool failed = result.status == RunStatus::kFailed;
    if (failed || !terminal_.live()) terminal_.Line(ResultText(plan_, result));
  }

  void Show(const StudyProgress& now) {
    if (!terminal_.live() || !terminal_.Due()) return;
    const int64_t over = now.done + now.failed + now.stopped, all = over + now.left;
    std::string text = absl::StrCat("runs ", over, "/", all);
    if (now.seconds_left > 0) absl::StrAppend(&text, "  eta ", Duration(now.seconds_left));
    absl::StrAppend(&text, "  running ", now.running);
    if (now.failed > 0) absl::StrAppend(&text, "  failed ", now.failed);
    if (now.stopped > 0) absl::StrAppend(&text, "  stopped ", now.stopped);
    terminal_.Live(absl::StrCat(text, "  ", Bar(over, all)));
  }

 private:
  const Plan& plan_;
  Terminal& terminal_;
};

// How much of the plan is over, and what leads.
void PrintStanding(const Plan& plan, const std::vector<StudyResult>& results, Terminal* terminal) {
  for (size_t i = 0; FLAGS_json && i < results.size(); ++i) {
    std::printf("%s\n", ResultLine(results[i]).c_str());
  }
  const Ledger ledger(plan, results);
  const auto runs = static_cast<int64_t>(plan.Screening().size());
  for (int config = 0; config < static_cast<int>(plan.configs.size()); ++config) {
    int64_t done = 0, failed = 0, stopped = 0, paused = 0, confirmed = 0;
    for (const StudyResult& result : results) {
      if (result.config != plan.configs[config]) continue;
      if (result.stage == StudyStage::kConfirm) {
        confirmed += result.status == RunStatus::kDone;
        continue;
      }
      done += result.status == RunStatus::kDone;
      failed += result.status == RunStatus::kFailed;
      stopped += result.status == RunStatus::kStopped;
      paused += result.status == RunStatus::kPaused;
    }
    const int64_t all = runs / static_cast<int64_t>(plan.configs.size());
    terminal->Line(
        absl::StrCat(plan.configs[config], ": ", done, " of ", all, " runs are done",
                     failed > 0 ? absl::StrCat(", ", failed, " failed") : "",
                     stopped > 0 ? absl::StrCat(", ", stopped, " stopped") : "",
                     paused > 0 ? absl::StrCat(", ", paused, " between two rungs") : "",
                     confirmed > 0 ? absl::StrCat(", ", confirmed, " of the confirmation") : ""));
    const std::vector<int> finished = ledger.FinishedOf(config, plan.All());
    for (const int i : ledger.Best(config, finished, 0, kShownBest)) {
      terminal->Line(absl::StrFormat("  VAL %s %.4f  %s", plan.file.study.select(),
                                     ledger.Score(config, i, StudyStage::kScreen),
                                     plan.combinations[i].name));
    }
  }
}

absl::Status WriteMerged(const std::vector<StudyResult>& results, const StudyFolder& folder) {
  std::string lines;
  for (const StudyResult& result : results) absl::StrAppend(&lines, ResultLine(result), "\n");
  return WriteFileAtomically(folder.File("results.jsonl"), lines);
}

// Tells what there is; the exit code.
int Finish(const Plan& plan, const StudyFolder& folder, const absl::Status& conducted,
           Terminal* terminal) {
  const absl::StatusOr<std::vector<StudyResult>> results = folder.Results(plan);
  if (!results.ok()) return Complain(results.status(), kFailure);
  const absl::Status merged = WriteMerged(*results, folder);
  if (!merged.ok()) return Complain(merged, kFailure);
  PrintStanding(plan, *results, terminal);
  const absl::StatusOr<std::string> conclusion = WriteStudyReport(plan, folder);
  if (!conclusion.ok()) return Complain(conclusion.status(), kFailure);
  for (const absl::string_view line : absl::StrSplit(*conclusion, '\n', absl::SkipEmpty())) {
    terminal->Line(std::string(line));
  }
  terminal->Line("report: " + Shown(folder.File("report.html")));
  if (conducted.ok()) return 0;
  if (absl::IsCancelled(conducted)) {
    return Complain(absl::CancelledError(absl::StrCat(conducted.message(),
                                                      "; started again, it goes on where it was")),
                    kSignal + InterruptSignal());
  }
  const bool later = absl::IsUnavailable(conducted) || absl::IsDeadlineExceeded(conducted);
  return Complain(conducted, later ? kWaits : kFailure);
}

absl::Status PrepareFolder(const Plan& plan, const StudyFolder& folder) {
  for (const std::string& path : {folder.path(), folder.runs(), folder.File("results")}) {
    const absl::Status made = MakeFolders(path);
    if (!made.ok()) return made;
  }
  return WriteFileAtomically(folder.File("study.pbtxt"), PrintText(plan.file.study));
}

int RunStudy(const Plan& plan, const StudyFolder& folder, Terminal* terminal) {
  std::string from;
  const absl::StatusOr<Shard> shard = ChooseShard(FLAGS_shard, &from);
  if (!shard.ok()) return Complain(shard.status(), kMistake);
  const absl::Status prepared = PrepareFolder(plan, folder);
  if (!prepared.ok()) return Complain(prepared, kMistake);
  const std::string place = folder.File(absl::StrCat("locks/", shard->number, "of", shard->count));
  const absl::Status made = MakeFolders(place);
  if (!made.ok()) return Complain(made, kMistake);
  const absl::StatusOr<RunLock> lock = RunLock::Take(place);
  if (!lock.ok()) return Complain(lock.status(), kMistake);
  ConductOptions options;
  options.gpus = CountGpus();
  const absl::StatusOr<int> jobs = ChooseJobs(plan, options.gpus);
  if (!jobs.ok()) return Complain(jobs.status(), kMistake);
  options.jobs = *jobs;
  options.shard = *shard;
  terminal->Line(absl::StrCat(plan.file.name, ": ", CountText(plan)));
  PrintStandIns(plan, terminal);
  terminal->Line(absl::StrCat(Some(static_cast<size_t>(options.jobs), "worker"),
                              shard->count > 1
                                  ? absl::StrCat(", shard ", shard->number, " of ", shard->count,
                                                 from.empty() ? "" : absl::StrCat(" (", from, ")"))
                                  : "",
                              "; what they say goes to ", Shown(folder.File("log.txt"))));
  StudyLine line(plan, terminal);
  const absl::Status conducted = Conduct(
      plan, folder, options, [&](const StudyResult& result) { line.Told(result); },
      [&](const StudyProgress& now) { line.Show(now); });
  return Finish(plan, folder, conducted, terminal);
}

int Study(const CommandLine& line) {
  const absl::StatusOr<std::string> path = FindStudy(line.config);
  if (!path.ok()) return Complain(path.status(), kMistake);
  const absl::StatusOr<Plan> plan = LoadPlan(*path, line.Values("set"));
  if (!plan.ok()) return Complain(plan.status(), kMistake);
  const StudyFolder folder = FolderOf(*plan);
  Terminal terminal(FLAGS_quiet || FLAGS_json);
  if (FLAGS_status) {
    const absl::StatusOr<std::vector<StudyResult>> results = folder.Results(*plan);
    if (!results.ok()) return Complain(results.status(), kFailure);
    terminal.Line(absl::StrCat(plan->file.name, ": ", CountText(*plan)));
    PrintStanding(*plan, *results, &terminal);
    return 0;
  }
  if (FLAGS_merge.empty()) return RunStudy(*plan, folder, &terminal);
  const std::vector<std::string> parts = absl::StrSplit(FLAGS_merge, ',', absl::SkipEmpty());
  absl::Status status = PrepareFolder(*plan, folder);
  if (status.ok()) status = MergeStudies(parts, folder);
  return status.ok() ? Finish(*plan, folder, absl::OkStatus(), &terminal)
                     : Complain(status, kMistake);
}

}  // namespace

std::optional<std::string> StudyNamed(const CommandLine& line) {
  const absl::StatusOr<std::string> config = FindConfig(line.config),
                                    study = FindStudy(line.config);
  if (!study.ok()) return std::nullopt;
  if (config.ok() && !IsStudy(*config)) return std::nullopt;
  return *study;
}

int CheckStudy(const std::string& path, const CommandLine& line) {
  const absl::StatusOr<Plan> plan = LoadPlan(path, line.Values("set"));
  if (!plan.ok()) return Complain(plan.status(), kMistake);
  Terminal terminal;
  terminal.Line(absl::StrCat(plan->file.name, ": ", CountText(*plan)));
  PrintStandIns(*plan, &terminal);
  const absl::StatusOr<std::vector<RunCost>> costs = CostsOf(*plan);
  if (!costs.ok()) return Complain(costs.status(), kMistake);
  const int jobs = FLAGS_jobs > 0 ? FLAGS_jobs : JobsFor(*plan, *costs);
  double seconds = 0;
  for (size_t config = 0; config < plan->configs.size(); ++config) {
    const RunCost& cost = (*costs)[config];
    const size_t runs = plan->Screening().size() / plan->configs.size();
    const size_t confirmed =
        plan->confirm_seeds.size() * (static_cast<size_t>(plan->file.study.confirm().top()) + 1);
    const double all = cost.seconds * static_cast<double>(runs + confirmed) / jobs;
    seconds += all;
    terminal.Line(absl::StrCat("  ", plan->configs[config], ": about ", Duration(cost.seconds),
                               " and ", BytesText(cost.bytes), " a run, ", Duration(all),
                               " in all"));
  }
  terminal.Line(absl::StrCat("ok: about ", Duration(seconds), " by ", jobs,
                             jobs == 1 ? " worker" : " workers of this machine",
                             plan->file.study.budget().has_halving() ? ", less by halving" : ""));
  return 0;
}

REGISTER_VERB({
    .name = "study",
    .arguments = "STUDY",
    .help = "trains every combination that a study compares, and reports which is best\n"
            "STUDY is a path, or a file of the workspace's studies/. Started again, it goes on\n"
            "where it was; `check STUDY` says how many runs it has and about how long they take.",
    .flags = {{"config", "STUDY", "the study (its name alone does, too)"},
              SetFlag(),
              {"out", "DIR",
               "the study's folder, its runs within (default: runs/studies/<study>, and the\n"
               "runs in runs/study_runs, where studies find what another has trained)"},
              {"jobs", "N", "runs at a time (default: one a core, as memory allows, or a GPU)"},
              {"shard", "i/n",
               "the i-th of n parts, of machines that share the folder; by default as a Slurm\n"
               "job array or a Kubernetes indexed job says"},
              {"merge", "DIR,...",
               "brings the folders of shards that shared none together in --out, and reports"},
              {"status", "", "how far it is"},
              {"quiet", "", "prints nothing but mistakes"},
              {"json", "", "prints the result lines alone"},
              PluginFlag()},
    .run = Study,
});

}  // namespace pipeline
