// Which part of a study a process runs.
#ifndef PIPELINE_STUDIES_SHARD_H_
#define PIPELINE_STUDIES_SHARD_H_

#include <string>

#include "absl/status/statusor.h"

namespace pipeline {

struct Shard {
  int number = 1, count = 1;  // counted from 1
};

// By the flag --shard, "i/n"; where that is empty, by the task of a Slurm job array or the index of
// a Kubernetes indexed job, and `from` says by which variable; else all of it.
absl::StatusOr<Shard> ChooseShard(const std::string& flag, std::string* from);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_SHARD_H_
