// Lines over sockets: "." is a sign of life, "I NAME" who it is, "F WHY" a failure, "E LINE" the
// end of all, "B" good-bye.
#include "pipeline/parallel/watch.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kBeat{1};
constexpr int kPollMilliseconds = 200;
constexpr size_t kLongest = 1 << 16;  // of a line
constexpr int kFailureCode = 1;
// How long a failure of another is kept back: rank 0 may be about to fail for the same reason.
constexpr std::chrono::seconds kSameReason{2};

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// False where the other end is gone. What does not fit is dropped: the other does not read.
bool Send(int socket, const std::string& line) {
  const std::string text = line + "\n";
  return send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
         errno == EAGAIN || errno == EWOULDBLOCK;
}

std::string NameOf(int rank) {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat("rank ", rank, " (host ", host, ", process ", getpid(), ")");
}

std::string OneLine(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\n", "; "}}).substr(0, kLongest / 2);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Watch>> Watch::Listen(int size) {
  std::unique_ptr<Watch> watch(new Watch);
  watch->listener_ = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_storage address = {};
  if (watch->listener_ >= 0) {  // takes IPv4 too
    const int no = 0;
    setsockopt(watch->listener_, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    address.ss_family = AF_INET6;
  } else {
    watch->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.ss_family = AF_INET;
  }
  socklen_t length = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (watch->listener_ < 0 || bind(watch->listener_, any, length) != 0 ||
      listen(watch->listener_, size) != 0 || getsockname(watch->listener_, any, &length) != 0) {
    return SystemError("cannot listen to the other processes");
  }
  // Both have the port at the same place.
  watch->port_ = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  watch->peers_.reserve(size);
  watch->Begin();
  return watch;
}

absl::StatusOr<std::unique_ptr<Watch>> Watch::Connect(const std::string& address, int port,
                                                      int rank, bool speaks) {
  std::unique_ptr<Watch> watch(new Watch);
  watch->rank_ = rank;
  watch->speaks_ = speaks;
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(address.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("the host of rank 0, ", address, ": ", gai_strerror(error)));
  }
  int connected = -1;
  for (const addrinfo* each = found; each != nullptr && connected < 0; each = each->ai_next) {
    connected = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connected < 0 || connect(connected, each->ai_addr, each->ai_addrlen) == 0) continue;
    close(connected);
    connected = -1;
  }
  freeaddrinfo(found);
  if (connected < 0) return SystemError(absl::StrCat("cannot reach rank 0 at ", address));
  watch->peers_.push_back(
      {connected, absl::StrCat("rank 0 (host ", address, ")"), "", Clock::now()});
  Send(connected, absl::StrCat("I ", NameOf(rank)));
  watch->Begin();
  return watch;
}

Watch::~Watch() {
  leaving_ = true;
  if (thread_.joinable()) thread_.join();
  if (!failing_) Tell("B");
  for (const Peer& peer : peers_) {
    if (peer.socket >= 0) close(peer.socket);
  }
  if (listener_ >= 0) close(listener_);
}

void Watch::Begin() {
  thread_ = std::thread([this] { Run(); });
}

void Watch::Run() {
  Clock::time_point next = Clock::now();
  while (!leaving_) {
    std::vector<pollfd> sockets;
    if (listener_ >= 0) sockets.push_back({listener_, POLLIN, 0});
    for (const Peer& peer : peers_) {
      if (!peer.gone) sockets.push_back({peer.socket, POLLIN, 0});
    }
    const Clock::time_point before = Clock::now();
    poll(sockets.data(), sockets.size(), kPollMilliseconds);
    const Clock::time_point now = Clock::now();
    // Whoever was stopped itself did not hear the others.
    const bool slept = now - before > kPatience / 2;
    for (Peer& peer : peers_) {
      if (slept) peer.heard = now;
      if (!peer.gone) Hear(&peer);
    }
    if (listener_ >= 0) Greet();
    if (now >= next) {
      Tell(".");
      next = now + kBeat;
    }
    for (const Peer& peer : peers_) {
      if (peer.gone || now - peer.heard <= kPatience) continue;
      Lost(peer, absl::StrCat("has given no sign of life for ", kPatience.count(),
                              " s: it is stopped, or its machine is out of reach"));
    }
  }
}

void Watch::Greet() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return;
    peers_.push_back({socket, "", "", Clock::now()});
  }
}

void Watch::Hear(Peer* peer) {
  char bytes[4096];
  while (!peer->gone) {
    const ssize_t count = recv(peer->socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (count <= 0) {
      Lost(*peer, "has ended without a word: killed, or crashed");
      peer->gone = true;
      return;
    }
    peer->heard = Clock::now();
    peer->unread.append(bytes, count);
    for (size_t end = 0; (end = peer->unread.find('\n')) != std::string::npos;) {
      const std::string line = peer->unread.substr(0, end);
      peer->unread.erase(0, end + 1);
      Take(peer, line);
    }
    if (peer->unread.size() > kLongest) peer->unread.clear();
  }
}

void Watch::Take(Peer* peer, const std::string& line) {
  const std::string text = line.size() > 2 ? line.substr(2) : "";
  if (line == "B") peer->gone = true;
  if (line[0] == 'I') peer->name = text;
  if (line[0] == 'F') Lost(*peer, absl::StrCat("failed: ", text));
  if (line[0] == 'E') _exit(kFailureCode);
}

void Watch::Tell(const std::string& text) {
  for (const Peer& peer : peers_) {
    if (!peer.gone) Send(peer.socket, text);
  }
}

void Watch::Lost(const Peer& peer, const std::string& how) {
  if (peer.name.empty()) return;  // some stranger
  if (rank_ == 0) {
    for (Clock::time_point end = Clock::now() + kSameReason; Clock::now() < end && !leaving_;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(kPollMilliseconds / 4));
    }
  }
  if (leaving_) return;
  End(absl::StrCat(peer.name, " ", how, "; all processes end"));
}

void Watch::End(const std::string& line) {
  if (rank_ == 0) Tell(absl::StrCat("E ", OneLine(line)));
  if (rank_ == 0 || speaks_) std::fprintf(stderr, "%s\n", Printable(line).c_str());
  _exit(kFailureCode);
}

void Watch::Fail(const std::string& why) {
  failing_ = true;
  if (rank_ > 0) {
    Send(peers_[0].socket, absl::StrCat("F ", OneLine(why)));
    AwaitEnd();
    return;
  }
  leaving_ = true;
  thread_.join();
  Tell("E " + OneLine(why));
}

void Watch::AwaitEnd() const { std::this_thread::sleep_for(kPatience + std::chrono::seconds(5)); }

}  // namespace pipeline
