// What several tests need: a folder of their own, configs from text, the program as a user runs it.
#ifndef TESTS_TESTING_H_
#define TESTS_TESTING_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/config.h"
#include "pipeline/graph.h"

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

// A whole config for a narrow VGG16 on a few drawn images of 32x32 pixels. `%` marks where tests put
// more text at the end.
std::string SmallConfig();

// What a program printed and returned.
struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};
// Runs the pipeline binary in the current folder; the test's BUILD rule has //pipeline in its data.
Ran RunPipeline(const std::vector<std::string>& arguments);

// Rows of a CSV file by column name.
std::vector<std::map<std::string, std::string>> ParseCsv(const std::string& text);

// The folder of real images, "" where SHARED_DATA is not set: tests then skip.
std::string SharedData();

}  // namespace testing_support

#endif  // TESTS_TESTING_H_
