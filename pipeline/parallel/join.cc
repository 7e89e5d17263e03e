// c10d: a store to meet in, and groups of Gloo and NCCL.
#include "pipeline/parallel/join.h"

#include <ATen/ATen.h>
#include <torch/version.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/exceptions.h"
#include "pipeline/parallel/address.h"
#include "pipeline/parallel/buckets.h"
#include "pipeline/parallel/watch.h"

namespace pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A rank that is gone is found by the watch, not by how long others take: reading data may.
constexpr std::chrono::hours kPatienceOfCollectives{24 * 7};
constexpr seconds kPatienceWithStore{60};

seconds JoinSeconds() {
  constexpr int kDefault = 300;
  const char* text = std::getenv("LOSSFUSION_JOIN_SECONDS");
  int value = 0;
  return seconds(text != nullptr && absl::SimpleAtoi(text, &value) && value > 0 ? value : kDefault);
}

// Ends the process, with a line, unless it is destroyed before: for calls that may hang.
class Deadline {
 public:
  Deadline(seconds limit, std::string line)
      : thread_([this, limit, line = std::move(line)] {
          std::unique_lock<std::mutex> lock(mutex_);
          if (condition_.wait_for(lock, limit, [this] { return done_; })) return;
          std::fprintf(stderr, "%s\n", line.c_str());
          _exit(1);
        }) {}
  ~Deadline() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    condition_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool done_ = false;
  std::thread thread_;
};

// What processes know of each other before there is a group.
class Meeting {
 public:
  Meeting(const Seat& seat, c10::intrusive_ptr<c10d::Store> store)
      : seat_(seat), store_(std::move(store)) {}

  void Set(const std::string& key, const std::string& value) {
    store_->set(key, std::vector<uint8_t>(value.begin(), value.end()));
  }
  std::string Get(const std::string& key) {
    const std::vector<uint8_t> value = store_->get(key);
    return {value.begin(), value.end()};
  }

  // Returns when all have come.
  absl::Status Await() {
    Set(Here(seat_.rank), AddressTowards(seat_.address));
    const auto end = std::chrono::steady_clock::now() + JoinSeconds();
    for (int rank = 0; seat_.rank == 0 && rank < seat_.size; ++rank) {
      while (!store_->check({Here(rank)})) {
        if (std::chrono::steady_clock::now() > end) return Missing();
        std::this_thread::sleep_for(milliseconds(20));
      }
    }
    if (seat_.rank == 0) Set("all", "yes");
    // Rank 0 says who is missing.
    store_->wait({"all"}, JoinSeconds() + seconds(5));
    return absl::OkStatus();
  }

  // Where the others find this process. Its host's own name may be one of loopback to itself.
  std::string OwnAddress() {
    const std::string own = Get(Here(seat_.rank));
    if (!IsLoopback(own) || seat_.local_size == seat_.size) return own;
    for (int rank = 0; rank < seat_.size; ++rank) {
      const std::string other = Get(Here(rank));
      if (!IsLoopback(other)) return AddressTowards(other);
    }
    return own;
  }

 private:
  static std::string Here(int rank) { return absl::StrCat("here/", rank); }

  absl::Status Missing() {
    std::vector<int> missing;
    for (int rank = 0; rank < seat_.size; ++rank) {
      if (!store_->check({Here(rank)})) missing.push_back(rank);
    }
    return absl::DeadlineExceededError(
        absl::StrCat(seat_.size - missing.size(), " of ", seat_.size, " processes came to ",
                     seat_.address, ":", seat_.port, " within ", JoinSeconds().count(),
                     " s; missing: rank ", absl::StrJoin(missing, ", ")));
  }

  const Seat& seat_;
  const c10::intrusive_ptr<c10d::Store> store_;
};

using Tensors = std::vector<at::Tensor>;
using Work = c10::intrusive_ptr<c10d::Work>;

// Tensors in memory go by Gloo. Those on a GPU by NCCL, where the build has it (else by Gloo,
// through memory), each kind in its own order.
class Ways {
 public:
  Ways(const c10::intrusive_ptr<c10d::Store>& store, const Seat& seat, const std::string& address)
      : seat_(seat), store_(store) {
    auto options = c10d::ProcessGroupGloo::Options::create();
    options->timeout = kPatienceOfCollectives;
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store, seat.rank, seat.size, options);
  }

  Work Sum(Tensors& tensors) {
    return By(tensors[0], [&](auto& group) { return group->allreduce(tensors); });
  }
  Work Gather(std::vector<Tensors>& all, Tensors& own) {
    return By(own[0], [&](auto& group) { return group->allgather(all, own); });
  }
  Work Broadcast(Tensors& tensors) {
    return By(tensors[0], [&](auto& group) { return group->broadcast(tensors); });
  }

 private:
  template <class Call>
  Work By(const at::Tensor& tensor, const Call& call) {
#ifdef USE_C10D_NCCL
    if (tensor.is_cuda()) {
      if (nccl_ == nullptr) {
        nccl_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(
            c10::make_intrusive<c10d::PrefixStore>("nccl", store_), seat_.rank, seat_.size);
      }
      return call(nccl_);
    }
#endif
    return call(gloo_);
  }

  const Seat seat_;
  const c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
#ifdef USE_C10D_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;
#endif
};

class Group : public Joined {
 public:
  Group(const Seat& seat, std::unique_ptr<Ways> ways, std::unique_ptr<Watch> watch)
      : Joined(seat), watch_(std::move(watch)), ways_(std::move(ways)) {}

  void Fail(const std::string& why) override { watch_->Fail(why); }

  std::unique_ptr<GradientSum> SumGradients(std::vector<at::Tensor> parameters) const override {
    return std::make_unique<Guarded>(
        *watch_, SumInBuckets(std::move(parameters), [this](const at::Tensor& bucket) {
          Tensors values = {bucket};
          const Work work = ways_->Sum(values);
          return [work] { work->wait(); };
        }));
  }

 protected:
  std::vector<at::Tensor> GatherAll(const at::Tensor& tensor) const override {
    std::vector<std::vector<at::Tensor>> all(1);
    for (int rank = 0; rank < seat().size; ++rank) all[0].push_back(at::empty_like(tensor));
    std::vector<at::Tensor> own = {tensor};
    Guard(*watch_, [&] { ways_->Gather(all, own)->wait(); });
    return all[0];
  }

  void BroadcastToAll(const at::Tensor& tensor) const override {
    std::vector<at::Tensor> values = {tensor};
    Guard(*watch_, [&] { ways_->Broadcast(values)->wait(); });
  }

 private:
  // The watch knows better than a collective what is wrong.
  template <class Call>
  static void Guard(const Watch& watch, const Call& call) {
    try {
      call();
    } catch (...) {
      watch.AwaitEnd();
      throw;
    }
  }

  class Guarded : public GradientSum {
   public:
    Guarded(const Watch& watch, std::unique_ptr<GradientSum> sum)
        : watch_(watch), sum_(std::move(sum)) {}
    void Begin() override { sum_->Begin(); }
    void Finish() override {
      Guard(watch_, [&] { sum_->Finish(); });
    }

   private:
    const Watch& watch_;
    const std::unique_ptr<GradientSum> sum_;
  };

  const std::unique_ptr<Watch> watch_;
  const std::unique_ptr<Ways> ways_;
};

// A name may become known some time after a job has begun; c10d would complain every second.
absl::Status AwaitName(const Seat& seat) {
  const auto end = std::chrono::steady_clock::now() + JoinSeconds();
  while (true) {
    const std::string why = WhyUnknown(seat.address);
    if (why.empty()) return absl::OkStatus();
    if (std::chrono::steady_clock::now() > end) {
      return absl::UnavailableError(absl::StrCat("rank ", seat.rank, " of ", seat.size,
                                                 ": the host of rank 0, ", seat.address, ": ", why,
                                                 "; MASTER_ADDR may be its address instead"));
    }
    std::this_thread::sleep_for(milliseconds(500));
  }
}

absl::StatusOr<c10::intrusive_ptr<c10d::Store>> OpenStore(const Seat& seat) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(seat.port);
  options.isServer = seat.rank == 0 && !seat.store_is_there;
  options.waitWorkers = false;  // Meeting does, and says who is missing
  options.timeout = JoinSeconds();
  c10::intrusive_ptr<c10d::Store> store;
  const absl::Status opened = Caught([&] {
    // torchrun of LibTorch 2 speaks another protocol than LibTorch 1.13, which then hangs.
    const Deadline deadline(
        seat.store_is_there ? kPatienceWithStore : JoinSeconds() + kPatienceWithStore,
        absl::StrCat("rank ", seat.rank, ": the store at ", seat.address, ":", seat.port,
                     " does not answer",
                     seat.store_is_there ? "; where torchrun is of another LibTorch than this "
                                           "program, set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"
                                         : ""));
    store = c10::make_intrusive<c10d::TCPStore>(seat.address, options);
    store = c10::make_intrusive<c10d::PrefixStore>("lossfusion/" + seat.attempt, store);
    store->add("processes", 1);
    return absl::OkStatus();
  });
  if (opened.ok()) return store;
  return absl::UnavailableError(absl::StrCat("rank ", seat.rank, " of ", seat.size,
                                             ": the store at ", seat.address, ":", seat.port, ": ",
                                             opened.message()));
}

absl::StatusOr<std::unique_ptr<Joined>> Meet(const Seat& seat,
                                             const c10::intrusive_ptr<c10d::Store>& store) {
  Meeting meeting(seat, store);
  const absl::Status all = meeting.Await();
  if (!all.ok()) return all;
  const bool listens = seat.rank == 0;
  auto watch = listens ? Watch::Listen(seat.size)
                       : Watch::Connect(seat.address, std::stoi(meeting.Get("watch")), seat.rank,
                                        seat.local_rank == 0 || seat.rank == 1);
  if (!watch.ok()) return watch.status();
  if (listens) meeting.Set("watch", absl::StrCat((*watch)->port()));
  auto ways = std::make_unique<Ways>(store, seat, meeting.OwnAddress());
  auto joined = std::make_unique<Group>(seat, std::move(ways), *std::move(watch));
  // Its headers may be of another Gloo than the library's.
  const double sum = joined->Sum(std::vector<double>{static_cast<double>(seat.rank)})[0];
  TORCH_CHECK(sum == seat.size * (seat.size - 1) / 2.0,
              "Gloo does not add up: the sum of ranks is ", sum);
  return std::unique_ptr<Joined>(std::move(joined));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Joined>> Join(const Seat& seat) {
  std::signal(SIGPIPE,
              SIG_IGN);  // writing to who is gone is an error, and the watch says whose end
  const absl::Status known = AwaitName(seat);
  if (!known.ok()) return known;
  const absl::StatusOr<c10::intrusive_ptr<c10d::Store>> store = OpenStore(seat);
  if (!store.ok()) return store.status();
  absl::StatusOr<std::unique_ptr<Joined>> joined = absl::InternalError("nobody");
  const absl::Status met = Caught([&] {
    joined = Meet(seat, *store);
    return absl::OkStatus();
  });
  if (met.ok()) return joined;
  return absl::UnavailableError(absl::StrCat("rank ", seat.rank, " of ", seat.size,
                                             " cannot join the others: ", met.message()));
}

}  // namespace pipeline
