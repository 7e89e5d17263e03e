// Shards from a flag, Slurm or Kubernetes.
#include "pipeline/studies/shard.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pipeline {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<Shard> ParseShard(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  Shard shard;
  const bool numbers = parts.size() == 2 && absl::SimpleAtoi(parts[0], &shard.number) &&
                       absl::SimpleAtoi(parts[1], &shard.count);
  if (numbers && shard.number >= 1 && shard.number <= shard.count) return shard;
  return absl::InvalidArgumentError(absl::StrCat("--shard=", text, ": it is i/n, from 1/n to n/n"));
}

// By the task of a Slurm job array, or the index of a Kubernetes indexed job; `from` says which.
absl::StatusOr<Shard> ShardOfEnvironment(std::string* from) {
  const std::string task = Environment("SLURM_ARRAY_TASK_ID"),
                    index = Environment("JOB_COMPLETION_INDEX");
  Shard shard;
  if (!task.empty()) {
    int id = 0, first = 0, step = 1;
    const bool known = absl::SimpleAtoi(task, &id) &&
                       absl::SimpleAtoi(Environment("SLURM_ARRAY_TASK_COUNT"), &shard.count);
    if (!known) return absl::InvalidArgumentError("SLURM_ARRAY_TASK_COUNT is no number");
    if (!absl::SimpleAtoi(Environment("SLURM_ARRAY_TASK_MIN"), &first)) first = 0;
    if (!absl::SimpleAtoi(Environment("SLURM_ARRAY_TASK_STEP"), &step)) step = 1;
    shard.number = (id - first) / std::max(1, step) + 1;
    *from = "SLURM_ARRAY_TASK_ID";
    return shard;
  }
  if (index.empty()) return shard;
  if (!absl::SimpleAtoi(index, &shard.number) ||
      !absl::SimpleAtoi(Environment("JOB_COMPLETIONS"), &shard.count)) {
    return absl::InvalidArgumentError(
        "JOB_COMPLETION_INDEX says which shard this is; set JOB_COMPLETIONS to how many there are, "
        "or give --shard=i/n");
  }
  ++shard.number;
  *from = "JOB_COMPLETION_INDEX";
  return shard;
}

}  // namespace

absl::StatusOr<Shard> ChooseShard(const std::string& flag, std::string* from) {
  return flag.empty() ? ShardOfEnvironment(from) : ParseShard(flag);
}

}  // namespace pipeline
