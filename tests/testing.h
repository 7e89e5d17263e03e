// What several tests need: a folder of their own, configs from text, the program as a user runs it.
#ifndef TESTS_TESTING_H_
#define TESTS_TESTING_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"

namespace testing_support {

// An empty folder that becomes the current one and the workspace (with an empty configs/); removed
// at the end.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  const std::string& path() const { return path_; }
  // Makes folders as needed.
  void Write(const std::string& name, const std::string& content) const;
  std::string Read(const std::string& name) const;
  bool Has(const std::string& name) const { return std::filesystem::exists(path_ + "/" + name); }

 private:
  std::string path_;
  std::string before_;
};

// The graph of a config file, or everything that is wrong with it, a line each.
struct Loaded {
  pipeline::LoadedConfig config;
  std::unique_ptr<pipeline::Graph> graph;
  std::string errors;
};
Loaded Load(const std::string& path, const std::vector<std::string>& sets = {});

// A whole config for a narrow VGG16 on a few drawn images of 32x32 pixels. `%` marks where tests
// put more text at the end.
std::string SmallConfig();

// What a program printed and returned.
struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};
// The pipeline binary, started in the current folder; the test's BUILD rule has //pipeline in its
// data.
class Pipeline {
 public:
  // `before`: words of a command that starts it, such as strace.
  explicit Pipeline(const std::vector<std::string>& arguments,
                    const std::vector<std::string>& before = {});
  // Whether it has not ended yet.
  bool Runs() const;
  int process() const { return process_; }
  void Signal(int signal) const;
  // Until it has a handler for the signal of its own.
  void AwaitHandlerOf(int signal) const;
  // To its end. Called once.
  Ran Wait();

 private:
  int process_ = -1;
  std::string out_, err_;
};
// Runs it to its end.
Ran RunPipeline(const std::vector<std::string>& arguments,
                const std::vector<std::string>& before = {});

// Rows of a CSV file by column name.
std::vector<std::map<std::string, std::string>> ParseCsv(const std::string& text);

// The folder of real images, "" where SHARED_DATA is not set: tests then skip.
std::string SharedData();

}  // namespace testing_support

#endif  // TESTS_TESTING_H_
