// Support for tests.
#include "tests/testing.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

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
  const std::string program = RunfilesFolder() + "/pipeline/pipeline";
  std::vector<std::string> line = before;
  line.push_back(program);
  line.insert(line.end(), arguments.begin(), arguments.end());
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
