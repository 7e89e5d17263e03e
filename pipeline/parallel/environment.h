// What a launcher tells a process of the others: torchrun, srun, mpirun, or variables set by hand.
#ifndef PIPELINE_PARALLEL_ENVIRONMENT_H_
#define PIPELINE_PARALLEL_ENVIRONMENT_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace pipeline {

struct Seat {
  std::string launcher;                // "torchrun", "srun", "mpirun" or "environment"
  int rank = 0, size = 1;              // of all processes
  int local_rank = 0, local_size = 1;  // of those on this host
  std::string address;                 // of the host of rank 0
  int port = 0;                        // where the store is
  bool store_is_there = false;         // the launcher holds it; else rank 0 opens one
  std::string attempt = "0";           // another word each time that the launcher starts all anew
};

// Looks variables up: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT
// (torchrun adds TORCHELASTIC_USE_AGENT_STORE and TORCHELASTIC_RESTART_COUNT); else those of
// mpirun, OMPI_COMM_WORLD_*; else those of a step of srun, SLURM_*. MASTER_ADDR and MASTER_PORT are
// taken where they are set, whoever launches. Nothing where there is one process. Errors name the
// variable that is missing or wrong.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;
absl::StatusOr<std::optional<Seat>> FindSeat(const Lookup& lookup);
absl::StatusOr<std::optional<Seat>> FindSeat();  // in the environment

// A line for a process that trains alone, where Slurm has tasks for several and nobody started
// them; else "".
std::string NoteOfIdleTasks(const Lookup& lookup);
std::string NoteOfIdleTasks();  // in the environment

// The first host of "gpu[007-010,20],login": "gpu007".
std::string FirstHost(const std::string& hosts);

}  // namespace pipeline

#endif  // PIPELINE_PARALLEL_ENVIRONMENT_H_
