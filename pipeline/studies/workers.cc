// Workers: forked processes, a pipe to each and one from it, a line of JSON for each task and each
// result.
#include "pipeline/studies/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <torch/cuda.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "pipeline/exceptions.h"
#include "pipeline/json.h"
#include "pipeline/pool.h"
#include "pipeline/studies/execute.h"
#include "pipeline/training/device.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWait = 200;  // milliseconds between two looks at signals and the clock
// Datasets and features that a worker keeps for its next runs.
constexpr size_t kShared = 4;
// Exit code of a worker that was asked to stop: its run goes on another time.
constexpr int kStopped = 75;

std::string TaskLine(const StudyTask& task) {
  const StudyRun& run = task.run;
  return JsonLine({{"config", run.config},
                   {"combination", run.combination},
                   {"seed", run.seed},
                   {"fold", run.fold},
                   {"confirm", run.stage == StudyStage::kConfirm},
                   {"epochs", task.epochs}}) +
         "\n";
}

StudyTask ParseTask(const std::string& line, const Plan& plan) {
  const Json json = ParseJson(line);
  StudyTask task;
  StudyRun& run = task.run;
  json.at("config").get_to(run.config);
  json.at("combination").get_to(run.combination);
  json.at("seed").get_to(run.seed);
  json.at("fold").get_to(run.fold);
  if (json.at("confirm").get<bool>()) run.stage = StudyStage::kConfirm;
  json.at("epochs").get_to(task.epochs);
  run.sets = plan.combinations[run.combination].Sets(plan);
  return task;
}

// False where nobody reads.
bool WriteAll(int descriptor, const std::string& text) {
  size_t at = 0;
  while (at < text.size()) {
    const ssize_t wrote = write(descriptor, text.data() + at, text.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    at += static_cast<size_t>(wrote);
  }
  return true;
}

// Appends what can be read; false at the end.
bool ReadSome(int descriptor, std::string* into) {
  char buffer[4096];
  ssize_t count;
  do {
    count = read(descriptor, buffer, sizeof(buffer));
  } while (count < 0 && errno == EINTR && InterruptSignal() == 0);
  if (count > 0) into->append(buffer, static_cast<size_t>(count));
  return count > 0;
}

// Takes a whole line off the front of `text`.
std::optional<std::string> TakeLine(std::string* text) {
  const size_t end = text->find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = text->substr(0, end);
  text->erase(0, end + 1);
  return line;
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("its process was ended by signal ", WTERMSIG(status), " (",
                        strsignal(WTERMSIG(status)), ")");
  }
  return absl::StrCat("its process ended with exit code ", WEXITSTATUS(status));
}

}  // namespace

int CountGpus() {
  if (!BuiltForGpu()) return 0;
  const pid_t process = fork();
  if (process == 0) _exit(std::min<int>(static_cast<int>(torch::cuda::device_count()), 255));
  int status = 0;
  return process > 0 && waitpid(process, &status, 0) == process && WIFEXITED(status)
             ? WEXITSTATUS(status)
             : 0;
}

absl::StatusOr<RunCost> CostOf(const Plan& plan, const StudyRun& run) {
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) return absl::ResourceExhaustedError("no pipe can be made");
  std::fflush(nullptr);
  const pid_t process = fork();
  if (process < 0) return absl::ResourceExhaustedError("no process can be made");
  if (process == 0) {
    close(answer[0]);
    Pool pool(1);
    const absl::StatusOr<double> seconds = EstimateSeconds(plan, run, &pool);
    WriteAll(answer[1],
             seconds.ok() ? absl::StrCat(*seconds) : absl::StrCat("!", seconds.status().message()));
    _exit(0);
  }
  close(answer[1]);
  std::string text;
  while (ReadSome(answer[0], &text)) {
  }
  close(answer[0]);
  int status = 0;
  rusage usage = {};
  wait4(process, &status, 0, &usage);
  if (absl::StartsWith(text, "!")) return absl::InvalidArgumentError(text.substr(1));
  RunCost cost;
  if (!absl::SimpleAtod(text, &cost.seconds)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        plan.configs[run.config], ": a trial of a few steps failed: ", HowItEnded(status)));
  }
  constexpr double kKibibyte = 1024;
  cost.bytes = static_cast<double>(usage.ru_maxrss) * kKibibyte;
  return cost;
}

Workers::Workers(const Plan& plan, const StudyFolder& folder, int count, int gpus)
    : plan_(plan), folder_(folder), gpus_(gpus), workers_(count) {
  std::signal(SIGPIPE, SIG_IGN);
}

Workers::~Workers() { Stop(); }

int Workers::busy() const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(), [](const Worker& worker) {
    return worker.task.has_value();
  }));
}

absl::Status Workers::Start(Worker* worker, int number) const {
  int tasks[2], results[2];
  if (pipe2(tasks, O_CLOEXEC) != 0 || pipe2(results, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError("no pipe to a worker can be made");
  }
  std::fflush(nullptr);
  const pid_t process = fork();
  if (process < 0) return absl::ResourceExhaustedError("no process for a worker can be made");
  if (process == 0) {
    // Ctrl-C is for the one who hands out the runs, who then asks this one.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (const Worker& other : workers_) {
      if (other.to >= 0) close(other.to);
      if (other.from >= 0) close(other.from);
    }
    close(tasks[1]);
    close(results[0]);
    const int log = open(folder_.File("log.txt").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log >= 0) {
      dup2(log, STDOUT_FILENO);
      dup2(log, STDERR_FILENO);
    }
    if (gpus_ > 0) {
      setenv("CUDA_VISIBLE_DEVICES", absl::StrCat(number % gpus_).c_str(), /*overwrite=*/1);
    }
    Serve(tasks[0], results[1]);
  }
  close(tasks[0]);
  close(results[1]);
  *worker = {process, tasks[1], results[0], "", std::nullopt};
  return absl::OkStatus();
}

void Workers::Serve(int from, int to) const {
  InstallInterruptHandler(/*patient=*/true);
  KeepFreedMemory();
  Pool pool(kShared);
  std::string text;
  for (;;) {
    std::optional<std::string> line = TakeLine(&text);
    while (!line.has_value()) {
      if (InterruptSignal() != 0 || !ReadSome(from, &text)) _exit(kStopped);
      line = TakeLine(&text);
    }
    const StudyTask task = ParseTask(*line, plan_);
    const absl::StatusOr<StudyResult> result =
        Execute(plan_, task.run, folder_, task.epochs, &pool);
    std::fflush(nullptr);
    if (!result.ok() || !WriteAll(to, ResultLine(*result) + "\n")) _exit(kStopped);
  }
}

absl::Status Workers::Bury(Worker* worker,
                           const std::function<absl::Status(const StudyResult&)>& done) {
  int status = 0;
  waitpid(worker->process, &status, 0);
  close(worker->to);
  close(worker->from);
  const StudyRun run = worker->task->run;
  *worker = {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == kStopped) {
    return absl::CancelledError("a worker was asked to stop");
  }
  StudyResult lost = ResultOf(plan_, run);
  lost.status = RunStatus::kFailed;
  lost.error = HowItEnded(status);
  return done(lost);
}

absl::Status Workers::Listen(Worker* worker,
                             const std::function<absl::Status(const StudyResult&)>& done) {
  if (!ReadSome(worker->from, &worker->line)) return Bury(worker, done);
  const std::optional<std::string> line = TakeLine(&worker->line);
  if (!line.has_value()) return absl::OkStatus();
  const absl::StatusOr<StudyResult> result = ParseResultLine(*line);
  if (!result.ok()) return result.status();
  worker->task.reset();
  return done(*result);
}

absl::Status Workers::Train(const std::function<std::optional<StudyTask>()>& next,
                            const std::function<absl::Status(const StudyResult&)>& done,
                            const std::function<absl::Status()>& idle) {
  for (;;) {
    for (size_t i = 0; i < workers_.size(); ++i) {
      Worker& worker = workers_[i];
      if (worker.task.has_value()) continue;
      std::optional<StudyTask> task = next();
      if (!task.has_value()) break;
      if (worker.process < 0) {
        const absl::Status started = Start(&worker, static_cast<int>(i));
        if (!started.ok()) return started;
      }
      worker.task = std::move(task);
      // One that died is met where it is listened to.
      WriteAll(worker.to, TaskLine(*worker.task));
    }
    if (busy() == 0) return absl::OkStatus();
    std::vector<pollfd> polled;
    for (const Worker& worker : workers_) {
      polled.push_back({worker.task.has_value() ? worker.from : -1, POLLIN, 0});
    }
    poll(polled.data(), polled.size(), kWait);
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const absl::Status heard = Listen(&workers_[i], done);
      if (!heard.ok()) return heard;
    }
    const absl::Status go_on = idle();
    if (!go_on.ok()) return go_on;
  }
}

void Workers::Stop() {
  for (const Worker& worker : workers_) {
    if (worker.process > 0) kill(worker.process, SIGTERM);
  }
  for (Worker& worker : workers_) {
    if (worker.process <= 0) continue;
    close(worker.to);
    waitpid(worker.process, nullptr, 0);
    close(worker.from);
    worker = {};
  }
}

}  // namespace pipeline
