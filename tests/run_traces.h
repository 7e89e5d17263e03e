// What a run leaves on disk, but for how long it took, to compare runs by.
#ifndef TESTS_RUN_TRACES_H_
#define TESTS_RUN_TRACES_H_

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace testing_support {

struct RunTraces {
  std::string weights, predictions;
  std::vector<std::map<std::string, std::string>> rows;  // of metrics.csv
  nlohmann::json summary;
  // Phase, tag, step and value of all curves, and a hash of an image's bytes.
  std::multiset<std::tuple<std::string, std::string, int64_t, float, size_t>> curves;
};

// Of a folder below the current one. Expects that each phase has one file of curves.
RunTraces TracesOf(const std::string& folder);

void ExpectEqual(const RunTraces& traces, const RunTraces& expected);

}  // namespace testing_support

#endif  // TESTS_RUN_TRACES_H_
