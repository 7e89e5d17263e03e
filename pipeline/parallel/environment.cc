// Launchers' variables.
#include "pipeline/parallel/environment.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pipeline {
namespace {

// Ports that are made from the number of a job: above those of services, below those that systems
// give to whoever asks for any.
constexpr int kFirstPort = 20000, kPorts = 12000;

class Reader {
 public:
  explicit Reader(const Lookup& lookup) : lookup_(lookup) {}

  std::string Text(const std::string& name) const { return lookup_(name).value_or(""); }

  // In [least, most]; `otherwise` where the variable is not set.
  int Number(const std::string& name, int least, int most, std::optional<int> otherwise = {}) {
    const std::optional<std::string> text = lookup_(name);
    int value = 0;
    if (!text.has_value() && otherwise.has_value()) return *otherwise;
    if (text.has_value() && absl::SimpleAtoi(*text, &value) && value >= least && value <= most) {
      return value;
    }
    if (!status_.ok()) return least;
    status_ = absl::InvalidArgumentError(
        text.has_value() ? absl::StrCat(name, "=", *text, ": a number from ", least, " to ", most,
                                        " is wanted of whoever started this process")
                         : absl::StrCat(name,
                                        " is not set, although others of its kind are; a "
                                        "number from ",
                                        least, " to ", most, " is wanted"));
    return least;
  }

  const absl::Status& status() const { return status_; }

 private:
  const Lookup& lookup_;
  absl::Status status_;
};

std::optional<std::string> InEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

constexpr int kMost = 1 << 20;  // processes

int PortOf(uint64_t job) { return kFirstPort + static_cast<int>(job % kPorts); }

uint64_t HashOf(const std::string& text) {
  uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

void ReadTorchrun(Reader* reader, Seat* seat) {
  const bool elastic = !reader->Text("TORCHELASTIC_RUN_ID").empty();
  seat->launcher = elastic ? "torchrun" : "environment";
  seat->size = reader->Number("WORLD_SIZE", 1, kMost);
  seat->rank = reader->Number("RANK", 0, seat->size - 1);
  seat->local_size = reader->Number("LOCAL_WORLD_SIZE", 1, seat->size, 1);
  seat->local_rank = reader->Number("LOCAL_RANK", 0, seat->size - 1, 0);
  seat->store_is_there = reader->Text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  const std::string attempt = reader->Text("TORCHELASTIC_RESTART_COUNT");
  if (!attempt.empty()) seat->attempt = attempt;
}

void ReadMpi(Reader* reader, Seat* seat) {
  seat->launcher = "mpirun";
  seat->size = reader->Number("OMPI_COMM_WORLD_SIZE", 1, kMost);
  seat->rank = reader->Number("OMPI_COMM_WORLD_RANK", 0, seat->size - 1);
  seat->local_size = reader->Number("OMPI_COMM_WORLD_LOCAL_SIZE", 1, seat->size, 1);
  seat->local_rank = reader->Number("OMPI_COMM_WORLD_LOCAL_RANK", 0, seat->size - 1, 0);
  if (seat->local_size == seat->size) seat->address = "127.0.0.1";
  seat->port = PortOf(HashOf(reader->Text("PMIX_NAMESPACE")));
}

void ReadSlurm(Reader* reader, Seat* seat) {
  seat->launcher = "srun";
  seat->size = reader->Number("SLURM_STEP_NUM_TASKS", 1, kMost);
  seat->rank = reader->Number("SLURM_PROCID", 0, seat->size - 1);
  seat->local_rank = reader->Number("SLURM_LOCALID", 0, seat->size - 1, 0);
  const int nodes = reader->Number("SLURM_STEP_NUM_NODES", 1, seat->size, 1);
  seat->local_size = (seat->size + nodes - 1) / nodes;
  seat->address = FirstHost(reader->Text("SLURM_STEP_NODELIST"));
  seat->port = PortOf(
      HashOf(absl::StrCat(reader->Text("SLURM_JOB_ID"), ".", reader->Text("SLURM_STEP_ID"))));
  seat->attempt = absl::StrCat(reader->Number("SLURM_RESTART_COUNT", 0, kMost, 0));
}

}  // namespace

std::string FirstHost(const std::string& hosts) {
  const size_t bracket = hosts.find('['), comma = hosts.find(',');
  if (bracket == std::string::npos || comma < bracket) return hosts.substr(0, comma);
  const size_t end = hosts.find_first_of("-,]", bracket);
  return absl::StrCat(hosts.substr(0, bracket), hosts.substr(bracket + 1, end - bracket - 1));
}

absl::StatusOr<std::optional<Seat>> FindSeat(const Lookup& lookup) {
  Reader reader(lookup);
  Seat seat;
  if (lookup("WORLD_SIZE").has_value() || lookup("RANK").has_value()) {
    ReadTorchrun(&reader, &seat);
  } else if (lookup("OMPI_COMM_WORLD_SIZE").has_value()) {
    ReadMpi(&reader, &seat);
  } else if (lookup("SLURM_STEP_NUM_TASKS").has_value() && lookup("SLURM_PROCID").has_value()) {
    // Not SLURM_NTASKS, which a script of sbatch has too.
    ReadSlurm(&reader, &seat);
  }
  if (!reader.status().ok()) return reader.status();
  if (seat.size == 1) return std::optional<Seat>();
  const std::string address = reader.Text("MASTER_ADDR");
  if (!address.empty()) seat.address = address;
  if (seat.address.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("MASTER_ADDR is not set: ", seat.size,
                     " processes need the address of the host of rank 0 (mpirun: -x "
                     "MASTER_ADDR=HOST)"));
  }
  seat.port = reader.Number("MASTER_PORT", 1, 65535,
                            seat.port == 0 ? std::nullopt : std::optional<int>(seat.port));
  if (!reader.status().ok()) return reader.status();
  return std::optional<Seat>(seat);
}

std::string NoteOfIdleTasks(const Lookup& lookup) {
  int tasks = 0;
  const bool in_step = lookup("SLURM_STEP_NUM_TASKS").has_value();
  if (in_step || !absl::SimpleAtoi(lookup("SLURM_NTASKS").value_or(""), &tasks) || tasks < 2) {
    return "";
  }
  return absl::StrCat("Slurm has ", tasks,
                      " tasks for this job, and one of them trains; started by srun all do");
}

absl::StatusOr<std::optional<Seat>> FindSeat() { return FindSeat(InEnvironment); }
std::string NoteOfIdleTasks() { return NoteOfIdleTasks(InEnvironment); }

}  // namespace pipeline
