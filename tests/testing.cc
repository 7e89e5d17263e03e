// Support for tests.
#include "tests/testing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/csv.h"

namespace testing_support {
namespace {

namespace fs = std::filesystem;

// Where Bazel started the test: its data lie below.
const std::string& RunfilesFolder() {
  static const auto* folder = new std::string(fs::current_path().string());
  return *folder;
}
const std::string& kAtStart = RunfilesFolder();

std::string ReadAll(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string Program() { return RunfilesFolder() + "/pipeline/pipeline"; }

// What a process has from the one that starts it, before its main.
struct Inherited {
  static Inherited Now() {
    Inherited now;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      // Libraries read these when they are loaded, and the program all others later.
      for (const char* prefix : {"OMP_", "GOMP_", "LD_", "GLIBC_"}) {
        if (absl::StartsWith(*variable, prefix)) now.loading.emplace_back(*variable);
      }
    }
    for (const auto kind : {RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE}) {
      rlimit limit = {};
      getrlimit(kind, &limit);
      now.limits.push_back(limit.rlim_cur);
    }
    return now;
  }
  bool operator==(const Inherited&) const = default;

  std::vector<std::string> loading;
  std::vector<rlim_t> limits;
};

// Sanitizers want to be the first library themselves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kRuntimeComesFirst = true;
#else
constexpr bool kRuntimeComesFirst = false;
#endif

// One process that has the program loaded, and runs it when asked (fork_server.cc).
class ForkServer {
 public:
  static ForkServer& Get() {
    static auto* server = std::make_unique<ForkServer>().release();
    return *server;
  }

  ForkServer() : inherited_(Inherited::Now()) {
    const std::string library = RunfilesFolder() + "/tests/libfork_server.so";
    if (kRuntimeComesFirst || !fs::exists(library) || !fs::exists(Program())) return;
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) != 0) return;
    if (fork() == 0) {
      close(sockets[0]);
      setenv("LD_PRELOAD", library.c_str(), 1);
      setenv("LOSSFUSION_FORK_SERVER", std::to_string(sockets[1]).c_str(), 1);
      execl(Program().c_str(), Program().c_str(), nullptr);
      _exit(127);
    }
    close(sockets[1]);
    fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
    socket_ = sockets[0];
  }

  // The process of a run; -1 where it has to be started in the ordinary way.
  pid_t Run(const std::vector<std::string>& line, const std::string& out, const std::string& err) {
    if (socket_ < 0 || Inherited::Now() != inherited_) return -1;
    std::string variables;
    int count = 0;
    for (char** variable = environ; *variable != nullptr; ++variable, ++count) {
      absl::StrAppend(&variables, *variable, kEnd);
    }
    std::string request = absl::StrCat(out, kEnd, err, kEnd, fs::current_path().string(), kEnd,
                                       count, kEnd, variables);
    for (const std::string& word : line) absl::StrAppend(&request, word, kEnd);
    pid_t run = -1;
    // Whose parent ends becomes a child of this process, for as long as a run takes to begin.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const bool asked = send(socket_, request.data(), request.size(), MSG_NOSIGNAL) ==
                           static_cast<ssize_t>(request.size()) &&
                       recv(socket_, &run, sizeof(run), 0) == sizeof(run);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    return asked ? run : -1;
  }

 private:
  static constexpr absl::string_view kEnd{"\0", 1};
  const Inherited inherited_;
  int socket_ = -1;
};

}  // namespace

Workspace::Workspace() : before_(kAtStart) {
  const char* base = std::getenv("TEST_TMPDIR");
  std::string pattern = absl::StrCat(base == nullptr ? "/tmp" : base, "/workspace-XXXXXX");
  path_ = fs::canonical(mkdtemp(pattern.data())).string();
  fs::create_directories(path_ + "/configs");
  fs::current_path(path_);
  setenv("BUILD_WORKSPACE_DIRECTORY", path_.c_str(), 1);
}

Workspace::~Workspace() {
  fs::current_path(before_);
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void Workspace::Write(const std::string& name, const std::string& content) const {
  fs::create_directories(fs::path(path_ + "/" + name).parent_path());
  std::ofstream(path_ + "/" + name, std::ios::binary) << content;
}

std::string Workspace::Read(const std::string& name) const { return ReadAll(path_ + "/" + name); }

Loaded Load(const std::string& path, const std::vector<std::string>& sets) {
  Loaded result;
  pipeline::Diagnostics errors;
  auto loaded = pipeline::LoadConfig(path, sets, &errors);
  if (!loaded.ok()) {
    result.errors = std::string(loaded.status().message());
    return result;
  }
  result.config = *std::move(loaded);
  result.graph = pipeline::Graph::Create(result.config.document, &errors);
  result.errors = std::string(errors.ToStatus().message());
  return result;
}

std::string SmallConfig() {
  return R"(node {
  name: "load"
  plugin { [plugins/Loader] {
    batch_size: 8
    image_size: 32
    dataset { [datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 } }
  } }
}
node { name: "gray" input: "load.images" plugin { [plugins/Grayscale] {} } }
node {
  name: "augment"
  input: "images: gray"
  input: "labels: load.labels"
  phase: TRAIN
  plugin { [plugins/Augment] {} }
}
node { name: "normalize" input: "augment.images" plugin { [plugins/Normalize] {} } }
node {
  name: "classify"
  input: "normalize"
  plugin { [plugins/Model] { model { [models/Vgg16] { head: GAP width: 0.07 } }
    activation { [activations/Relu] {} } } }
}
node {
  name: "loss"
  input: "logits: classify"
  input: "labels: augment.labels"
  plugin { [plugins/FusedLoss] {
    term { [losses/SmoothL1] {} }
    term { [losses/CategoricalCrossEntropy] {} }
  } }
}
node {
  name: "metrics"
  input: "logits: classify"
  input: "labels: augment.labels"
  plugin { [plugins/Metrics] {} }
}
train { epochs: 2 learning_rate: 1e-3 threads: 1 precision: FP32 device: "CPU" }
)";
}

Pipeline::Pipeline(const std::vector<std::string>& arguments,
                   const std::vector<std::string>& before) {
  // A folder of its own: sandboxes share /tmp but number their processes alike.
  std::string folder = fs::temp_directory_path().string() + "/pipeline-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) std::abort();
  out_ = folder + "/out";
  err_ = folder + "/err";
  std::vector<std::string> line = before;
  line.push_back(Program());
  line.insert(line.end(), arguments.begin(), arguments.end());
  if (before.empty()) process_ = ForkServer::Get().Run(line, out_, err_);
  if (process_ != -1) return;
  std::vector<char*> words;
  for (std::string& word : line) words.push_back(word.data());
  words.push_back(nullptr);
  process_ = fork();
  if (process_ != 0) return;
  if (std::freopen(out_.c_str(), "w", stdout) == nullptr ||
      std::freopen(err_.c_str(), "w", stderr) == nullptr) {
    _exit(126);
  }
  execvp(words[0], words.data());
  _exit(127);
}

bool Pipeline::Runs() const {
  // WNOWAIT leaves the end for Wait to see.
  siginfo_t info = {};
  waitid(P_PID, process_, &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == 0;
}

void Pipeline::Signal(int signal) const { kill(process_, signal); }

void Pipeline::AwaitHandlerOf(int signal) const {
  const std::string line = "\nSigCgt:\t";
  while (Runs()) {
    const std::string status = ReadAll("/proc/" + std::to_string(process_) + "/status");
    const size_t at = status.find(line);
    if (at == std::string::npos) continue;
    const uint64_t caught = std::stoull(status.substr(at + line.size(), 16), nullptr, 16);
    if ((caught >> (signal - 1) & 1) != 0) return;
  }
}

Ran Pipeline::Wait() {
  int status = 0;
  waitpid(process_, &status, 0);
  const Ran ran = {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadAll(out_), ReadAll(err_)};
  fs::remove_all(fs::path(out_).parent_path());
  return ran;
}

Ran RunPipeline(const std::vector<std::string>& arguments, const std::vector<std::string>& before) {
  return Pipeline(arguments, before).Wait();
}

std::vector<std::map<std::string, std::string>> ParseCsv(const std::string& text) {
  std::vector<std::map<std::string, std::string>> rows;
  pipeline::CsvReader csv(text);
  std::vector<std::string> columns, cells;
  if (csv.AtEnd()) return rows;
  EXPECT_TRUE(csv.Next(&columns)) << text;
  while (!csv.AtEnd()) {
    EXPECT_TRUE(csv.Next(&cells)) << "line " << csv.line();
    EXPECT_EQ(cells.size(), columns.size()) << "line " << csv.line();
    std::map<std::string, std::string> row;
    for (size_t j = 0; j < cells.size() && j < columns.size(); ++j) row[columns[j]] = cells[j];
    rows.push_back(row);
  }
  return rows;
}

std::string SharedData() {
  const char* folder = std::getenv("SHARED_DATA");
  return folder == nullptr ? "" : folder;
}

}  // namespace testing_support
