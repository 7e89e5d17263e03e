// Who of the processes is still there: one that dies, fails or hangs ends them all, with one line.
#ifndef PIPELINE_PARALLEL_WATCH_H_
#define PIPELINE_PARALLEL_WATCH_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pipeline {

// Every process has a connection to rank 0 beside those of the collectives, and a thread that sends
// a sign of life over it each second, however busy the process is. A connection that breaks tells
// of a process that died; silence, of one that is stopped or whose machine is gone. Then the thread
// of rank 0 (where that is the one that is gone: of the first process of each host) prints which,
// and every process exits with code 1.
class Watch {
 public:
  // Who is silent for so long is given up.
  static constexpr std::chrono::seconds kPatience{15};

  // Of rank 0: begins to listen at port(), to which the other `size` - 1 connect.
  static absl::StatusOr<std::unique_ptr<Watch>> Listen(int size);
  // Of the others. `speaks`: prints what ends it, should that be rank 0.
  static absl::StatusOr<std::unique_ptr<Watch>> Connect(const std::string& address, int port,
                                                        int rank, bool speaks);
  // Says good-bye: that this process goes is no accident from now on.
  ~Watch();

  int port() const { return port_; }

  // Tells that this process cannot go on. What rank 0 says of itself it prints itself; the others
  // leave that to rank 0 and do not return from here unless it is gone.
  void Fail(const std::string& why);

  // After a collective that failed: waits until it is known who is gone, which ends this process.
  // Returns where nobody is, after a while.
  void AwaitEnd() const;

 private:
  struct Peer {
    int socket = -1;
    std::string name;  // "rank 2 (host n2, process 123)" once it has said so
    std::string unread;
    std::chrono::steady_clock::time_point heard;
    bool gone = false;  // said good-bye
  };

  Watch() = default;
  void Begin();  // the thread
  void Run();
  void Greet();  // whoever connects
  // Reads what there is.
  void Hear(Peer* peer);
  void Take(Peer* peer, const std::string& line);
  void Tell(const std::string& text);  // to all
  // What a peer's end means for this process.
  void Lost(const Peer& peer, const std::string& how);
  [[noreturn]] void End(const std::string& line);

  int port_ = 0;
  int listener_ = -1;  // of rank 0
  int rank_ = 0;
  bool speaks_ = true;
  std::vector<Peer> peers_;  // of rank 0: all others; of the others: rank 0
  std::atomic<bool> leaving_{false}, failing_{false};
  std::thread thread_;
};

}  // namespace pipeline

#endif  // PIPELINE_PARALLEL_WATCH_H_
