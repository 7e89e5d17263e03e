// Several processes of a test, which talk on this machine's loopback.
#ifndef TESTS_PROCESS_GROUP_H_
#define TESTS_PROCESS_GROUP_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/exceptions.h"
#include "pipeline/parallel/join.h"

namespace testing_support {

// A port of this machine that nobody listens at.
inline int FreePort() {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(probe, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length), 0);
  close(probe);
  return ntohs(address.sin_port);
}

inline pipeline::Seat SeatOf(int rank, int size, int port) {
  pipeline::Seat seat;
  seat.launcher = "environment";
  seat.rank = seat.local_rank = rank;
  seat.size = seat.local_size = size;
  seat.address = "127.0.0.1";
  seat.port = port;
  return seat;
}

// What `body` returns in each of `size` processes, by rank; one is alone and gets nullptr.
// Processes are copies of this one, whose LibTorch must not have made threads yet.
inline std::vector<std::string> InProcesses(
    int size, const std::function<std::string(const pipeline::Processes*)>& body) {
  const int port = FreePort();
  std::vector<int> ends;
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    int both[2];
    EXPECT_EQ(pipe(both), 0);
    const pid_t child = fork();
    if (child == 0) {
      std::string said;
      const absl::Status status = pipeline::Caught([&] {
        if (size == 1) {
          said = body(nullptr);
          return absl::OkStatus();
        }
        const auto joined = pipeline::Join(SeatOf(rank, size, port));
        if (joined.ok()) said = body(joined->get());
        return joined.status();
      });
      if (!status.ok()) said = status.ToString();
      const bool written = write(both[1], said.data(), said.size()) == ssize_t(said.size());
      _exit(written ? 0 : 1);
    }
    close(both[1]);
    ends.push_back(both[0]);
    children.push_back(child);
  }
  std::vector<std::string> all;
  for (int rank = 0; rank < size; ++rank) {
    std::string& said = all.emplace_back();
    char bytes[4096];
    for (ssize_t count = 0; (count = read(ends[rank], bytes, sizeof(bytes))) > 0;) {
      said.append(bytes, count);
    }
    close(ends[rank]);
    int status = 0;
    waitpid(children[rank], &status, 0);
    EXPECT_EQ(status, 0) << "rank " << rank << " said: " << said;
  }
  return all;
}

}  // namespace testing_support

#endif  // TESTS_PROCESS_GROUP_H_
