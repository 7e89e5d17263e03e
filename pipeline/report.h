// What stages say at the end of a phase: values for metrics.csv and summary.json, and what a person
// reads first.
#ifndef PIPELINE_REPORT_H_
#define PIPELINE_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pipeline {

// Which values of a column make a better model. kNeither: it measures no quality (a weight, a
// baseline), so no epoch can be chosen by it.
enum class Better { kHigher, kLower, kNeither };

struct ReportedValue {
  enum Kind { kNumber, kCount, kFlag };  // how summary.json writes it

  std::string column;  // of metrics.csv, in full: "metrics.accuracy"
  double value = 0;    // NaN: not defined, as the recall of a class that does not occur
  Better better = Better::kNeither;
  Kind kind = kNumber;
  std::string key;  // in summary.json's "test"; the column where it is empty

  bool operator==(const ReportedValue& other) const;
};

class Report {
 public:
  void Add(ReportedValue value) { values_.push_back(std::move(value)); }
  void Add(const std::string& column, double value, Better better = Better::kNeither) {
    values_.push_back({column, value, better, ReportedValue::kNumber, ""});
  }
  void AddMatrix(const std::string& name, std::vector<std::vector<int64_t>> rows) {
    matrices_[name] = std::move(rows);
  }

  // The result in a few rows: name, and text such as "97.5 %  (majority baseline 25.0 %)".
  void AddHeadline(const std::string& name, const std::string& text) {
    headlines_.emplace_back(name, text);
  }
  // The result in detail, such as a row for each class; the first row names the columns.
  void SetTable(std::vector<std::vector<std::string>> rows) { table_ = std::move(rows); }
  // What a reader must not miss, such as that only one class is ever predicted.
  void AddRemark(const std::string& remark) { remarks_.push_back(remark); }

  const std::vector<ReportedValue>& values() const { return values_; }
  const std::map<std::string, std::vector<std::vector<int64_t>>>& matrices() const {
    return matrices_;
  }
  const std::vector<std::pair<std::string, std::string>>& headlines() const { return headlines_; }
  const std::vector<std::vector<std::string>>& table() const { return table_; }
  const std::vector<std::string>& remarks() const { return remarks_; }

  // NaN where there is no such column.
  double Find(const std::string& column) const;

 private:
  std::vector<ReportedValue> values_;
  std::map<std::string, std::vector<std::vector<int64_t>>> matrices_;
  std::vector<std::pair<std::string, std::string>> headlines_;
  std::vector<std::vector<std::string>> table_;
  std::vector<std::string> remarks_;
};

// "97.5 %" of 0.975; "-" of NaN.
std::string Percent(double share);
// "12,345".
std::string Thousands(int64_t number);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_H_
