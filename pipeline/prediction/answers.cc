// Formats of answers.
#include "pipeline/prediction/answers.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/csv.h"
#include "pipeline/data.h"
#include "pipeline/json.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

std::string Number(double value) { return absl::StrFormat("%.9g", value); }

}  // namespace

std::string AnswerFormat::Header() const {
  if (shape_.json) return "";
  std::vector<std::string> cells = {"path"};
  if (shape_.masks) {
    cells.emplace_back("mask");
  } else {
    cells.insert(cells.end(), {"class", "probability"});
  }
  cells.emplace_back("entropy");
  if (shape_.members) cells.emplace_back("mutual_information");
  const auto count = static_cast<int64_t>(classes_.size());
  for (const std::string& name : ClassColumns(classes_, count)) {
    cells.push_back(absl::StrCat(shape_.masks ? "share." : "p.", name));
  }
  cells.emplace_back("error");
  return CsvRecord(cells);
}

std::string AnswerFormat::Line(const Answer& answer) const {
  if (shape_.json) return JsonLine(answer);
  const bool failed = !answer.error.empty();
  const auto number = [&](double value) { return failed ? "" : Number(value); };
  std::vector<std::string> cells = {answer.path};
  if (shape_.masks) {
    cells.push_back(answer.mask);
  } else {
    cells.insert(cells.end(), {answer.predicted, number(answer.probability)});
  }
  cells.push_back(number(answer.entropy));
  if (shape_.members) cells.push_back(number(answer.mutual_information));
  const std::vector<double>& values = shape_.masks ? answer.shares : answer.probabilities;
  for (size_t i = 0; i < classes_.size(); ++i) cells.push_back(failed ? "" : Number(values[i]));
  cells.push_back(answer.error);
  return CsvRecord(cells);
}

std::string AnswerFormat::JsonLine(const Answer& answer) const {
  nlohmann::ordered_json line = {{"path", ValidUtf8(answer.path)}};
  if (!answer.error.empty()) {
    line["error"] = ValidUtf8(answer.error);
    return pipeline::JsonLine(line) + "\n";
  }
  nlohmann::ordered_json by_class = nlohmann::ordered_json::object();
  const std::vector<double>& values = shape_.masks ? answer.shares : answer.probabilities;
  for (size_t i = 0; i < classes_.size(); ++i) by_class[ValidUtf8(classes_[i])] = values[i];
  if (shape_.masks) {
    line["mask"] = ValidUtf8(answer.mask);
  } else {
    line["class"] = ValidUtf8(answer.predicted);
    line["probability"] = answer.probability;
  }
  line["entropy"] = answer.entropy;
  if (shape_.members) line["mutual_information"] = answer.mutual_information;
  line[shape_.masks ? "shares" : "probabilities"] = by_class;
  return pipeline::JsonLine(line) + "\n";
}

}  // namespace pipeline
